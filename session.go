package flow

import "context"

// Session is one client's membership of one room, as a store keeps it.
type Session struct {
	ID       string
	Room     string
	User     User   // without Expires, Admin and Claims
	Presence []byte // the merged presence object, one JSON text; nil means {}
	Joined   int64  // Unix milliseconds
	// Claimed is when its socket came, in Unix milliseconds, and later than for the socket before: when two
	// instances hold a session after an outage, the later one is right.
	Claimed int64
	// Instance holds the session's socket; "" while the session has none and waits to be resumed.
	Instance string
}

// SessionStore remembers sessions, so that they can be resumed on any instance that shares the store
// and after a restart. It is the subsystem "collaboration". The instance that holds a session's
// socket has the truth about it; the store is what others see of that.
//
// A session that is not touched for the session TTL is forgotten, and so are the traces of rooms and
// users without sessions. An instance that is not touched for the instance TTL is taken as dead: its
// sessions are no longer listed, but can still be resumed.
//
// All methods are safe for concurrent use. A backend that is away answers with code
// [CodeUnavailable] within its own timeout.
type SessionStore interface {
	// Put stores s, new or in place of an older version, with a full TTL.
	Put(ctx context.Context, s Session) error

	// Get returns a session, [CodeNotFound] when it has ended, expired or never was.
	Get(ctx context.Context, id string) (Session, error)

	// Delete forgets a session; an unknown one is no error.
	Delete(ctx context.Context, id string) error

	// Touch says that the instance lives and still holds the sessions, and renews their TTL. It returns
	// the ids that the store does not know as this instance's (forgotten, or taken over elsewhere).
	// With no ids it only says that the instance lives.
	Touch(ctx context.Context, instance string, ids []string) (lost []string, err error)

	// List returns sessions of living instances, or all with q.Detached, in the order of their ids,
	// starting after q.After. It returns fewer than q.Limit only at the end.
	List(ctx context.Context, q SessionQuery) ([]Session, error)

	// Rooms returns the ids of rooms with at least one session that has not expired, sorted, after the
	// given id, at most limit.
	Rooms(ctx context.Context, after string, limit int) ([]string, error)

	// Health reports whether the backend serves. It does not block and does no I/O.
	Health() Health
}

// SessionQuery selects sessions: of a room, of a user, or of a user in a room. Room or User is set.
type SessionQuery struct {
	Room  string
	User  string
	After string // a session id; "" starts at the beginning
	Limit int    // above 0
	// Detached asks for the sessions without a living instance too, which wait to be resumed.
	Detached bool
}
