package memx

import (
	"slices"
	"strings"
)

// index is the sessions of one room or one user, in the order of their ids.
type index []*stored

// indexes has an index for each room or user that has sessions.
type indexes map[string]index

// add reports whether the session is the first of the room or user.
func (x indexes) add(key string, e *stored) (first bool) {
	at, _ := x[key].find(e.ID)
	x[key] = slices.Insert(x[key], at, e)
	return len(x[key]) == 1
}

// remove reports whether the session was the last of the room or user.
func (x indexes) remove(key string, e *stored) (last bool) {
	at, ok := x[key].find(e.ID)
	if !ok {
		return false
	}
	if len(x[key]) == 1 {
		delete(x, key)
		return true
	}
	x[key] = slices.Delete(x[key], at, at+1)
	return false
}

// after returns those behind an id.
func (x index) after(id string) index {
	at, ok := x.find(id)
	if ok {
		at++
	}
	return x[at:]
}

func (x index) find(id string) (at int, ok bool) {
	return slices.BinarySearchFunc(x, id, func(e *stored, id string) int {
		return strings.Compare(e.ID, id)
	})
}
