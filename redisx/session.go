package redisx

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
)

// SessionStore implements [flow.SessionStore]. A session is one key with a TTL; beside it stand sorted
// sets by expiry: the sessions of a room, those of a user, and all rooms, which are in one by name too. In a
// Cluster they live on different nodes, so every step that spans them is safe to repeat and to overtake.
//
// The sets are not written again with every Put and Touch, but when a quarter of the TTL has passed;
// for that, everything is kept a quarter longer than promised.
type SessionStore struct {
	conn    *Conn
	sub     *subsystem
	keep    time.Duration // the TTL in Redis
	renewed *renewals
	note    *redis.Script
}

var _ flow.SessionStore = (*SessionStore)(nil)

// NewSessionStore returns the sessions kept on a connection. It needs no closing of its own.
func NewSessionStore(c *Conn) *SessionStore {
	ttl := c.config.SessionTTL
	return &SessionStore{
		conn: c,
		sub:  c.collaboration(),
		keep: ttl + ttl/4, renewed: newRenewals(ttl / 4), note: redis.NewScript(roomsSource),
	}
}

// collaboration returns the subsystem of sessions, which the meter of users belongs to.
func (c *Conn) collaboration() *subsystem {
	c.shared.Do(func() {
		// Not spread: every session stands in sets on other nodes, so all nodes are needed for any.
		c.sessions = newSubsystem(c, "collaboration", &proof{
			script: redis.NewScript(proveSessionsSource), names: sessionProofNames, channel: proofChannel,
		}, false)
	})
	return c.sessions
}

func sessionProofNames(k keys, number string) []string {
	return []string{k.of("session:{~" + number + "}"), k.of("sessions:{~" + number + "}")}
}

// record is how a session is stored.
type record struct {
	Room      string `json:"room"`
	User      string `json:"user"`
	Name      string `json:"name,omitempty"`
	Picture   string `json:"picture,omitempty"`
	Anonymous bool   `json:"anonymous,omitempty"`
	Presence  []byte `json:"presence"` // as base64: it comes back byte for byte
	Joined    int64  `json:"joined"`
	Claimed   int64  `json:"claimed"`
	Instance  string `json:"instance,omitempty"`
}

// Put implements [flow.SessionStore].
func (s *SessionStore) Put(ctx context.Context, session flow.Session) error {
	value, err := json.Marshal(record{
		Room: session.Room, User: session.User.ID, Name: session.User.Name, Picture: session.User.Picture,
		Anonymous: session.User.Anonymous, Presence: session.Presence, Joined: session.Joined,
		Claimed:  session.Claimed,
		Instance: session.Instance,
	})
	if err != nil {
		return fmt.Errorf("redisx: encode session: %w", err)
	}
	term := s.sub.whole.now.Load().term
	fresh := s.renewed.fresh(session.ID, term)
	before, err := s.put(ctx, session, value, !fresh)
	if err != nil {
		return err
	}
	moved := before != nil && (before.Room != session.Room || before.User.ID != session.User.ID)
	if fresh && (moved || before == nil) { // its places are others, or the store has lost them
		if _, err := s.put(ctx, session, value, true); err != nil {
			return err
		}
	}
	if moved {
		if err := s.unlist(ctx, *before, session); err != nil {
			return err
		}
	}
	s.renewed.note(session.ID, term)
	return nil
}

// put writes a session, and then its places in the sets if they are due. It returns what was stored before,
// nil when there was nothing.
func (s *SessionStore) put(ctx context.Context, session flow.Session, value []byte, list bool) (*flow.Session, error) {
	var stored *redis.StatusCmd
	err := s.together(ctx, func(p redis.Pipeliner) {
		stored = p.SetArgs(ctx, s.sessionKey(session.ID), value, redis.SetArgs{TTL: s.keep, Get: true})
		if session.Instance != "" {
			p.Set(ctx, s.instanceKey(session.Instance), alive, s.conn.config.InstanceTTL)
		}
	})
	if err == nil && list {
		err = s.list(ctx, session)
	}
	if err != nil || stored.Val() == "" {
		return nil, err
	}
	old, err := decodeSession(session.ID, stored.Val())
	if err != nil {
		return nil, nil //nolint:nilnil,nilerr // whatever stood there was no session, and is none now
	}
	return &old, nil
}

// Get implements [flow.SessionStore].
func (s *SessionStore) Get(ctx context.Context, id string) (flow.Session, error) {
	var stored *redis.StringCmd
	err := s.together(ctx, func(p redis.Pipeliner) { stored = p.Get(ctx, s.sessionKey(id)) })
	if err != nil {
		return flow.Session{}, err
	}
	if stored.Val() == "" {
		return flow.Session{}, flow.Errorf(flow.CodeNotFound, "the session has ended")
	}
	session, err := decodeSession(id, stored.Val())
	if err != nil { // whatever stands there is no session: its instance writes it again
		return flow.Session{}, &flow.Error{Code: flow.CodeNotFound, Message: "the session has ended", Err: err}
	}
	return session, nil
}

// Delete implements [flow.SessionStore]. The session's own key goes last, so that a Delete that was cut
// short finds at the next try what is left to do.
func (s *SessionStore) Delete(ctx context.Context, id string) error {
	session, err := s.Get(ctx, id)
	if flow.ErrorCode(err) == flow.CodeNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	s.renewed.forget(id)
	if err := s.unlist(ctx, session, flow.Session{}); err != nil {
		return err
	}
	return s.together(ctx, func(p redis.Pipeliner) { p.Del(ctx, s.sessionKey(id)) })
}

// Health implements [flow.SessionStore]. Sessions are spread over all nodes of a Cluster; while some of
// these serve the rooms on them, the outage is a part of one.
func (s *SessionStore) Health() flow.Health {
	h := s.sub.health()
	h.Partial = h.Partial || h.State != flow.Live && s.conn.servesSome()
	return h
}

func (s *SessionStore) sessionKey(id string) string  { return s.conn.key.of("session:" + id) }
func (s *SessionStore) instanceKey(id string) string { return s.conn.key.of("instance:" + id) }
func (s *SessionStore) roomKey(room string) string   { return s.conn.key.of("sessions:room:" + room) }

// roomsKeys returns the sets of all rooms, by name and by time. They share a hash tag that no room has, so
// that one script can keep them the same in a Cluster.
func (s *SessionStore) roomsKeys() []string {
	return []string{s.conn.key.room("~rooms", "names"), s.conn.key.room("~rooms", "times")}
}

func (s *SessionStore) userKey(user string) string {
	return s.conn.key.of("sessions:user:" + encoded(user))
}

func decodeSession(id, value string) (flow.Session, error) {
	var r record
	if err := json.Unmarshal([]byte(value), &r); err != nil {
		return flow.Session{}, fmt.Errorf("redisx: stored session: %w", err)
	}
	return flow.Session{
		ID: id, Room: r.Room,
		User:     flow.User{ID: r.User, Name: r.Name, Picture: r.Picture, Anonymous: r.Anonymous},
		Presence: r.Presence, Joined: r.Joined, Claimed: r.Claimed, Instance: r.Instance,
	}, nil
}
