package flow

import "context"

// stateHere returns the state of a room where its log ended a moment ago.
func (h *Hub) stateHere(ctx context.Context, room string) (Snapshot, error) {
	return Snapshot{}, Errorf(CodeNotFound, "the room has no reducer")
}

// applicable reports why the room's reducer refuses operations; nil when it takes them.
func (r *room) applicable(context.Context, []Operation) error { return nil }
