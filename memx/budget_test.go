package memx

// Inside the package, because what is counted is compared with what is there.

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fiberflow/flow"
)

// recount adds up what the rooms of a log hold.
func recount(l *Log) (sum int64) {
	for i := range l.shards {
		for _, r := range l.shards[i].rooms {
			sum += roomSize + sizeOfAll(r.operations) + int64(len(r.snapshot.Data))
			for session := range r.sessions {
				sum += authorSize + int64(len(session))
			}
			for key, k := range r.keys.entries {
				sum += receiptOf(key, len(k.answers))
			}
		}
	}
	return sum
}

func wantExact(t *testing.T, l *Log, when string) {
	t.Helper()
	if got, want := l.Bytes(), recount(l); got != want {
		t.Fatalf("%s: %d bytes are counted, and %d are there", when, got, want)
	}
}

func wantState(t *testing.T, l *Log, want flow.State) {
	t.Helper()
	h, away := l.Health(""), want == flow.Degraded
	if h.State != want || h.Partial != away || (h.Reason != "") != away {
		t.Errorf("Health = %+v, want %s", h, want)
	}
}

// sized returns a batch of one operation with so many bytes of data.
func sized(session string, n uint64, size int) flow.Batch {
	b := one(session, n)
	b.Operations[0].Data = []byte(strings.Repeat("x", size))
	return b
}

// Whatever is appended, trimmed, swept, saved, deleted, restored, refused and expired, what is counted is what
// is there, and no more than the maximum but for the rooms themselves; in the end it is nothing (I9).
func TestLog_BytesExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most, rooms = 100_000, 8
		l := NewLog(LogConfig{
			MaxBytes: most, OperationLimit: 16, OperationTTL: time.Minute, KeyTTL: 3 * time.Minute,
			TombstoneTTL: time.Second, Settle: -1,
		})
		w := &walk{t: t, l: l, random: rand.New(rand.NewPCG(1, 2))}
		for range 20_000 {
			w.step(fmt.Sprint("room", w.random.IntN(rooms)))
			wantExact(t, l, w.last)
			if l.Bytes() > most+rooms*roomSize {
				t.Fatalf("%s: %d bytes are in use, want at most %d", w.last, l.Bytes(), most)
			}
		}
		if w.refused < 100 || w.taken < 1000 {
			t.Errorf("%d were refused and %d taken: nothing was tested", w.refused, w.taken)
		}
		<-time.After(time.Hour)
		sweepAll(t, l)
		if l.Bytes() != 0 {
			t.Errorf("%d bytes are in use after everything has expired", l.Bytes())
		}
		wantState(t, l, flow.Live)
	})
}

// walk does one thing after the other with a log.
type walk struct {
	t              *testing.T
	l              *Log
	random         *rand.Rand
	last           string
	refused, taken int
}

func (w *walk) step(room string) {
	ctx, session := w.t.Context(), fmt.Sprint("session", w.random.IntN(5))
	page, _ := w.l.Read(ctx, room, flow.Query{Unchecked: true, Limit: 1000, Sessions: []string{session}})
	var err error
	switch w.random.IntN(20) {
	case 0:
		w.last, err = "delete", w.l.Delete(ctx, room)
	case 1:
		data := []byte(strings.Repeat("s", w.random.IntN(9000)))
		w.last, err = "snapshot", w.l.SaveSnapshot(ctx, room, flow.Snapshot{Position: page.Head, Data: data})
	case 2:
		w.last, err = "restore", w.restore(room, page)
	case 3:
		<-time.After(time.Duration(w.random.IntN(20)) * time.Second)
		w.last = "wait"
	default:
		w.last = "append"
		b := sized(session, page.Last[session]+1, w.random.IntN(3000))
		if w.random.IntN(4) == 0 {
			b.Operations, b.Key = append(b.Operations, b.Operations[0]), fmt.Sprint("key", w.random.IntN(100))
		}
		_, err = w.l.Append(ctx, room, b)
	}
	switch {
	case err == nil:
		w.taken++
	case flow.ErrorCode(err) == flow.CodeUnavailable:
		w.refused++
	}
}

// restore writes a stretch of operations behind the head, with some sessions more.
func (w *walk) restore(room string, page flow.Page) error {
	at, b := page.Head, flow.Batch{Restore: true, Fence: page.Head, Sessions: map[string]uint64{"noted": 3}}
	for n := range uint64(w.random.IntN(4)) {
		o := sized("restored", page.Head.Seq+n+1, w.random.IntN(500)).Operations[0]
		at = at.Next(o.Session, o.N, flow.DigestOf(o.Data))
		o.Seq, o.Hash = at.Seq, at.Hash
		b.Operations = append(b.Operations, o)
	}
	_, err := w.l.Append(w.t.Context(), room, b)
	return err
}

