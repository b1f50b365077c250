package memx

import (
	"context"

	"github.com/fiberflow/flow"
)

var _ flow.Cursors = (*Log)(nil)

// Cursor implements [flow.Cursors].
func (l *Log) Cursor(_ context.Context, group, id string) (flow.Position, error) {
	r, _ := l.enterExisting(id)
	if r == nil {
		return flow.Position{}, nil
	}
	defer l.leave(r)
	if r.tombstoneEnds != 0 {
		return flow.Position{}, deletedError()
	}
	return r.cursors[group], nil
}

// Advance implements [flow.Cursors].
func (l *Log) Advance(_ context.Context, group, id string, to flow.Position, lease, owner string) error {
	r, _ := l.enterExisting(id)
	if r == nil {
		return lockedError()
	}
	defer l.leave(r)
	return r.advanceLocked(group, to, lease, owner)
}

func (r *room) advanceLocked(group string, to flow.Position, lease, owner string) error {
	if r.tombstoneEnds != 0 {
		return deletedError()
	}
	if h, ok := r.leases.held[lease]; !ok || h.owner != owner {
		return lockedError()
	}
	if r.head.Seq == 0 || !r.containsLocked(to) {
		return flow.Errorf(flow.CodeDiverged, "the position is not in the room's log")
	}
	if r.cursors == nil {
		r.cursors = make(map[string]flow.Position)
	}
	r.cursors[group] = to
	return nil
}
