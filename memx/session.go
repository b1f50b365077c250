package memx

import (
	"container/list"
	"context"
	"sync"
	"time"

	"github.com/fiberflow/flow"
)

// SessionConfig sets the limits of a [SessionStore]. The zero value is ready to use.
type SessionConfig struct {
	// SessionTTL is how long an untouched session is kept. Default 1 h.
	SessionTTL time.Duration
	// InstanceTTL is how long an untouched instance is taken as alive. Default 15 s.
	InstanceTTL time.Duration
}

// SessionStore implements [flow.SessionStore].
type SessionStore struct {
	sessionTTL  time.Duration
	instanceTTL time.Duration
	start       time.Time // zero of all times inside: only the monotonic clock counts

	mu       sync.Mutex
	sessions map[string]*stored
	rooms    indexes
	names    names // of rooms
	users    indexes
	// instances has when each is taken as dead.
	instances map[string]time.Duration
	// byEnd has every session, the one that expires next in front: with one TTL for all, that is the
	// order in which they were renewed.
	byEnd *list.List
}

// stored is a session in the store. The session itself is replaced, never changed.
type stored struct {
	flow.Session
	ends  time.Duration
	place *list.Element // in byEnd
}

var _ flow.SessionStore = (*SessionStore)(nil)

// NewSessionStore returns an empty store.
func NewSessionStore(config SessionConfig) *SessionStore {
	return &SessionStore{
		sessionTTL:  orDefault(config.SessionTTL, time.Hour),
		instanceTTL: orDefault(config.InstanceTTL, 15*time.Second),
		start:       time.Now(),
		sessions:    make(map[string]*stored),
		rooms:       make(indexes),
		users:       make(indexes),
		instances:   make(map[string]time.Duration),
		byEnd:       list.New(),
	}
}

// Put implements [flow.SessionStore].
func (s *SessionStore) Put(_ context.Context, session flow.Session) error {
	session.User.Expires, session.User.Admin, session.User.Claims = time.Time{}, false, nil
	now := s.lock()
	defer s.mu.Unlock()
	if session.Instance != "" {
		s.instances[session.Instance] = now + s.instanceTTL
	}
	old := s.sessions[session.ID]
	if old != nil && old.Room == session.Room && old.User.ID == session.User.ID {
		old.Session = session
		s.renewLocked(old, now)
		return nil
	}
	if old != nil {
		s.forgetLocked(old)
	}
	e := &stored{Session: session}
	e.place = s.byEnd.PushBack(e)
	s.renewLocked(e, now)
	s.sessions[e.ID] = e
	if s.rooms.add(e.Room, e) {
		s.names.add(e.Room)
	}
	s.users.add(e.User.ID, e)
	return nil
}

// Get implements [flow.SessionStore].
func (s *SessionStore) Get(_ context.Context, id string) (flow.Session, error) {
	s.lock()
	defer s.mu.Unlock()
	e := s.sessions[id]
	if e == nil {
		return flow.Session{}, flow.Errorf(flow.CodeNotFound, "the session has ended")
	}
	return e.Session, nil
}

// Delete implements [flow.SessionStore].
func (s *SessionStore) Delete(_ context.Context, id string) error {
	s.lock()
	defer s.mu.Unlock()
	if e := s.sessions[id]; e != nil {
		s.forgetLocked(e)
	}
	return nil
}

// Touch implements [flow.SessionStore].
func (s *SessionStore) Touch(_ context.Context, instance string, ids []string) ([]string, error) {
	now := s.lock()
	defer s.mu.Unlock()
	s.instances[instance] = now + s.instanceTTL
	var lost []string
	for _, id := range ids {
		if e := s.sessions[id]; e != nil && e.Instance == instance {
			s.renewLocked(e, now)
			continue
		}
		lost = append(lost, id)
	}
	return lost, nil
}

// List implements [flow.SessionStore].
func (s *SessionStore) List(_ context.Context, q flow.SessionQuery) ([]flow.Session, error) {
	s.lock()
	defer s.mu.Unlock()
	from := s.rooms[q.Room]
	if q.User != "" {
		from = s.users[q.User]
	}
	candidates := from.after(q.After)
	found := make([]flow.Session, 0, max(0, min(q.Limit, len(candidates))))
	for _, e := range candidates {
		if len(found) >= q.Limit {
			break
		}
		_, alive := s.instances[e.Instance]
		if (alive || q.Detached) && (q.Room == "" || q.Room == e.Room) {
			found = append(found, e.Session)
		}
	}
	return found, nil
}

// Rooms implements [flow.SessionStore]. A page costs what it has.
func (s *SessionStore) Rooms(_ context.Context, after string, limit int) ([]string, error) {
	s.lock()
	defer s.mu.Unlock()
	return s.names.after(after, limit), nil
}

// Health implements [flow.SessionStore].
func (s *SessionStore) Health() flow.Health { return health(s.start) }

// lock locks the store, frees what has expired, and returns the time.
func (s *SessionStore) lock() time.Duration {
	s.mu.Lock()
	now := time.Since(s.start)
	for front := s.byEnd.Front(); front != nil; front = s.byEnd.Front() {
		e, _ := front.Value.(*stored) // nothing else is pushed
		if e.ends > now {
			break
		}
		s.forgetLocked(e)
	}
	for instance, ends := range s.instances { // there are few
		if ends <= now {
			delete(s.instances, instance)
		}
	}
	return now
}

func (s *SessionStore) renewLocked(e *stored, now time.Duration) {
	e.ends = now + s.sessionTTL
	s.byEnd.MoveToBack(e.place)
}

func (s *SessionStore) forgetLocked(e *stored) {
	s.byEnd.Remove(e.place)
	delete(s.sessions, e.ID)
	if s.rooms.remove(e.Room, e) {
		s.names.remove(e.Room)
	}
	s.users.remove(e.User.ID, e)
}
