package redisx

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
)

// list puts members into the sets: sessions into those of their rooms and users, and then the rooms into
// those of all rooms, which noteRooms asks for.
func (s *SessionStore) list(ctx context.Context, sessions ...flow.Session) error {
	members, rooms := map[string][]string{}, map[string]bool{}
	for _, session := range sessions {
		room, user := s.roomKey(session.Room), s.userKey(session.User.ID)
		members[room] = append(members[room], session.ID)
		members[user] = append(members[user], session.ID)
		rooms[session.Room] = true
	}
	err := s.together(ctx, func(p redis.Pipeliner) {
		for key, ids := range members {
			s.join(ctx, p, key, ids...)
		}
	})
	if err != nil {
		return err
	}
	return s.noteRooms(ctx, slices.Collect(maps.Keys(rooms))...)
}

// join queues the writes that put members into a set with a full TTL. A set forgets its expired members
// when it is written, and is gone with the last of them.
func (s *SessionStore) join(ctx context.Context, p redis.Pipeliner, key string, members ...string) {
	now := time.Now()
	scored := make([]redis.Z, len(members))
	for i, m := range members {
		scored[i] = redis.Z{Score: float64(now.Add(s.keep).UnixMilli()), Member: m}
	}
	p.ZRemRangeByScore(ctx, key, "-inf", millis(now))
	// Greater wins: of two writers the longer promise counts.
	p.ZAddArgs(ctx, key, redis.ZAddArgs{GT: true, Members: scored})
	p.PExpire(ctx, key, s.keep)
}

// unlist takes a session out of the sets in which its next version is not.
func (s *SessionStore) unlist(ctx context.Context, session, next flow.Session) error {
	left := &redis.IntCmd{}
	err := s.together(ctx, func(p redis.Pipeliner) {
		if session.User.ID != next.User.ID {
			p.ZRem(ctx, s.userKey(session.User.ID), session.ID)
		}
		if session.Room != next.Room {
			p.ZRem(ctx, s.roomKey(session.Room), session.ID)
			left = p.ZCount(ctx, s.roomKey(session.Room), millis(time.Now()), "+inf")
		}
	})
	if err != nil || session.Room == next.Room || left.Val() > 0 {
		return err
	}
	return s.dropRooms(ctx, session.Room)
}

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

// renewals remembers which sessions this process has written to the sets a short while ago.
type renewals struct {
	age time.Duration // from which on they are due again

	mu   sync.Mutex
	term uint64 // of the connection: after an outage nothing counts
	last map[string]time.Time
	// sweepAt is the number of entries at which those that do not count any more are forgotten.
	sweepAt int
}

func newRenewals(age time.Duration) *renewals {
	return &renewals{age: age, last: map[string]time.Time{}, sweepAt: 1024}
}

// fresh reports whether the session needs no renewal yet.
func (r *renewals) fresh(id string, term uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	at, ok := r.last[id]
	return ok && r.term == term && time.Since(at) < r.age
}

// note has a session count as renewed now, if it did not count as that before.
func (r *renewals) note(id string, term uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.term != term {
		r.term = term
		clear(r.last)
	}
	now := time.Now()
	if at, ok := r.last[id]; ok && now.Sub(at) < r.age {
		return
	}
	r.last[id] = now
	if len(r.last) < r.sweepAt {
		return
	}
	for id, at := range r.last {
		if now.Sub(at) >= r.age {
			delete(r.last, id)
		}
	}
	r.sweepAt = 2*len(r.last) + 1024
}

func (r *renewals) forget(ids ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range ids {
		delete(r.last, id)
	}
}
