package conformance

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fiberflow/flow"
)

// OpenLogPair returns one fresh and empty log each of two backends, with the same settings. Both are a
// [CursorLog].
type OpenLogPair func(t *testing.T, s LogSettings) (a, b flow.Log)

// DifferentialLog applies random calls to two logs and demands equal answers: to appends with good and
// bad fences, keys and numbers, to restores of logs that are missing or lost a part, good and bad ones, to
// reads at good and bad positions, to snapshots, leases, cursors and deletions.
//
// No case waits for a window to pass: either a window is a millisecond, and over after the next few
// calls, or it is longer than the test.
func DifferentialLog(t *testing.T, open OpenLogPair) {
	t.Helper()
	for _, s := range []LogSettings{
		{OperationLimit: 4, Settle: time.Millisecond},
		{OperationLimit: 20, Settle: time.Millisecond},
		{OperationLimit: 20, Settle: time.Hour},
	} {
		t.Run(fmt.Sprintf("limit %d, window %v", s.OperationLimit, s.Settle), func(t *testing.T) {
			a, b := openDuel(t, open, s)
			round := 0
			rapid.Check(t, func(rt *rapid.T) {
				round++ // a fresh room takes the place of a fresh log
				newDuel(t, a, b, round, s.Settle).run(rt)
			})
		})
	}
}

func openDuel(t *testing.T, open OpenLogPair, s LogSettings) (a, b CursorLog) {
	t.Helper()
	one, other := open(t, s)
	a, okA := one.(CursorLog)
	b, okB := other.(CursorLog)
	if !okA || !okB {
		t.Fatalf("%T and %T are compared, want logs that keep leases and cursors", one, other)
	}
	return a, b
}

// duel is two logs that are asked the same.
type duel struct {
	ctx   context.Context // of the test that rapid runs in
	a, b  CursorLog
	rooms []string
	// known are positions that each room had, and zero.
	known map[string][]flow.Position
	// past is each room's log from its origin, also what is trimmed, or not yet restored.
	past   map[string][]flow.Operation
	origin map[string]flow.Position
	// stamps are the Page.Restored that a and b told last.
	stamps map[string][2]int64
	settle time.Duration
}

func newDuel(t *testing.T, a, b CursorLog, round int, settle time.Duration) *duel {
	t.Helper()
	d := &duel{
		ctx: t.Context(), a: a, b: b, settle: settle, known: make(map[string][]flow.Position),
		past: make(map[string][]flow.Operation), origin: make(map[string]flow.Position),
		stamps: make(map[string][2]int64),
	}
	for i := range 3 {
		d.rooms = append(d.rooms, fmt.Sprintf("round-%d-%d", round, i))
		d.known[d.rooms[i]] = []flow.Position{{}}
	}
	return d
}

func (d *duel) run(t *rapid.T) {
	for _, room := range d.rooms {
		if rapid.Bool().Draw(t, "lost before") {
			d.begin(t, room)
		}
	}
	t.Repeat(map[string]func(*rapid.T){
		"":         d.compareAll, // after each of the others
		"append 1": d.append,     // most of what happens
		"append 2": d.append,
		"append 3": d.append,
		"append 4": d.append,
		"restore":  d.restore,
		"front 1":  d.restoreFront,
		"front 2":  d.restoreFront,
		"read":     d.read,
		"save":     d.save,
		"snapshot": d.snapshot,
		"delete":   d.delete,
		"acquire":  d.acquire,
		"release":  d.release,
		"advance":  d.advance,
		"look":     d.look,
	})
}

func (d *duel) append(t *rapid.T) {
	room := d.room(t)
	b := flow.Batch{
		Fence: d.position(t, room),
		Jump:  rapid.IntRange(0, 3).Draw(t, "jump in four") == 3,
		Key:   rapid.SampledFrom([]string{"", "", "", "", "k1", "k2"}).Draw(t, "key"),
	}
	for range rapid.IntRange(0, 6).Draw(t, "operations") {
		b.Operations = append(b.Operations, d.operation(t, room, b.Operations))
	}
	d.appendBoth(t, room, b)
}

