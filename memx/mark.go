package memx

import (
	"cmp"
	"container/list"
	"context"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fiberflow/flow"
)

// marks are those of all rooms. One that is as old as a log may be idle is of no use any more, since
// whatever it tells of has expired: it is dropped by the calls that follow, a few at a time.
type marks struct {
	// next is the first end, so that calls that have nothing to do take no lock.
	next atomic.Int64

	mu    sync.Mutex
	order []*mark // by room, then by instance
	// byEnd has every mark, the one that ends next in front: with one TTL for all, that is the order in
	// which they were set.
	byEnd *list.List
}

type mark struct {
	flow.Mark
	ends  time.Duration
	place *list.Element // in byEnd
}

func newMarks() *marks {
	m := &marks{byEnd: list.New()}
	m.next.Store(math.MaxInt64)
	return m
}

// Mark implements [flow.Cursors].
func (l *Log) Mark(_ context.Context, instance string, rooms ...string) error {
	now := time.Since(l.start)
	l.sweep(now)
	l.marks.set(instance, rooms, now+max(l.config.OperationTTL, flow.MarkTTL))
	return nil
}

// Unmark implements [flow.Cursors].
func (l *Log) Unmark(_ context.Context, marks ...flow.Mark) error {
	l.marks.unset(marks)
	return nil
}

// Marked implements [flow.Cursors]. The order is that of the rooms, then of the instances.
func (l *Log) Marked(_ context.Context, after flow.Mark, limit int) ([]flow.Mark, error) {
	return l.marks.after(after, limit), nil
}

func (m *marks) set(instance string, rooms []string, ends time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := time.Now()
	for _, room := range rooms {
		wanted := flow.Mark{Room: room, Instance: instance, At: at}
		i, ok := m.findLocked(wanted)
		if !ok {
			fresh := new(mark)
			fresh.place = m.byEnd.PushBack(fresh)
			m.order = slices.Insert(m.order, i, fresh)
		}
		m.order[i].Mark, m.order[i].ends = wanted, ends
		m.byEnd.MoveToBack(m.order[i].place)
	}
	m.publishLocked()
}

func (m *marks) unset(marks []flow.Mark) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, wanted := range marks {
		if i, ok := m.findLocked(wanted); ok && m.order[i].At.Equal(wanted.At) {
			m.removeLocked(i)
		}
	}
	m.publishLocked()
}

func (m *marks) after(after flow.Mark, limit int) []flow.Mark {
	m.mu.Lock()
	defer m.mu.Unlock()
	i, ok := m.findLocked(after)
	if ok {
		i++
	}
	page := make([]flow.Mark, max(0, min(limit, len(m.order)-i)))
	for j := range page {
		page[j] = m.order[i+j].Mark
	}
	return page
}

// sweep drops those that have ended, a few a call.
func (m *marks) sweep(now time.Duration) {
	if now < time.Duration(m.next.Load()) {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for range sweepAtOnce {
		oldest := m.oldestLocked()
		if oldest == nil || now < oldest.ends {
			break
		}
		if i, ok := m.findLocked(oldest.Mark); ok {
			m.removeLocked(i)
		}
	}
	m.publishLocked()
}

// oldestLocked returns the mark that ends next, nil when there is none.
func (m *marks) oldestLocked() *mark {
	front := m.byEnd.Front()
	if front == nil {
		return nil
	}
	oldest, _ := front.Value.(*mark) // nothing else is pushed
	return oldest
}

func (m *marks) publishLocked() {
	next := int64(math.MaxInt64)
	if oldest := m.oldestLocked(); oldest != nil {
		next = int64(oldest.ends)
	}
	m.next.Store(next)
}

func (m *marks) findLocked(wanted flow.Mark) (at int, ok bool) {
	return slices.BinarySearchFunc(m.order, wanted, func(e *mark, wanted flow.Mark) int {
		return cmp.Or(strings.Compare(e.Room, wanted.Room), strings.Compare(e.Instance, wanted.Instance))
	})
}

func (m *marks) removeLocked(i int) {
	m.byEnd.Remove(m.order[i].place)
	m.order = shrunkSlice(slices.Delete(m.order, i, i+1))
}
