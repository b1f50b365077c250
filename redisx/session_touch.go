package redisx

import (
	"context"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
)

// touchAtOnce is how many sessions one round trip looks at.
const touchAtOnce = 256

// Touch implements [flow.SessionStore]. For an idle instance it is one command; sessions cost one for
// each 256 of them, and what their renewal takes when that is due.
func (s *SessionStore) Touch(ctx context.Context, instance string, ids []string) (lost []string, err error) {
	_, err = call(ctx, s.sub, "", func(ctx context.Context, client redis.UniversalClient) (string, error) {
		return client.Set(ctx, s.instanceKey(instance), alive, s.conn.config.InstanceTTL).Result()
	})
	for len(ids) > 0 && err == nil {
		n := min(len(ids), touchAtOnce)
		var missed []string
		missed, err = s.touch(ctx, instance, ids[:n])
		lost, ids = append(lost, missed...), ids[n:]
	}
	if err != nil {
		return nil, err
	}
	return lost, nil
}

// touch renews the sessions that are the instance's, and returns the others.
func (s *SessionStore) touch(ctx context.Context, instance string, ids []string) (lost []string, err error) {
	term := s.sub.whole.now.Load().term
	found, err := s.load(ctx, ids)
	if err != nil {
		return nil, err
	}
	var due []flow.Session
	for i, id := range ids {
		switch session := found[i]; {
		case session == nil || session.Instance != instance:
			lost = append(lost, id)
		case !s.renewed.fresh(id, term):
			due = append(due, *session)
		}
	}
	s.renewed.forget(lost...)
	if len(due) == 0 {
		return lost, nil
	}
	if err := s.renew(ctx, due); err != nil {
		return nil, err
	}
	for _, session := range due {
		s.renewed.note(session.ID, term)
	}
	return lost, nil
}

// renew gives sessions, and their places in the sets, a full TTL.
func (s *SessionStore) renew(ctx context.Context, sessions []flow.Session) error {
	err := s.together(ctx, func(p redis.Pipeliner) {
		for _, session := range sessions {
			p.PExpire(ctx, s.sessionKey(session.ID), s.keep)
		}
	})
	if err != nil {
		return err
	}
	return s.list(ctx, sessions...)
}

// load reads sessions; those that are not there are nil.
func (s *SessionStore) load(ctx context.Context, ids []string) ([]*flow.Session, error) {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = s.sessionKey(id)
	}
	values, err := s.get(ctx, names)
	if err != nil {
		return nil, err
	}
	found := make([]*flow.Session, len(ids))
	for i, value := range values {
		if value == "" {
			continue
		}
		// What cannot be read is not there: a session is soft state, its instance writes it again.
		if session, err := decodeSession(ids[i], value); err == nil {
			found[i] = &session
		}
	}
	return found, nil
}

// get reads many keys in one round trip: "" for those that are not there or empty. In a Cluster they
// are on different nodes, where there is no MGET.
func (s *SessionStore) get(ctx context.Context, names []string) ([]string, error) {
	return call(ctx, s.sub, "", func(ctx context.Context, client redis.UniversalClient) ([]string, error) {
		values := make([]string, len(names))
		if s.conn.cluster == nil {
			found, err := client.MGet(ctx, names...).Result()
			for i := range found {
				values[i], _ = found[i].(string)
			}
			return values, err
		}
		commands := make([]*redis.StringCmd, len(names))
		err := s.pipelined(ctx, client, func(p redis.Pipeliner) {
			for i, name := range names {
				commands[i] = p.Get(ctx, name)
			}
		})
		for i, command := range commands {
			values[i] = command.Val()
		}
		return values, err
	})
}
