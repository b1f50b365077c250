package memx

import "github.com/fiberflow/flow"

func (r *room) readLocked(q flow.Query) (flow.Page, error) {
	if r.tombstoneEnds != 0 {
		return flow.Page{}, deletedError()
	}
	page := flow.Page{Head: r.head, Base: r.base, Snapshot: r.snapshot.Position, Restored: r.restored}
	for _, session := range q.Sessions {
		if a := r.sessions[session]; a != nil && a.last > 0 {
			if page.Last == nil {
				page.Last = make(map[string]uint64, len(q.Sessions))
			}
			page.Last[session] = a.last
		}
	}
	switch after := q.After; {
	case after.Seq < r.base.Seq:
		return page, flow.Errorf(flow.CodeTrimmed, "operations after this position were trimmed away")
	case !q.Unchecked && !r.containsLocked(after):
		return page, flow.Errorf(flow.CodeDiverged, "the position is not in the room's log")
	case after.Seq < r.head.Seq && q.Limit > 0:
		page.Operations = r.sliceLocked(after.Seq, q.Limit)
	}
	return page, nil
}

// sliceLocked returns up to limit operations after seq, which is not below base nor beyond the head.
func (r *room) sliceLocked(seq uint64, limit int) []flow.Operation {
	from := int(seq - r.base.Seq)
	to := min(len(r.operations)-from, limit) + from
	return r.operations[from:to:to] // without spare capacity: nobody's append may reach the rest
}
