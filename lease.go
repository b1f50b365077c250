package flow

import (
	"context"
	"time"
)

// MaxLease is the longest time for which a [Lease] can be had at once.
const MaxLease = time.Minute

// Lease is the sole right of one owner to a name inside a room, until it ends.
type Lease struct {
	Name  string        // at most 160 bytes; those that begin with "~" are the hub's own
	Owner string        // a session, or an instance
	TTL   time.Duration // how long it lasts from now on, above zero, at most MaxLease
}

// Leases keeps the leases of rooms: at any time a name has one owner at most, on all instances that
// share the [Log]. It is a part of the subsystem "ordering", and lives where the log does: what is true
// of the log's methods, being away and deleted rooms, is true of these.
type Leases interface {
	// Acquire takes a lease that nobody has, or sets the end of the owner's own. It returns the lease
	// as it is now. When another has it, that is [CodeLocked], with the lease of the other.
	//
	// fence is the newest position of the room's log that the caller knows, as in [Batch]: a log that
	// lost its memory has lost its leases too, and gives none before it was restored (ErrNoLog,
	// ErrCorrupt, ErrBehind, ErrFork). For the [SettleWindow] after that only leases are taken again that
	// their owners had before (held); others get ErrSettling.
	Acquire(ctx context.Context, room string, fence Position, l Lease, held bool) (Lease, error)

	// Release ends a lease, if the owner has it.
	Release(ctx context.Context, room, name, owner string) error

	// Leases returns those that are in force, in the order of their names.
	Leases(ctx context.Context, room string) ([]Lease, error)
}
