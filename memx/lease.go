package memx

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fiberflow/flow"
)

var _ flow.Leases = (*Log)(nil)

// leases are those of a room, by name.
type leases struct {
	held map[string]holding
	// next is no later than the first end of any, so that no call looks at all for nothing; 0: there are
	// none.
	next time.Duration
}

type holding struct {
	owner string
	ends  time.Duration
}

// Acquire implements [flow.Leases].
func (l *Log) Acquire(
	_ context.Context, id string, fence flow.Position, asked flow.Lease, held bool,
) (flow.Lease, error) {
	r, now := l.enter(id)
	defer l.leave(r)
	return r.leaseLocked(now, fence, asked, held)
}

// Release implements [flow.Leases].
func (l *Log) Release(_ context.Context, id, name, owner string) error {
	r, _ := l.enterExisting(id)
	if r == nil {
		return nil
	}
	defer l.leave(r)
	if r.tombstoneEnds != 0 {
		return deletedError()
	}
	if r.leases.held[name].owner == owner {
		r.leases.remove(name)
	}
	return nil
}

// Leases implements [flow.Leases].
func (l *Log) Leases(_ context.Context, id string) ([]flow.Lease, error) {
	r, now := l.enterExisting(id)
	if r == nil {
		return nil, nil
	}
	defer l.leave(r)
	if r.tombstoneEnds != 0 {
		return nil, deletedError()
	}
	return r.leases.list(now), nil
}

func (r *room) leaseLocked(
	now time.Duration, fence flow.Position, asked flow.Lease, held bool,
) (flow.Lease, error) {
	if r.tombstoneEnds != 0 {
		return flow.Lease{}, deletedError()
	}
	if err := r.admitLocked(fence); err != nil {
		return flow.Lease{}, err
	}
	if now < r.settles && !held {
		return flow.Lease{}, flow.ErrSettling
	}
	if h, ok := r.leases.held[asked.Name]; ok && h.owner != asked.Owner {
		return h.lease(asked.Name, now), lockedError()
	}
	r.leases.set(asked.Name, holding{owner: asked.Owner, ends: now + asked.TTL})
	return asked, nil
}

func lockedError() error { return flow.Errorf(flow.CodeLocked, "another has the lease") }

func (h holding) lease(name string, now time.Duration) flow.Lease {
	return flow.Lease{Name: name, Owner: h.owner, TTL: h.ends - now}
}

func (s *leases) set(name string, h holding) {
	if s.held == nil {
		s.held = make(map[string]holding)
	}
	s.held[name] = h
	if s.next == 0 || h.ends < s.next {
		s.next = h.ends
	}
}

func (s *leases) remove(name string) {
	delete(s.held, name)
	if len(s.held) == 0 {
		*s = leases{}
	}
}

// list returns them in the order of their names.
func (s *leases) list(now time.Duration) []flow.Lease {
	list := make([]flow.Lease, 0, len(s.held))
	for name, h := range s.held {
		list = append(list, h.lease(name, now))
	}
	slices.SortFunc(list, func(a, b flow.Lease) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func (s *leases) expire(now time.Duration) {
	if s.next == 0 || now < s.next {
		return
	}
	maps.DeleteFunc(s.held, func(_ string, h holding) bool { return h.ends <= now })
	left := leases{held: s.held}
	for _, h := range s.held {
		if left.next == 0 || h.ends < left.next {
			left.next = h.ends
		}
	}
	if len(s.held) == 0 {
		left.held = nil
	}
	*s = left
}
