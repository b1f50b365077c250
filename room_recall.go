package flow

import "context"

// recallLocked fills the ring of a room that has just begun with the operations before it: the second copy
// must not depend on how long ago the instance was started.
func (r *room) recallLocked() {
	if r.ring.base.Seq == 0 || r.closed || r.hub.cfg.Log.Health("").Backend == backendMemory {
		return
	}
	r.hub.spawn(r.recall)
}

// recall reads back from the ring's base, page by page, until the ring has enough. Few rooms do so at a
// time: after a start all of them begin at once, and people come first.
func (r *room) recall() {
	h := r.hub
	select {
	case h.recalls <- struct{}{}:
		defer func() { <-h.recalls }()
	case <-h.ctx.Done():
		return
	}
	r.recallRing()
	r.recallState(h.ctx)
}

// recallState has the room keep a state, or its newest snapshot: a log that loses its memory loses that too.
func (r *room) recallState(ctx context.Context) {
	if r.document.rule != nil {
		_, _ = r.state(ctx, 0) // tried again by whoever needs it
		return
	}
	r.mu.Lock()
	at, closed := r.snapshots.newest, r.closed
	r.mu.Unlock()
	if at.Seq > 0 && !closed {
		_, _ = r.storedSnapshot(ctx, at)
	}
}

// recallRing fills the ring.
func (r *room) recallRing() {
	h, window := r.hub, uint64(readPage)
	for base, ok := r.wants(); ok; base, ok = r.wants() {
		from := base.Seq - min(base.Seq, window)
		page, err := h.cfg.Log.Read(h.ctx, r.id, Query{
			After: Position{Seq: from}, Unchecked: true, Limit: int(base.Seq - from),
		})
		n := uint64(len(page.Operations))
		switch {
		case ErrorCode(err) == CodeTrimmed && page.Base.Seq > from && page.Base.Seq < base.Seq:
			window = base.Seq - page.Base.Seq
		case err != nil || n == 0:
			return
		case page.Operations[n-1].Seq < base.Seq: // large ones, of which a page has fewer
			window = min(n, window/2)
		case !r.recalled(base, page):
			return
		}
		if window < 2 && base.Seq > 1 { // one of them only tells where the next begins
			return
		}
	}
}

// wants returns where the ring begins; ok is false when it has enough.
func (r *room) wants() (base Position, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ring.base, r.ring.base.Seq > 0 && !r.closed && r.ring.roomFor(0)
}

// recalled puts a page that ends at the ring's base in front; false when there is no more to do.
func (r *room) recalled(base Position, page Page) bool {
	ops := page.Operations
	frames := make([]*Frame, len(ops))
	for i := range ops {
		frames[i] = opFrame(r.id, ops[i])
	}
	var before Position
	if ops[0].Follows(page.Base) {
		before = page.Base
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ring.base != base || ops[len(ops)-1].Position() != base {
		return false
	}
	r.ring.prepend(before, ops, frames)
	return r.ring.base != base && r.ring.base != page.Base
}