// appendBoth appends a batch to both and demands equal answers. It reports whether it was taken.
func (d *duel) appendBoth(t *rapid.T, room string, b flow.Batch) bool {
	gotA, errA := d.a.Append(d.ctx, room, b)
	gotB, errB := d.b.Append(d.ctx, room, b)
	wantSameError(t, errA, errB)
	if !slices.Equal(gotA, gotB) {
		t.Fatalf("Append(%s, %+v):\n%+v\n%+v", room, b, gotA, gotB)
	}
	for i, answer := range gotA {
		if answer.Status == flow.Confirmed {
			o := b.Operations[i]
			o.Seq, o.Hash = answer.Seq, answer.Hash
			d.remember(room, o)
		}
	}
	return errA == nil
}

// remember takes down an operation that is or was in a room's log; one that an earlier retry told of is
// known.
func (d *duel) remember(room string, o flow.Operation) {
	past := d.past[room]
	if o.Seq == 1 && d.origin[room].Seq > 0 { // another log than the one that was invented
		past, d.origin[room] = nil, flow.Position{}
	}
	if len(past) == 0 || o.Seq == endOf(past).Seq+1 {
		d.past[room] = append(past, o)
		d.known[room] = append(d.known[room], o.Position())
	}
}

// operation draws the next operation of a session, mostly, after those that are in the batch already.
func (d *duel) operation(t *rapid.T, room string, before []flow.Operation) flow.Operation {
	o := d.content(t)
	page, _ := d.a.Read(d.ctx, room, flow.Query{Sessions: []string{o.Session}}) // a trimmed log has a page too
	next := page.Last[o.Session] + 1
	for _, sent := range before {
		if sent.Session == o.Session && sent.N == next {
			next++
		}
	}
	o.N = next
	if rapid.IntRange(0, 4).Draw(t, "other n in five") == 4 {
		o.N = rapid.Uint64Range(0, next+2).Draw(t, "n")
	}
	return o
}

// content draws an operation without a number.
func (d *duel) content(t *rapid.T) flow.Operation {
	return flow.Operation{
		Session: rapid.SampledFrom([]string{"s1", "s2", "s3"}).Draw(t, "session"),
		User:    rapid.SampledFrom([]string{"", "u1"}).Draw(t, "user"),
		Time:    rapid.Int64Range(0, noon).Draw(t, "time"),
		Data:    []byte(rapid.SampledFrom([]string{`1`, `null`, `{"a":"\u0000"}`, "\x00\xff"}).Draw(t, "data")),
	}
}

func (d *duel) read(t *rapid.T) {
	room := d.room(t)
	q := flow.Query{
		After:     d.position(t, room),
		Unchecked: rapid.Bool().Draw(t, "unchecked"),
		Limit:     rapid.IntRange(0, 12).Draw(t, "limit"),
		Sessions:  rapid.SliceOfN(rapid.SampledFrom([]string{"s1", "s2", "nobody"}), 0, 3).Draw(t, "sessions"),
		Renew:     rapid.Bool().Draw(t, "renew"),
	}
	d.compareRead(t, room, q)
}

// compareRead demands equal pages, but for their lengths where a backend may choose.
func (d *duel) compareRead(t *rapid.T, room string, q flow.Query) flow.Page {
	pageA, errA := d.a.Read(d.ctx, room, q)
	pageB, errB := d.b.Read(d.ctx, room, q)
	wantSameError(t, errA, errB)
	sameFacts := pageA.Head == pageB.Head && pageA.Base == pageB.Base &&
		maps.Equal(pageA.Last, pageB.Last) && pageA.Snapshot == pageB.Snapshot
	if !sameFacts || !d.sameStamps(room, pageA.Restored, pageB.Restored) {
		t.Fatalf("Read(%s, %+v):\n%+v\n%+v", room, q, pageA, pageB)
	}
	shorter := min(len(pageA.Operations), len(pageB.Operations))
	if shorter == 0 && len(pageA.Operations)+len(pageB.Operations) > 0 {
		t.Fatalf("Read(%s, %+v): %d and %d operations", room, q, len(pageA.Operations), len(pageB.Operations))
	}
	for i := range shorter {
		if !sameOperation(pageA.Operations[i], pageB.Operations[i]) {
			t.Fatalf("operation %d:\n%+v\n%+v", i, pageA.Operations[i], pageB.Operations[i])
		}
	}
	pageA.Operations = pageA.Operations[:shorter]
	return pageA
}

