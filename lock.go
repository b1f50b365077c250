package flow

import (
	"context"
	"strings"
	"time"
)

// The bounds of locks.
const (
	maxLockName = 128 // bytes
	maxLocks    = 32  // of one session in one room
	minLock     = time.Second
	defaultLock = 10 * time.Second
)

const (
	lockPrefix = "lock:" // of the leases that are locks
	appPrefix  = "app:"  // of the owners that the application names
)

// Lock is the sole right of one owner to a name inside a room, until it ends: "Ann is editing this card".
type Lock struct {
	Name  string        // 1 to 128 bytes
	Owner string        // a session; or "app:" and the name that the application gave
	TTL   time.Duration // how long it lasts from now on
}

// MarshalJSON returns the lock as REST shows it, with the time in milliseconds.
func (l Lock) MarshalJSON() ([]byte, error) {
	buf := appendString(append([]byte{'{'}, `"name":`...), l.Name)
	buf = appendField(buf, "session", l.Owner)
	return append(appendNumber(buf, "ttl", l.TTL.Milliseconds()), '}'), nil
}

// Lock takes a lock for an owner of the application's choosing, or sets its end anew; ttl is 1 s to 1 min. It is
// exact on all instances that share the log. [CodeLocked] when another has it, with the time until it ends;
// [CodeUnavailable] while the log is away, or is being put right: then it may be taken all the same, and a lock that
// the owner had stays its own. It is not taken again for the owner when the log has lost its memory, as those of
// sessions are.
func (h *Hub) Lock(ctx context.Context, room, name, owner string, ttl time.Duration) error {
	if err := h.checkLock(room, name, ttl); err != nil {
		return err
	}
	r, err := h.enter(room)
	if err != nil {
		return err
	}
	defer r.exit()
	health := h.cfg.Log.Health(room)
	r.mu.Lock()
	err = r.lockableLocked(health)
	r.mu.Unlock()
	if err != nil {
		return err
	}
	return r.acquire(ctx, name, appPrefix+owner, ttl, false)
}

// Unlock ends a lock that Lock took. One that the owner does not have is no error.
func (h *Hub) Unlock(ctx context.Context, room, name, owner string) error {
	if err := h.checkLock(room, name, defaultLock); err != nil {
		return err
	}
	return h.cfg.Leases.Release(ctx, room, lockPrefix+name, appPrefix+owner)
}

// Locks returns the locks of a room that are in force, in the order of their names.
func (h *Hub) Locks(ctx context.Context, room string) ([]Lock, error) {
	if err := h.checkLock(room, "any", defaultLock); err != nil {
		return nil, err
	}
	leases, err := h.cfg.Leases.Leases(ctx, room)
	if err != nil {
		return nil, err
	}
	var locks []Lock
	for _, l := range leases {
		if name, ok := strings.CutPrefix(l.Name, lockPrefix); ok {
			locks = append(locks, Lock{Name: name, Owner: l.Owner, TTL: l.TTL})
		}
	}
	return locks, nil
}

func (h *Hub) checkLock(room, name string, ttl time.Duration) error {
	switch {
	case !ValidRoom(room):
		return errInvalidRoom()
	case len(name) < 1 || len(name) > maxLockName || name[0] == '~':
		return Errorf(CodeInvalidMessage, `name must have 1 to 128 bytes, and not begin with "~"`)
	case ttl < minLock || ttl > MaxLease:
		return Errorf(CodeInvalidMessage, "ttl must be from 1000 to 60000 milliseconds")
	case h.cfg.Leases == nil:
		return Errorf(CodeUnavailable, "there are no locks here")
	}
	return nil
}

// lockPause is for how long after an outage, or after a loss that came without one, locks are only had again by
// those who had them: the instances find out about Redis seconds after each other, and one that is late has
// promises to keep.
const lockPause = 5 * time.Second

// lockableLocked returns why nobody new gets a lock; nil when locks are safe. health is what the log says of the
// room.
func (r *room) lockableLocked(health Health) error {
	steady := health.State == Live && health.Since.Equal(r.since)
	if !steady || r.phase != phaseLive || !r.comparedLocked() || r.deleted {
		return errLocksUnsafe(time.Second)
	}
	from := r.broken.Add(lockPause)
	if health.Since.After(r.hub.stats.started) && health.Since.Add(lockPause).After(from) {
		from = health.Since.Add(lockPause) // what is older is no outage that anybody here had
	}
	if wait := time.Until(from); wait > 0 {
		return errLocksUnsafe(wait)
	}
	return nil
}

func errLocksUnsafe(wait time.Duration) *Error {
	return &Error{Code: CodeUnavailable, Message: "locks are not safe now, try again", RetryAfter: wait}
}

// acquire takes a lock in the backend. held says that the owner has it already.
func (r *room) acquire(ctx context.Context, name, owner string, ttl time.Duration, held bool) error {
	r.mu.Lock()
	fence := r.seq.head
	r.mu.Unlock()
	lease := Lease{Name: lockPrefix + name, Owner: owner, TTL: ttl}
	got, err := r.hub.cfg.Leases.Acquire(ctx, r.id, fence, lease, held)
	switch {
	case ErrorCode(err) == CodeLocked:
		wait := max(got.TTL, time.Millisecond)
		return &Error{Code: CodeLocked, Message: "somebody else has this lock", RetryAfter: wait}
	case mustReconcile(err):
		r.mu.Lock()
		r.troubleLocked(err)
		r.mu.Unlock()
		return Unavailable(err)
	}
	return err
}

// unlock gives a lock back. One that cannot be given back ends by itself.
func (r *room) unlock(name, owner string) {
	if err := r.hub.cfg.Leases.Release(r.hub.ctx, r.id, lockPrefix+name, owner); err != nil {
		r.hub.log.Debug("a lock was not released", "room", r.id, "error", err)
	}
}