// A room that uses up the memory takes nothing from the others: they keep what they have, can be read, and go
// on as soon as it is deleted.
func TestLog_BytesOfOthers(t *testing.T) {
	l := NewLog(LogConfig{MaxBytes: 1 << 20})
	mustAppend(t, l, "small", one("a", 1))
	var err error
	n := uint64(1)
	for ; err == nil; n++ {
		_, err = l.Append(t.Context(), "greedy", sized("b", n, 1000))
	}
	if flow.ErrorCode(err) != flow.CodeUnavailable || n < 500 {
		t.Fatalf("Append %d = %v, want it refused at the end", n, err)
	}
	wantState(t, l, flow.Degraded)
	if h := l.Health("small"); h.State != flow.Live {
		t.Errorf("Health of a room = %+v", h)
	}
	wantHead(t, l, "small", 1)
	wantHead(t, l, "greedy", n-2)
	if _, err := l.Append(t.Context(), "small", one("a", 1)); err != nil {
		t.Errorf("an operation that is in the log is refused: %v", err)
	}
	if _, err := l.Append(t.Context(), "small", sized("a", 2, 1000)); flow.ErrorCode(err) != flow.CodeUnavailable {
		t.Errorf("Append = %v, want it refused", err)
	}
	mustDelete(t, l, "greedy")
	wantState(t, l, flow.Live)
	mustAppend(t, l, "small", sized("a", 2, 1000))
	wantExact(t, l, "in the end")
}

// A room that has reached its limit of operations goes on when the memory is used up: it gives what it takes,
// and nobody loses a snapshot by that.
func TestLog_BytesOfItsOwn(t *testing.T) {
	const limit = 10
	l := NewLog(LogConfig{MaxBytes: 1 << 16, OperationLimit: limit})
	for n := range uint64(limit) {
		mustAppend(t, l, "full", sized("a", n+1, 100))
	}
	at := flow.Position{}
	page, err := l.Read(t.Context(), "full", flow.Query{Limit: limit})
	if err == nil {
		at = page.Operations[2].Position()
		err = l.SaveSnapshot(t.Context(), "full", flow.Snapshot{Position: at, Data: []byte(`{}`)})
	}
	for n := uint64(1); err == nil; n++ {
		_, err = l.Append(t.Context(), "filler", sized(fmt.Sprint("b", n), 1, 100))
	}
	if flow.ErrorCode(err) != flow.CodeUnavailable {
		t.Fatalf("fill: %v", err)
	}
	taken := 0
	for n := uint64(limit + 1); ; n++ {
		if _, err := l.Append(t.Context(), "full", sized("a", n, 100)); err != nil {
			break
		}
		taken++
	}
	// As many as stand before the snapshot; and one, if there was just so much left.
	if taken < 3 || taken > 4 {
		t.Errorf("%d operations were taken, want 3", taken)
	}
	if s, err := l.Snapshot(t.Context(), "full"); err != nil || s.Position != at {
		t.Errorf("Snapshot = %+v, %v", s, err)
	}
}

// Many rooms that grow at once never have more than the maximum together.
func TestLog_BytesAtOnce(t *testing.T) {
	const most = 1 << 20
	l := NewLog(LogConfig{MaxBytes: most})
	var running sync.WaitGroup
	for i := range 8 {
		running.Go(func() {
			for n := range uint64(1000) {
				_, err := l.Append(t.Context(), fmt.Sprint("room", i), sized("a", n+1, 500))
				if err != nil && flow.ErrorCode(err) != flow.CodeUnavailable {
					t.Errorf("Append: %v", err)
				}
				if used := l.Bytes(); used > most+8*roomSize {
					t.Errorf("%d bytes are in use", used)
				}
			}
		})
	}
	running.Wait()
	wantExact(t, l, "in the end")
}

// A hub whose log is full keeps what it is sent as in an outage, and writes it when memory is free again: with
// each thing once, and nobody has to do anything (I1, I14).
func TestLog_BytesHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLog(LogConfig{MaxBytes: 1 << 16})
		hub, err := flow.New(flow.Config{
			Sessions: NewSessionStore(SessionConfig{}), Bus: NewBus(), Log: l,
			Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatalf("New: %v", err)
		}
		defer func() { _ = hub.Close(context.WithoutCancel(t.Context())) }()
		for n := uint64(1); ; n++ {
			if _, err := l.Append(t.Context(), "greedy", sized("b", n, 1000)); err != nil {
				break
			}
		}
		text, _ := json.Marshal(strings.Repeat("x", 2000))
		for range 3 {
			done, err := hub.Submit(t.Context(), "room", flow.User{ID: "ada"}, "", text)
			if err != nil || !done.Queued {
				t.Errorf("Submit = %+v, %v, want it queued", done, err)
			}
		}
		wantHead(t, l, "room", 0)
		if s := hub.Subsystems()[2]; s.State != flow.Degraded || s.Reason == "" {
			t.Errorf("ordering is %+v, want degraded with a reason", s)
		}
		if err := hub.DeleteRoom(t.Context(), "greedy"); err != nil {
			t.Fatalf("DeleteRoom: %v", err)
		}
		<-time.After(5 * time.Second)
		wantHead(t, l, "room", 3)
		if s := hub.Subsystems()[2]; s.State != flow.Live {
			t.Errorf("ordering is %+v, want live", s)
		}
	})
}
