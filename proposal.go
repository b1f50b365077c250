package flow

import (
	"context"
	"encoding/json"
)

// Proposal is an operation on its way to the log, as [Config.OnOperation] sees it.
type Proposal struct {
	Room    string
	User    User
	Session string
	N       uint64 // of the session
	// Data is one JSON text. The hook may put another in its place, which then is what is stored, and
	// what everybody gets, the author too; the bytes themselves must not be changed. It should depend on
	// the operation alone: a retry of a Submit with a key is refused when it brings another text.
	Data json.RawMessage

	room *room
}

// State returns the state of the room where its log ended a moment ago, as this instance knows it:
// operations that are on their way, of others or of this session, are not in it. [CodeNotFound] when the
// room has no reducer, [CodeUnavailable] when the log is away and this instance does not know enough. It is
// for use inside the hook only.
func (p *Proposal) State(ctx context.Context) (Snapshot, error) {
	if p.room.document.rule == nil {
		return Snapshot{}, errNoReducer()
	}
	return orNull(p.room.state(ctx, 0))
}
