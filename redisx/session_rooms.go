package redisx

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// Rooms implements [flow.SessionStore]. A page costs what it has: one look into the set of names, however
// many there are, and one at the sessions of each room that it finds. Rooms whose sessions have all expired
// are found here too, and dropped.
func (s *SessionStore) Rooms(ctx context.Context, after string, limit int) ([]string, error) {
	var rooms []string
	for len(rooms) < limit {
		most := min(limit-len(rooms), touchAtOnce)
		names, err := s.roomsAfter(ctx, after, most)
		if err != nil {
			return nil, err
		}
		counts, err := s.count(ctx, names)
		if err != nil {
			return nil, err
		}
		var empty []string
		for i, room := range names {
			if counts[i] > 0 {
				rooms = append(rooms, room)
			} else {
				empty = append(empty, room)
			}
		}
		if err := s.dropRooms(ctx, empty...); err != nil {
			return nil, err
		}
		if len(names) < most {
			break
		}
		after = names[most-1]
	}
	return rooms, nil
}

// roomsAfter returns the rooms that are noted, empty ones too, in the order of their names' bytes.
func (s *SessionStore) roomsAfter(ctx context.Context, after string, limit int) ([]string, error) {
	from := "-"
	if after != "" {
		from = "(" + after
	}
	var found *redis.StringSliceCmd
	err := s.together(ctx, func(p redis.Pipeliner) {
		found = p.ZRangeByLex(ctx, s.roomsKeys()[0], &redis.ZRangeBy{Min: from, Max: "+", Count: int64(limit)})
	})
	if err != nil {
		return nil, err
	}
	return found.Val(), nil
}

// count returns how many sessions each of the rooms has.
func (s *SessionStore) count(ctx context.Context, rooms []string) ([]int64, error) {
	commands := make([]*redis.IntCmd, len(rooms))
	err := s.together(ctx, func(p redis.Pipeliner) {
		for i, room := range rooms {
			commands[i] = p.ZCount(ctx, s.roomKey(room), millis(time.Now()), "+inf")
		}
	})
	if err != nil {
		return nil, err
	}
	counts := make([]int64, len(rooms))
	for i, command := range commands {
		counts[i] = command.Val()
	}
	return counts, nil
}

// noteRooms puts rooms into the sets of all rooms with a full TTL. Those who call it have put sessions into
// the rooms' own sets before; dropRooms relies on that.
func (s *SessionStore) noteRooms(ctx context.Context, rooms ...string) error {
	if len(rooms) == 0 {
		return nil
	}
	args := make([]any, 1, 1+len(rooms))
	args[0] = s.keep.Milliseconds()
	for _, room := range rooms {
		args = append(args, room)
	}
	names := s.roomsKeys()
	_, err := runTogether(ctx, s.sub, s.note, names, args)
	if !redis.HasErrorPrefix(err, "WRONGTYPE") {
		return err
	}
	s.sub.logger(s.conn.Addr()).Warn("dropped keys of sessions that held something else", "keys", names)
	if err := s.together(ctx, func(p redis.Pipeliner) { p.Del(ctx, names...) }); err != nil {
		return err
	}
	_, err = runTogether(ctx, s.sub, s.note, names, args)
	return err
}

// dropRooms takes rooms that were seen empty out of the sets of all rooms. Whoever came into one meanwhile
// is in the room's own set before that, so a second look finds everybody whose entry may have been dropped.
func (s *SessionStore) dropRooms(ctx context.Context, rooms ...string) error {
	if len(rooms) == 0 {
		return nil
	}
	members := make([]any, len(rooms))
	for i, room := range rooms {
		members[i] = room
	}
	err := s.together(ctx, func(p redis.Pipeliner) {
		for _, key := range s.roomsKeys() {
			p.ZRem(ctx, key, members...)
		}
	})
	if err != nil {
		return err
	}
	counts, err := s.count(ctx, rooms)
	if err != nil {
		return err
	}
	var used []string
	for i, room := range rooms {
		if counts[i] > 0 {
			used = append(used, room)
		}
	}
	return s.noteRooms(ctx, used...)
}
