package memx

import (
	"time"

	"github.com/fiberflow/flow"
)

func (r *room) snapshotLocked() (flow.Snapshot, error) {
	if r.tombstoneEnds != 0 {
		return flow.Snapshot{}, deletedError()
	}
	if r.snapshot.Position.Seq == 0 {
		return flow.Snapshot{}, flow.Errorf(flow.CodeNotFound, "the room has no snapshot")
	}
	return r.snapshot, nil
}

func (r *room) saveSnapshotLocked(l *Log, now time.Duration, s flow.Snapshot) error {
	if r.tombstoneEnds != 0 {
		return deletedError()
	}
	// At the zero position every room starts with nothing: there, a snapshot is never news.
	if s.Position == (flow.Position{}) || s.Position.Seq < r.snapshot.Position.Seq {
		return nil
	}
	if !r.containsLocked(s.Position) {
		return flow.Errorf(flow.CodeDiverged, "the position is not in the room's log")
	}
	more := int64(len(s.Data) - len(r.snapshot.Data))
	if err := r.growLocked(l, max(0, more)); err != nil {
		return err
	}
	r.snapshot = s
	r.bytes += more
	r.logEnds = now + l.config.OperationTTL
	return nil
}
