package memx

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/fiberflow/flow"
)

// What is counted for each thing beside its own bytes: about what Go needs to keep it.
const (
	operationSize = 128
	authorSize    = 96
	receiptSize   = 160
	answerSize    = 40
	roomSize      = 512
)

// errFull is why nothing is added.
var errFull = errors.New("memx: LogConfig.MaxBytes are in use")

// budget counts what the rooms of a log hold together. A room takes from it before it grows, and settles when
// it is left; so the sum is exact whenever no call is under way, and never more than the maximum but for what
// an empty room takes.
type budget struct {
	max  int64
	used atomic.Int64
	// lacking is how much must be free before the log is live again; 0: it is.
	lacking atomic.Int64
	since   atomic.Int64 // when that began or ended, in Unix nanoseconds
}

func newBudget(most int64, now time.Time) *budget {
	b := &budget{max: most}
	b.since.Store(now.UnixNano())
	return b
}

// take takes n bytes if there are so many.
func (b *budget) take(n int64) bool {
	for {
		used := b.used.Load()
		if n > 0 && used+n > b.max {
			return false
		}
		if b.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}

// add takes n bytes in any case, or gives back what is below zero.
func (b *budget) add(n int64) {
	if n == 0 {
		return
	}
	used := b.used.Add(n)
	if lacking := b.lacking.Load(); lacking > 0 && used+lacking <= b.max && b.lacking.CompareAndSwap(lacking, 0) {
		b.since.Store(time.Now().UnixNano())
	}
}

// refuse notes that n bytes were not there. Some more must be free before all is well, so that the state does
// not change with every operation.
func (b *budget) refuse(n int64) error {
	if b.lacking.Swap(min(max(n, b.max/64), b.max/2)) == 0 {
		b.since.Store(time.Now().UnixNano())
	}
	return flow.Unavailable(errFull)
}

// health is degraded in part while something was refused: everything can be read, and who has no more to
// write than is free is served.
func (b *budget) health() flow.Health {
	h := health(time.Unix(0, b.since.Load()))
	if b.lacking.Load() > 0 {
		h.State, h.Partial = flow.Degraded, true
		h.Reason = fmt.Sprintf("out of memory: %d of %d bytes are in use", b.used.Load(), b.max)
	}
	return h
}

// growLocked takes what is to be added, before anything is changed.
func (r *room) growLocked(l *Log, need int64) error {
	if !l.budget.take(need) {
		return l.budget.refuse(need)
	}
	r.counted += need
	return nil
}

// appendBytesLocked takes what a batch may add. A room that cannot have it, and has reached its
// limit of operations, makes place for as many as are to be added, and goes on.
func (r *room) appendBytesLocked(l *Log, b flow.Batch) error {
	need := r.newBytesLocked(b.Operations)
	if b.Key != "" {
		need += receiptOf(b.Key, len(b.Operations))
	}
	if l.budget.take(need) {
		r.counted += need
		return nil
	}
	r.cutLocked(l.config.OperationLimit, len(b.Operations))
	r.settleLocked(l)
	return r.growLocked(l, need)
}

// settleLocked has the budget know what the room holds.
func (r *room) settleLocked(l *Log) {
	holds := int64(0)
	if !r.gone {
		holds = roomSize + r.bytes + r.keys.bytes
	}
	l.budget.add(holds - r.counted)
	r.counted = holds
}

// newBytesLocked returns what a batch may add at most: resent operations, which are in the log, add nothing.
func (r *room) newBytesLocked(operations []flow.Operation) (need int64) {
	for i := range operations {
		o := &operations[i]
		a := r.sessions[o.Session]
		if a == nil {
			need += authorSize + int64(len(o.Session))
		}
		if a == nil || o.N > a.last {
			need += sizeOf(o)
		}
	}
	return need
}

func sizeOf(o *flow.Operation) int64 {
	return operationSize + int64(len(o.Session)+len(o.User)+len(o.Data))
}

func sizeOfAll(operations []flow.Operation) (sum int64) {
	for i := range operations {
		sum += sizeOf(&operations[i])
	}
	return sum
}
