package conformance

import (
	"context"
	"errors"
	"slices"
	"sort"

	"pgregory.net/rapid"

	"github.com/fiberflow/flow"
)

// restore restores something: mostly what fits behind the log, or begins it.
func (d *duel) restore(t *rapid.T) {
	room := d.room(t)
	page, _ := d.a.Read(d.ctx, room, flow.Query{After: flow.Position{Seq: beyond}, Unchecked: true})
	past := d.past[room]
	switch rapid.IntRange(0, 7).Draw(t, "what to restore") {
	case 0: // sessions, at most
		d.submit(t, room, flow.Batch{Fence: d.position(t, room)})
	case 1: // any part of what was
		if len(past) > 0 {
			from := rapid.IntRange(0, len(past)-1).Draw(t, "from")
			d.submitPast(t, room, from, rapid.IntRange(from+1, len(past)).Draw(t, "to"))
		}
	default:
		if page.Head.Seq == 0 {
			d.begin(t, room)
			return
		}
		d.submit(t, room, flow.Batch{Fence: page.Head, Operations: d.chain(t, page.Head)})
	}
}

// begin invents a log that was lost, and restores its end.
func (d *duel) begin(t *rapid.T, room string) {
	if len(d.past[room]) == 0 {
		var origin flow.Position
		if seq := rapid.Uint64Range(0, 50).Draw(t, "origin"); seq > 0 {
			origin = flow.Position{Seq: seq, Hash: flow.Hash(rapid.Uint64().Draw(t, "hash"))}
		}
		list := d.chain(t, origin)
		list = append(list, d.chain(t, endOf(list))...)
		list = append(list, d.chain(t, endOf(list))...)
		d.past[room], d.origin[room] = list, origin
		d.known[room] = append(d.known[room], origin)
		for _, o := range list {
			d.known[room] = append(d.known[room], o.Position())
		}
	}
	end := len(d.past[room])
	d.submitPast(t, room, rapid.IntRange(max(0, end-8), end-1).Draw(t, "from"), end)
}

// chain draws operations that were linked behind a position.
func (d *duel) chain(t *rapid.T, at flow.Position) []flow.Operation {
	list := make([]flow.Operation, rapid.IntRange(1, 6).Draw(t, "operations"))
	for i := range list {
		list[i] = d.content(t)
		list[i].N = rapid.Uint64Range(0, 15).Draw(t, "n")
	}
	return linked(at, list...)
}

// restoreFront restores what was before the log's base: lost, or trimmed.
func (d *duel) restoreFront(t *rapid.T) {
	room := d.room(t)
	page, _ := d.a.Read(d.ctx, room, flow.Query{After: flow.Position{Seq: beyond}, Unchecked: true})
	past := d.past[room]
	end := sort.Search(len(past), func(i int) bool { return past[i].Seq > page.Base.Seq })
	if end > 0 {
		d.submitPast(t, room, rapid.IntRange(max(0, end-4), end-1).Draw(t, "from"), end)
	}
}

// submitPast restores a part of what was.
func (d *duel) submitPast(t *rapid.T, room string, from, to int) {
	fence := d.origin[room]
	if from > 0 {
		fence = d.past[room][from-1].Position()
	}
	d.submit(t, room, flow.Batch{Fence: fence, Operations: slices.Clone(d.past[room][from:to])})
}

// submit restores a batch, seldom with something wrong about it, and waits until new operations may
// come.
func (d *duel) submit(t *rapid.T, room string, b flow.Batch) {
	b.Restore = true
	b.Sessions = make(map[string]uint64)
	for range rapid.IntRange(0, 3).Draw(t, "sessions") {
		session := rapid.SampledFrom([]string{"s1", "s2", "s3", "s4"}).Draw(t, "session")
		b.Sessions[session] = rapid.Uint64Range(0, 20).Draw(t, "last n")
	}
	if len(b.Operations) > 0 {
		spoil(t, &b)
	}
	if taken := d.appendBoth(t, room, b); taken && d.settle < patience {
		d.awaitSettled(t, room, d.a)
		d.awaitSettled(t, room, d.b)
	}
}

// spoil has a batch not fit, seldom.
func spoil(t *rapid.T, b *flow.Batch) {
	last := len(b.Operations) - 1
	switch rapid.IntRange(0, 29).Draw(t, "what is wrong") {
	case 0:
		b.Operations[last].Hash ^= 1
	case 1:
		b.Operations[0].N++
	case 2:
		b.Operations[0].Data = []byte(`"other"`)
	case 3:
		b.Operations[last].Seq++
	case 4:
		b.Operations[0], b.Operations[last] = b.Operations[last], b.Operations[0]
	case 5:
		b.Fence.Hash ^= 1
	case 6:
		b.Fence.Seq++
	case 7:
		b.Operations = b.Operations[1:]
	}
}

// awaitSettled asks until a window that is short is over.
func (d *duel) awaitSettled(t *rapid.T, room string, log flow.Log) {
	ctx, cancel := context.WithTimeout(d.ctx, patience)
	defer cancel()
	for ctx.Err() == nil {
		if _, err := log.Append(ctx, room, flow.Batch{}); !errors.Is(err, flow.ErrSettling) {
			return
		}
	}
	t.Fatalf("the log has not settled after %v", patience)
}

// sameStamps reports whether two logs agree on when a room was restored: never, at the time they told
// before, or at another. Their clocks may differ.
func (d *duel) sameStamps(room string, a, b int64) bool {
	before := d.stamps[room]
	d.stamps[room] = [2]int64{a, b}
	return (a == 0) == (b == 0) && (a != before[0]) == (b != before[1])
}
