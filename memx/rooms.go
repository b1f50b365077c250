package memx

import (
	"hash/maphash"
	"time"
)

// enter returns the room, locked and without what has expired, and the time; leave gives it
// back. A room that is not there is made.
func (l *Log) enter(id string) (*room, time.Duration) {
	for {
		if r, now := l.enterExisting(id); r != nil {
			return r, now
		}
		l.insert(id)
	}
}

// enterExisting is enter, but returns nil when there is no room.
func (l *Log) enterExisting(id string) (*room, time.Duration) {
	l.sweep(time.Since(l.start))
	s := l.shard(id)
	for {
		s.mu.RLock()
		r := s.rooms[id]
		s.mu.RUnlock()
		if r == nil {
			return nil, 0
		}
		r.mu.Lock()
		if !r.gone {
			now := time.Since(l.start) // those who enter after each other see it pass: no lease looks too long
			r.expireLocked(now)
			return r, now
		}
		r.mu.Unlock() // forgotten since it was looked up
	}
}

// leave unlocks a room, and forgets it when there is nothing left in it.
func (l *Log) leave(r *room) {
	defer r.mu.Unlock()
	ends := r.endsLocked()
	if ends == 0 && len(r.followers) == 0 {
		l.forgetLocked(r)
		r.settleLocked(l)
		return
	}
	r.settleLocked(l)
	if ends != 0 && (r.wakes == 0 || ends < r.wakes) {
		r.wakes = ends
		l.due.set(r, ends)
	}
}

func (l *Log) forgetLocked(r *room) {
	r.gone = true
	s := l.shard(r.id)
	s.forget(r.id)
	l.due.remove(r)
}

// sweep frees the memory of what has expired, a few rooms and marks a call.
func (l *Log) sweep(now time.Duration) {
	l.marks.sweep(now)
	for range sweepAtOnce {
		r := l.due.pop(now)
		if r == nil {
			return
		}
		r.mu.Lock()
		if r.gone {
			r.mu.Unlock()
			continue
		}
		r.wakes = 0
		r.expireLocked(now)
		l.leave(r)
	}
}

func (l *Log) insert(id string) {
	s := l.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rooms[id] == nil {
		s.rooms[id] = &room{id: id}
		s.most = max(s.most, len(s.rooms))
	}
}

func (s *shard) forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rooms, id)
	if sparse(len(s.rooms), s.most) {
		s.rooms, s.most = shrunkMap(s.rooms), len(s.rooms)
	}
}

func (l *Log) shard(id string) *shard {
	return &l.shards[maphash.String(l.seed, id)%shardCount]
}
