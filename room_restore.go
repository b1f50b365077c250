package flow

import (
	"context"
	"fmt"
	"time"
)

// restoreTries is how often a room is brought back anew, because somebody wrote meanwhile.
const restoreTries = 3

// RestoreRoom brings the state of a room back to what it was at a position, by an operation of its own: history
// stays, and the way back can be gone too. It returns no operations when the state is like that already.
// OnOperation is asked, Authorize is not; the operation may be larger than Limits.MessageBytes.
//
// Errors: [CodeNotFound] without a reducer, [CodeRejected] when the reducer cannot go back (see [Differ]) or
// finds no operation that would, [CodeDiverged] for a position that is not in the log, [CodeTrimmed] for one
// that snapshot and log do not cover any more. Concurrent operations are undone, too, as far as they can be
// seen; after a few tries the last of them stay.
func (h *Hub) RestoreRoom(ctx context.Context, room string, by User, to Position) (Submitted, error) {
	rule := h.cfg.reductionOf(room)
	switch {
	case !ValidRoom(room):
		return Submitted{}, errInvalidRoom()
	case rule == nil:
		return Submitted{}, errNoReducer()
	}
	differ, ok := rule.Reducer.(Differ)
	if !ok {
		return Submitted{}, Errorf(CodeRejected, "the reducer of this room cannot go back")
	}
	r, err := h.enter(room)
	if err != nil {
		return Submitted{}, err
	}
	defer r.exit()
	target, err := r.stateAt(ctx, to)
	if err != nil {
		return Submitted{}, err
	}
	if target == nil {
		target = []byte("null") // as it is shown before the first operation
	}
	var result Submitted
	for range restoreTries {
		var done bool
		if result, done, err = r.goBack(ctx, differ, by, target); done || err != nil {
			break
		}
	}
	return result, err
}

// goBack submits the operation that makes target of the present state; done tells that nothing came between.
func (r *room) goBack(
	ctx context.Context, differ Differ, by User, target []byte,
) (result Submitted, done bool, err error) {
	page, err := r.hub.cfg.Log.Read(ctx, r.id, Query{Unchecked: true})
	if err != nil && ErrorCode(err) != CodeTrimmed {
		return result, false, err
	}
	now, err := r.state(ctx, page.Head.Seq)
	if err != nil {
		return result, false, err
	}
	op, err := guarded(func() ([]byte, error) { return differ.Diff(now.Data, target) })
	if err != nil {
		r.hub.log.Debug("a reducer cannot go back", "room", r.id, "error", err)
		return result, false, rejected(err)
	}
	if op == nil {
		return Submitted{Position: now.Position.String()}, true, nil
	}
	ops := []Operation{{Session: newID(), N: 1, User: by.ID, Time: time.Now().UnixMilli(), Data: op}}
	if err := r.vet(ctx, by, ops...); err != nil {
		return result, false, err
	}
	result, err = r.submit(ctx, "", ops)
	if err != nil || result.Queued {
		return result, true, err
	}
	return result, result.Operations[0].Seq == now.Position.Seq+1, nil
}

// stateAt returns the state of the room at a position of its log, computed from the newest snapshot or, in a log
// that was never trimmed, from its beginning.
func (r *room) stateAt(ctx context.Context, to Position) ([]byte, error) {
	page, err := r.hub.cfg.Log.Read(ctx, r.id, Query{After: to})
	if err != nil {
		return nil, err
	}
	var s Snapshot
	switch {
	case page.Snapshot.Seq > 0 && page.Snapshot.Seq <= to.Seq:
		stored, err := r.storedSnapshot(ctx, page.Snapshot)
		if err != nil {
			return nil, err
		}
		s = *stored
	case page.Base.Seq > 0:
		return nil, Errorf(CodeTrimmed, "the position is before the newest snapshot, its state is not known any more")
	}
	for s.Position.Seq < to.Seq {
		page, err := r.hub.cfg.Log.Read(ctx, r.id, Query{
			After: s.Position, Limit: int(min(to.Seq-s.Position.Seq, readPage)),
		})
		switch {
		case err != nil:
			return nil, err
		case len(page.Operations) == 0:
			return nil, Unavailable(fmt.Errorf("%w: no operations after %v", errMoving, s.Position))
		}
		s = r.reduceOn(s, page.Operations)
	}
	if s.Position != to {
		return nil, Unavailable(errMoving)
	}
	return s.Data, nil
}

// reduceOn applies operations of the log to a state. What the reducer refuses has no effect, as ever.
func (r *room) reduceOn(s Snapshot, ops []Operation) Snapshot {
	data := make([][]byte, len(ops))
	for i := range ops {
		data[i] = ops[i].Data
	}
	next, _, _ := r.document.rule.reduce(s.Data, data)
	return Snapshot{Position: ops[len(ops)-1].Position(), Data: next}
}
