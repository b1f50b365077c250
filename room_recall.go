package flow

// recallLocked fills the ring of a room that has just begun with the operations before it: the second copy
// must not depend on how long ago the instance was started.
func (r *room) recallLocked() {
	base := r.ring.base
	if base.Seq == 0 || r.closed || r.hub.cfg.Log.Health("").Backend == backendMemory {
		return
	}
	r.hub.spawn(func() { r.recall(base) })
}

// recall reads the operations that end at the ring's base and puts them in front. If it fails, or the ring
// has another base by now, the ring stays as it is.
func (r *room) recall(base Position) {
	after := base.Seq - min(base.Seq, ringOps+1) // one more, for the position before the first
	var start Position
	ops := make([]Operation, 0, base.Seq-after)
	var frames []*Frame
	for tries := 0; after < base.Seq; tries++ {
		page, err := r.hub.cfg.Log.Read(r.hub.ctx, r.id, Query{
			After: Position{Seq: after}, Unchecked: true, Limit: readPage,
		})
		if ErrorCode(err) == CodeTrimmed && tries == 0 && page.Base.Seq < base.Seq {
			after = page.Base.Seq
			continue
		}
		if err != nil || len(page.Operations) == 0 {
			return
		}
		if len(ops) == 0 && page.Base.Seq == after {
			start = page.Base
		}
		for _, op := range page.Operations[:min(len(page.Operations), int(base.Seq-after))] {
			ops = append(ops, op)
			frames = append(frames, opFrame(r.id, op))
		}
		after = ops[len(ops)-1].Seq
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ring.base == base && ops[len(ops)-1].Position() == base {
		r.ring.prepend(start, ops, frames)
	}
}
