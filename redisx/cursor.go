package redisx

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
)

// marksAtOnce is how many marks one command sets or removes at most.
const marksAtOnce = 500

var _ flow.Cursors = (*Log)(nil)

// Cursor implements [flow.Cursors].
func (l *Log) Cursor(ctx context.Context, group, room string) (flow.Position, error) {
	answer, err := l.ask(ctx, room, l.scripts.cursor, l.keys(room), group)
	if err != nil {
		return flow.Position{}, err
	}
	said := texts(answer)
	if len(said) != 2 || said[1] == "" {
		return flow.Position{}, nil
	}
	seq, hash, _ := strings.Cut(said[1], ":")
	return parsePosition(seq, hash)
}

// Advance implements [flow.Cursors].
func (l *Log) Advance(ctx context.Context, group, room string, to flow.Position, lease, owner string) error {
	_, err := l.ask(ctx, room, l.scripts.advance, l.leaseKeys(room), to.Seq, to.Hash.String(), group, lease, owner)
	return err
}

// Mark implements [flow.Cursors]. The present time is that of Redis. Marks that are older than a log may
// get are dropped.
func (l *Log) Mark(ctx context.Context, instance string, rooms ...string) error {
	for some := range slices.Chunk(rooms, marksAtOnce) {
		args := make([]any, 0, 1+len(some))
		args = append(args, max(l.logTTL, flow.MarkTTL.Milliseconds()))
		for _, room := range some {
			args = append(args, markOf(room, instance))
		}
		if _, err := l.onMarks(ctx, l.scripts.mark, args...); err != nil {
			return err
		}
	}
	return nil
}

// Unmark implements [flow.Cursors].
func (l *Log) Unmark(ctx context.Context, marks ...flow.Mark) error {
	for some := range slices.Chunk(marks, marksAtOnce) {
		args := make([]any, 0, 2*len(some))
		for _, m := range some {
			args = append(args, markOf(m.Room, m.Instance), m.At.UnixMicro())
		}
		if _, err := l.onMarks(ctx, l.scripts.unmark, args...); err != nil {
			return err
		}
	}
	return nil
}

// Marked implements [flow.Cursors]. The order is that of the rooms, so that marks which are set meanwhile
// do not make the list endless.
func (l *Log) Marked(ctx context.Context, after flow.Mark, limit int) ([]flow.Mark, error) {
	if limit <= 0 {
		return nil, nil
	}
	from := "-"
	if after.Room != "" {
		from = "(" + markOf(after.Room, after.Instance)
	}
	for {
		answer, err := l.onMarks(ctx, l.scripts.marked, from, limit)
		if err != nil {
			return nil, err
		}
		marks, others := parseMarks(texts(answer))
		if len(others) == 0 {
			return marks, nil
		}
		l.conn.config.Logger.Warn("removing marks of rooms that are something else", "first", others[0])
		if _, err := l.onMarks(ctx, l.scripts.unmark, others...); err != nil {
			return nil, err
		}
	}
}

// onMarks runs a script on the two keys of all marks, which are of no room.
func (l *Log) onMarks(ctx context.Context, s *redis.Script, args ...any) (any, error) {
	k := l.conn.key
	names := []string{k.room("~marks", "names"), k.room("~marks", "times")}
	run := func(ctx context.Context, client redis.UniversalClient) (any, error) {
		return s.Run(ctx, client, names, args...).Result()
	}
	answer, err := call(ctx, l.sub, names[0], run)
	if !redis.HasErrorPrefix(err, "WRONGTYPE") {
		return answer, err
	}
	if err := l.mendMarks(ctx, names); err != nil {
		return nil, err
	}
	return call(ctx, l.sub, names[0], run)
}

// mendMarks drops what stands in the place of marks and is something else.
func (l *Log) mendMarks(ctx context.Context, names []string) error {
	for _, name := range names {
		dropped, err := call(ctx, l.sub, name, func(ctx context.Context, client redis.UniversalClient) (int64, error) {
			kind, err := client.Type(ctx, name).Result()
			if err != nil || kind == "zset" || kind == "none" {
				return 0, err
			}
			return client.Del(ctx, name).Result()
		})
		if err != nil {
			return err
		}
		if dropped > 0 {
			l.conn.config.Logger.Warn("dropped marks of rooms that were something else", "key", name)
		}
	}
	return nil
}

// markOf names a mark. No room id has a space.
func markOf(room, instance string) string { return room + " " + instance }

// parseMarks reads members and times in turn, and returns those that are no marks as they are.
func parseMarks(said []string) (marks []flow.Mark, others []any) {
	for ; len(said) > 1; said = said[2:] {
		room, instance, ok := strings.Cut(said[0], " ")
		at, err := strconv.ParseFloat(said[1], 64) // a score may be told with an exponent
		if !ok || err != nil {
			others = append(others, said[0], said[1])
			continue
		}
		marks = append(marks, flow.Mark{Room: room, Instance: instance, At: time.UnixMicro(int64(at))})
	}
	return marks, others
}