// compareAll demands that both have the same in all rooms.
func (d *duel) compareAll(t *rapid.T) {
	for _, room := range d.rooms {
		q := flow.Query{After: flow.Position{Seq: beyond}, Unchecked: true, Limit: 100, Sessions: []string{"s1"}}
		page := d.compareRead(t, room, q)
		for at := page.Base; at != page.Head; {
			page := d.compareRead(t, room, flow.Query{After: at, Limit: 100})
			for _, o := range page.Operations {
				if !o.Follows(at) {
					t.Fatalf("%v does not follow %v", o.Position(), at)
				}
				at = o.Position()
			}
		}
	}
}

func (d *duel) save(t *rapid.T) {
	room := d.room(t)
	data := rapid.SampledFrom([]string{`1`, `2`}).Draw(t, "data")
	s := flow.Snapshot{Position: d.position(t, room), Data: []byte(data)}
	wantSameError(t, d.a.SaveSnapshot(d.ctx, room, s), d.b.SaveSnapshot(d.ctx, room, s))
}

func (d *duel) snapshot(t *rapid.T) {
	room := d.room(t)
	a, errA := d.a.Snapshot(d.ctx, room)
	b, errB := d.b.Snapshot(d.ctx, room)
	wantSameError(t, errA, errB)
	if a.Position != b.Position || string(a.Data) != string(b.Data) {
		t.Fatalf("Snapshot(%s):\n%+v\n%+v", room, a, b)
	}
}

// delete deletes a room, seldom: what comes after that is dull.
func (d *duel) delete(t *rapid.T) {
	if rapid.IntRange(0, 9).Draw(t, "delete in ten") != 9 {
		return
	}
	room := d.room(t)
	wantSameError(t, d.a.Delete(d.ctx, room), d.b.Delete(d.ctx, room))
}

func (d *duel) room(t *rapid.T) string { return rapid.SampledFrom(d.rooms).Draw(t, "room") }

// position draws a position that the room had, mostly a late one, or one that it never had.
func (d *duel) position(t *rapid.T, room string) flow.Position {
	known := d.known[room]
	p := known[max(0, len(known)-1-rapid.IntRange(0, 30).Draw(t, "age of position"))]
	switch rapid.IntRange(0, 19).Draw(t, "kind of position") {
	case 0:
		p.Hash ^= 1
	case 1:
		p.Seq++
	case 2:
		p.Seq += beyond
	case 3:
		p = rapid.SampledFrom(d.known[d.rooms[0]]).Draw(t, "position of a room")
	case 4, 5, 6, 7:
		p = known[len(known)-1]
	case 8, 9:
		p = flow.Position{}
	}
	if p.Seq == 0 {
		p.Hash = 0
	}
	return p
}

func wantSameError(t *rapid.T, a, b error) {
	t.Helper()
	if kindOf(a) != kindOf(b) {
		t.Fatalf("errors differ: %v and %v", a, b)
	}
}

// kindOf names what the contract says about an error.
func kindOf(err error) string {
	for _, kind := range []error{
		flow.ErrNoLog, flow.ErrCorrupt, flow.ErrBehind, flow.ErrFork, flow.ErrMoved, flow.ErrSettling,
	} {
		if errors.Is(err, kind) {
			return kind.Error()
		}
	}
	return string(flow.ErrorCode(err))
}
