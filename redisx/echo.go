package redisx

import (
	"strconv"
	"strings"
	"sync"

	"github.com/fiberflow/flow"
)

// echoes know what was appended last from here to the rooms that are followed here, so that the feed has not to
// decode it again: 0.04 us for an operation of 200 bytes in place of 1.0, for the 60 % whose answer was there first
// with 20 rooms of 5 writers.
type echoes struct {
	mu    sync.Mutex
	rooms map[string]*echo
}

// echo is what comes back to one room.
type echo struct {
	followers  int
	heading    string // of the operations, as append.lua writes it
	operations []flow.Operation
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

// note notes what an append to a room was answered.
func (e *echoes) note(room string, b flow.Batch, answers []flow.Appended) {
	e.mu.Lock()
	defer e.mu.Unlock()
	found := e.rooms[room]
	if found == nil {
		return
	}
	if operations := confirmedOf(b, answers); len(operations) > 0 {
		found.operations, found.heading = operations, headingOf(b.Fence, len(operations))
	}
}

// confirmedOf returns what a batch has appended behind its fence: nil when others came between.
func confirmedOf(b flow.Batch, answers []flow.Appended) []flow.Operation {
	if b.Key != "" { // the answer may be that of an earlier call
		return nil
	}
	operations, next := make([]flow.Operation, 0, len(answers)), b.Fence.Seq+1
	for i, answer := range answers {
		if answer.Status != flow.Confirmed {
			continue
		}
		if answer.Seq != next {
			return nil
		}
		next++
		o := b.Operations[i]
		o.Seq, o.Hash = answer.Seq, answer.Hash
		operations = append(operations, o)
	}
	return operations
}

func headingOf(at flow.Position, count int) string {
	return "ops " + strconv.FormatUint(at.Seq, 10) + " " + at.Hash.String() + " " + strconv.Itoa(count) + "\n"
}

// hear returns the operations that a text of the feed is about, nil unless they were the last from here.
func (e *echoes) hear(room, text string) []flow.Operation {
	e.mu.Lock()
	defer e.mu.Unlock()
	if found := e.rooms[room]; found != nil && found.is(text) {
		return found.operations
	}
	return nil
}

// is reports whether a text has the same operations, which their hashes tell.
func (e *echo) is(text string) bool {
	rest, ok := strings.CutPrefix(text, e.heading)
	if !ok || e.heading == "" {
		return false
	}
	for i := range e.operations {
		o := &e.operations[i]
		line, after, _ := strings.Cut(rest, "\n")
		told, _, _ := strings.Cut(line, " ")
		hash, ok := flow.ParseHash(told)
		size := len(o.Session) + len(o.User) + len(o.Data)
		if !ok || hash != o.Hash || len(after) < size {
			return false
		}
		rest = after[size:]
	}
	return rest == ""
}
