package redisx

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fiberflow/flow"
)

var _ flow.Leases = (*Log)(nil)

// Acquire implements [flow.Leases]. Leases end by the clock of Redis.
func (l *Log) Acquire(
	ctx context.Context, room string, fence flow.Position, lease flow.Lease, held bool,
) (flow.Lease, error) {
	flag := ""
	if held {
		flag = "held"
	}
	// A lease lasts at least as long as its owner believes.
	ttl := max(1, (lease.TTL + time.Millisecond - 1).Milliseconds())
	answer, err := l.ask(ctx, room, l.scripts.acquire, l.leaseKeys(room), fence.Seq, fence.Hash.String(), flag,
		lease.Name, lease.Owner, ttl, flow.MaxLease.Milliseconds(), l.settle)
	if err == nil {
		return lease, nil
	}
	said := texts(answer)
	if len(said) != 3 {
		return flow.Lease{}, err
	}
	left, invalid := parseMillis(said[2])
	if invalid != nil {
		return flow.Lease{}, invalid
	}
	locked := flow.Errorf(flow.CodeLocked, "somebody else has the lease")
	locked.RetryAfter = left
	return flow.Lease{Name: lease.Name, Owner: said[1], TTL: left}, locked
}

// Release implements [flow.Leases].
func (l *Log) Release(ctx context.Context, room, name, owner string) error {
	_, err := l.ask(ctx, room, l.scripts.release, l.leaseKeys(room), name, owner)
	return err
}

// Leases implements [flow.Leases].
func (l *Log) Leases(ctx context.Context, room string) ([]flow.Lease, error) {
	answer, err := l.ask(ctx, room, l.scripts.leases, l.leaseKeys(room))
	if err != nil {
		return nil, err
	}
	all := texts(answer)
	if len(all) == 0 {
		return nil, errors.New("redisx: no answer about leases")
	}
	var list []flow.Lease
	for said := range slices.Chunk(all[1:], 3) {
		if len(said) != 3 {
			return nil, fmt.Errorf("redisx: a lease of %d parts", len(said))
		}
		left, err := parseMillis(said[2])
		if err != nil {
			return nil, err
		}
		list = append(list, flow.Lease{Name: said[0], Owner: said[1], TTL: left})
	}
	slices.SortFunc(list, func(a, b flow.Lease) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// leaseKeys are those that the scripts take which look at leases.
func (l *Log) leaseKeys(room string) []string {
	return append(l.keys(room), l.conn.key.room(room, "leases"))
}

func parseMillis(text string) (time.Duration, error) {
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("redisx: %q for a time in ms: %w", text, err)
	}
	return time.Duration(ms) * time.Millisecond, nil
}
