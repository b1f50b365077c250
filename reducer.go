package flow

import (
	"fmt"
	"path"
)

// maxState is the default of [Reduction.MaxBytes].
const maxState = 1 << 20

// Reducer computes the state of a room from its operations, so that the server can make snapshots and
// answer what the state is. All methods must be deterministic: every instance, and every client that
// reduces too, has to come to the same state. They are called from many goroutines at once.
type Reducer interface {
	// Apply returns the state after an operation. Both are one JSON text; state is nil before the first
	// operation. Neither may be changed or kept, and the result must not be changed later; it may share
	// memory with state.
	//
	// An error, or a panic, refuses the operation with [CodeRejected] and the message of an *Error. Of an
	// operation that is in the log all the same, because its author's instance had another state at that
	// moment, it means that the state stays as it is.
	Apply(state, op []byte) ([]byte, error)
}

// Folder is a [Reducer] that can judge an operation without the state. The hub then applies operations
// later, many at once. Its Apply must not fail for what Check has let pass, and no operation may make a
// state larger by more than its own length and 16 bytes.
type Folder interface {
	Reducer
	// Check returns why an operation can never be applied; nil when it can, to any state.
	Check(op []byte) error
	// Fold applies operations one after the other, as Apply would.
	Fold(state []byte, ops [][]byte) ([]byte, error)
}

// Differ is a [Reducer] that can go back: see [Hub.RestoreRoom].
type Differ interface {
	Reducer
	// Diff returns an operation that makes one state of another, nil when they are alike. Either may be
	// nil. An error says why there is no such operation.
	Diff(from, to []byte) ([]byte, error)
}

// Reduction gives rooms a reducer.
type Reduction struct {
	// Rooms is a pattern of room ids as of [path.Match]: "board-*".
	Rooms string
	// Reducer computes the states of those rooms.
	Reducer Reducer
	// MaxBytes bounds a state. An operation that would make it larger is refused with
	// [CodeTooLarge]; what several instances let pass at the same time may exceed it a little.
	// Default: 1 MiB.
	MaxBytes int
}

// validate says what is wrong with a reduction.
func (r Reduction) validate() error {
	if _, err := path.Match(r.Rooms, ""); err != nil || r.Rooms == "" {
		return fmt.Errorf("the pattern is %q, expected one of room ids, such as \"board-*\"", r.Rooms)
	}
	if r.Reducer == nil {
		return fmt.Errorf("rooms %q have no Reducer", r.Rooms)
	}
	if r.MaxBytes < 0 {
		return fmt.Errorf("MaxBytes of rooms %q is %d, expected at least 1", r.Rooms, r.MaxBytes)
	}
	return nil
}

// reductionOf returns the first reduction that a room's id matches, nil when none does.
func (c Config) reductionOf(room string) *Reduction {
	for i := range c.Reductions {
		if ok, _ := path.Match(c.Reductions[i].Rooms, room); ok {
			return &c.Reductions[i]
		}
	}
	return nil
}
