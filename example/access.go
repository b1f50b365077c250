package main

import (
	"bytes"
	"context"

	"github.com/fiberflow/flow"
)

// authorize reads the claim "rooms" of the user's token: {"<room>": "<access>"}, with "*" for the rooms
// that it does not name. Whoever is told nothing about a room is an editor there.
func authorize(_ context.Context, user flow.User, room string) (flow.Access, error) {
	claim, found := user.Claims["rooms"]
	if !found {
		return flow.Editor, nil
	}
	rooms, ok := claim.(map[string]any)
	if !ok {
		return flow.None, nil // somebody meant to restrict this user, and we cannot read how
	}
	level, found := rooms[room]
	if !found {
		level, found = rooms["*"]
	}
	if !found {
		return flow.Editor, nil
	}
	name, _ := level.(string)
	access, _ := flow.ParseAccess(name)
	return access, nil
}

// acceptPatch lets only objects into the log. By the rules of JSON merge patches (RFC 7396) anything
// else would replace the whole board.
func acceptPatch(_ context.Context, _ string, _ flow.User, op flow.Operation) error {
	if !bytes.HasPrefix(op.Data, []byte("{")) {
		return flow.Errorf(flow.CodeRejected, "a change of the board must be a JSON merge patch")
	}
	return nil
}
