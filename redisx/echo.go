package redisx

import (
	"sync"

	"github.com/fiberflow/flow"
)

// echoes know what is appended from here to the rooms that are followed here, so that the feed has not to decode
// it again: 0.04 us for an operation of 200 bytes in place of 1.0.
type echoes struct {
	mu    sync.Mutex
	rooms map[string]*echo
}

// echo is what comes back to one room.
type echo struct {
	followers int
	expected  *outcome // nil when all have heard it
	hearers   int      // who have not
}

// follow counts a follower of a room until leave is called.
func (e *echoes) follow(room string) (leave func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	found := e.rooms[room]
	if found == nil {
		found = &echo{}
		e.rooms[room] = found
	}
	found.followers++
	return sync.OnceFunc(func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if found.followers--; found.followers == 0 {
			delete(e.rooms, room)
		}
	})
}

// expect notes what an append to a room that is about to be sent will publish if all is well.
func (e *echoes) expect(room string, o *outcome) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if found := e.rooms[room]; found != nil {
		found.expected, found.hearers = o, found.followers
	}
}

// hear returns the operations that a text of the feed is about, nil unless it was expected. The text has all of
// them and their hashes, so it does not matter who published it.
func (e *echoes) hear(room, text string) []flow.Operation {
	e.mu.Lock()
	defer e.mu.Unlock()
	found := e.rooms[room]
	if found == nil || found.expected == nil || string(found.expected.feed) != text {
		return nil
	}
	operations := found.expected.operations
	if found.hearers--; found.hearers <= 0 {
		found.expected = nil // nobody else will ask
	}
	return operations
}
