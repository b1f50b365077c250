package redisx

import (
	"context"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
)

// listLeast is how many sessions a list reads at least at a time: those that are not told are soon passed.
const listLeast = 32

// alive is the value of the key of an instance that lives.
const alive = "alive"

// List implements [flow.SessionStore]. It reads the ids of everybody in the room, or of all sessions of the
// user, and the sessions that the page has.
func (s *SessionStore) List(ctx context.Context, q flow.SessionQuery) ([]flow.Session, error) {
	set := s.roomKey(q.Room)
	if q.User != "" {
		set = s.userKey(q.User)
	}
	ids, err := s.members(ctx, set, q.After)
	if err != nil {
		return nil, err
	}
	var found []flow.Session
	living := map[string]bool{}
	for len(ids) > 0 && len(found) < q.Limit {
		n := min(len(ids), touchAtOnce, max(q.Limit-len(found), listLeast))
		sessions, err := s.load(ctx, ids[:n])
		if err != nil {
			return nil, err
		}
		ids = ids[n:]
		if err := s.lookAt(ctx, living, sessions); err != nil {
			return nil, err
		}
		for _, session := range sessions {
			if session == nil || !living[session.Instance] && !q.Detached {
				continue
			}
			if q.Room == "" || q.Room == session.Room {
				found = append(found, *session)
			}
		}
	}
	return found[:min(len(found), max(q.Limit, 0))], nil
}

// lookAt finds out which of the sessions' instances live.
func (s *SessionStore) lookAt(ctx context.Context, living map[string]bool, sessions []*flow.Session) error {
	var unknown []string
	for _, session := range sessions {
		if session == nil || session.Instance == "" {
			continue
		}
		if _, known := living[session.Instance]; !known {
			living[session.Instance] = false
			unknown = append(unknown, session.Instance)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	names := make([]string, len(unknown))
	for i, instance := range unknown {
		names[i] = s.instanceKey(instance)
	}
	values, err := s.get(ctx, names)
	for i, value := range values {
		living[unknown[i]] = value == alive
	}
	return err
}

// members returns those of a set that have not expired, sorted, after the given one.
func (s *SessionStore) members(ctx context.Context, set, after string) ([]string, error) {
	members, err := call(ctx, s.sub, "", func(ctx context.Context, client redis.UniversalClient) ([]string, error) {
		var found *redis.StringSliceCmd
		err := s.pipelined(ctx, client, func(p redis.Pipeliner) {
			found = p.ZRangeByScore(ctx, set, &redis.ZRangeBy{Min: "(" + millis(time.Now()), Max: "+inf"})
		})
		return found.Val(), err
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(members)
	at, exact := slices.BinarySearch(members, after)
	if exact {
		at++
	}
	return members[at:], nil
}
