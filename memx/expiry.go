package memx

import (
	"container/heap"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// expiry knows when which room has to be looked at, because something in it ends then. Rooms extend
// their time far more often than they end, so an entry may be early and is then set again.
type expiry struct {
	// next is the earliest time in the heap, so that calls that have nothing to do take no lock.
	next atomic.Int64

	mu   sync.Mutex
	heap roomHeap
}

func newExpiry() *expiry {
	e := &expiry{}
	e.next.Store(math.MaxInt64)
	return e
}

// set has r looked at at the given time, instead of any time set before.
func (e *expiry) set(r *room, at time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	r.dueAt = at
	if r.dueIndex == 0 {
		heap.Push(&e.heap, r)
	} else {
		heap.Fix(&e.heap, r.dueIndex-1)
	}
	e.publishLocked()
}

// remove forgets r.
func (e *expiry) remove(r *room) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if r.dueIndex > 0 {
		heap.Remove(&e.heap, r.dueIndex-1)
		e.publishLocked()
	}
}

// pop returns a room whose time has come and forgets it, nil when there is none.
func (e *expiry) pop(now time.Duration) *room {
	if now < time.Duration(e.next.Load()) {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.heap) == 0 || now < e.heap[0].dueAt {
		return nil
	}
	r, _ := heap.Pop(&e.heap).(*room)
	e.publishLocked()
	return r
}

func (e *expiry) publishLocked() {
	next := int64(math.MaxInt64)
	if len(e.heap) > 0 {
		next = int64(e.heap[0].dueAt)
	}
	e.next.Store(next)
}

// roomHeap is a heap of rooms by dueAt, each of which knows its place in it, plus one.
type roomHeap []*room

func (h roomHeap) Len() int           { return len(h) }
func (h roomHeap) Less(i, j int) bool { return h[i].dueAt < h[j].dueAt }

func (h roomHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].dueIndex, h[j].dueIndex = i+1, j+1
}

// Push is called by package heap.
func (h *roomHeap) Push(x any) {
	r, _ := x.(*room) // only rooms are pushed
	*h = append(*h, r)
	r.dueIndex = len(*h)
}

// Pop is called by package heap.
func (h *roomHeap) Pop() any {
	last := len(*h) - 1
	r := (*h)[last]
	(*h)[last] = nil
	*h = shrunkSlice((*h)[:last])
	r.dueIndex = 0
	return r
}
