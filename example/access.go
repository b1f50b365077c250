package main

import (
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
