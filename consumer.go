package flow

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
)

// Consumer follows what is confirmed, for the application: to write it into a database of its own, say.
type Consumer struct {
	// Group names who shares the work: each operation goes to one instance of the group, and how far the
	// group has come in a room is kept with its log. 1 to 64 letters, digits, "-" and "_".
	Group string
	// Rooms is a pattern of room ids as of [path.Match]. Default: all rooms.
	Rooms string
	// Handle takes what is new in a room: in order, and again when it returned an error, or when the
	// instance ended before it could note that it was done. It is called for one stretch of a room at a
	// time in the whole group; other rooms go on side by side. An error is logged, and the same stretch
	// comes again after a pause that grows from 1 s to 1 min.
	Handle func(ctx context.Context, c Committed) error
}

// Committed is a stretch of a room's log, for a [Consumer].
type Committed struct {
	Room       string
	After      Position    // before the first of Operations; zero where a log begins, also of an id used before
	Operations []Operation // in order, without holes, at least one; its data must not be changed
	// Missed is how many operations before these were trimmed away, and never came.
	Missed uint64
	// Rewound tells that Redis has lost operations which came before, or how far the group was: what
	// stands here, and what comes next, follows After in place of all that came after it.
	Rewound bool
}

// validate says what is wrong with a consumer.
func (c Consumer) validate() error {
	if !validGroup(c.Group) {
		return fmt.Errorf("its group is %q, expected 1 to 64 letters, digits, \"-\" and \"_\"", c.Group)
	}
	if _, err := path.Match(c.Rooms, ""); err != nil {
		return fmt.Errorf("group %q has the pattern %q, expected one like \"board-*\"", c.Group, c.Rooms)
	}
	if c.Handle == nil {
		return errors.New("group " + c.Group + " has no Handle")
	}
	return nil
}

func validGroup(name string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	return len(name) >= 1 && len(name) <= 64 && strings.Trim(name, allowed) == ""
}
