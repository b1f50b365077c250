package conformance

import (
	"pgregory.net/rapid"

	"github.com/fiberflow/flow"
)

// acquire asks for a lease, which does not end before the test does.
func (d *duel) acquire(t *rapid.T) {
	room := d.room(t)
	l := lease(d.leaseName(t), d.owner(t))
	fence, held := d.position(t, room), rapid.Bool().Draw(t, "held")
	a, errA := d.a.Acquire(d.ctx, room, fence, l, held)
	b, errB := d.b.Acquire(d.ctx, room, fence, l, held)
	wantSameError(t, errA, errB)
	if !sameLease(a, b) {
		t.Fatalf("Acquire(%s, %v, %+v, %v):\n%+v\n%+v", room, fence, l, held, a, b)
	}
	d.compareLeases(t, room)
}

func (d *duel) release(t *rapid.T) {
	room, name, owner := d.room(t), d.leaseName(t), d.owner(t)
	wantSameError(t, d.a.Release(d.ctx, room, name, owner), d.b.Release(d.ctx, room, name, owner))
	d.compareLeases(t, room)
}

func (d *duel) advance(t *rapid.T) {
	room := d.room(t)
	group, to, name, owner := d.group(t), d.position(t, room), d.leaseName(t), d.owner(t)
	advance := func(l flow.Cursors) error { return l.Advance(d.ctx, group, room, to, name, owner) }
	wantSameError(t, advance(d.a), advance(d.b))
	d.compareCursor(t, group, room)
}

// look compares the leases and a cursor of a room in which anything may have happened since.
func (d *duel) look(t *rapid.T) {
	room := d.room(t)
	d.compareLeases(t, room)
	d.compareCursor(t, d.group(t), room)
}

func (d *duel) compareLeases(t *rapid.T, room string) {
	a, errA := d.a.Leases(d.ctx, room)
	b, errB := d.b.Leases(d.ctx, room)
	wantSameError(t, errA, errB)
	same := len(a) == len(b)
	for i := 0; same && i < len(a); i++ {
		same = sameLease(a[i], b[i])
	}
	if !same {
		t.Fatalf("Leases(%s):\n%+v\n%+v", room, a, b)
	}
}

func (d *duel) compareCursor(t *rapid.T, group, room string) {
	a, errA := d.a.Cursor(d.ctx, group, room)
	b, errB := d.b.Cursor(d.ctx, group, room)
	wantSameError(t, errA, errB)
	if a != b {
		t.Fatalf("Cursor(%s, %s): %v and %v", group, room, a, b)
	}
}

// sameLease compares two but for how much is left of them.
func sameLease(a, b flow.Lease) bool {
	return a.Name == b.Name && a.Owner == b.Owner && (a.TTL > 0) == (b.TTL > 0)
}

func (d *duel) leaseName(t *rapid.T) string {
	return rapid.SampledFrom([]string{"x", "x", "y"}).Draw(t, "lease")
}

func (d *duel) owner(t *rapid.T) string {
	return rapid.SampledFrom([]string{"o1", "o1", "o2"}).Draw(t, "owner")
}

func (d *duel) group(t *rapid.T) string {
	return rapid.SampledFrom([]string{"g1", "g2"}).Draw(t, "group")
}
