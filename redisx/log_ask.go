package redisx

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
)

// ask runs a script of a room's log. A log whose keys do not match is mended, and the script asked once
// more. With an error that a script tells in a word, its whole answer is returned too.
func (l *Log) ask(ctx context.Context, room string, s *redis.Script, names []string, args ...any) (any, error) {
	for mended := false; ; mended = true {
		answer, err := l.run(ctx, s, names, args)
		if err != nil {
			return nil, corrupted(err)
		}
		if err = wordError(word(answer)); mended || !errors.Is(err, flow.ErrCorrupt) {
			return answer, err
		}
		if err := l.heal(ctx, room); err != nil {
			return nil, err
		}
	}
}

// run runs a script. What comes from many rooms at the same moment, appends and reads, goes together.
func (l *Log) run(ctx context.Context, s *redis.Script, names []string, args []any) (any, error) {
	if s != l.scripts.append && s != l.scripts.read {
		return call(ctx, l.sub, names[0], func(ctx context.Context, client redis.UniversalClient) (any, error) {
			return s.Run(ctx, client, names, args...).Result()
		})
	}
	return runTogether(ctx, l.sub, s, names, args)
}

// heal mends a log of which Redis has lost or damaged one key, as far as that can be done from what is
// there: the rest is in the rings of the instances, which find out by the fence of their next append.
func (l *Log) heal(ctx context.Context, room string) error {
	args := l.writeArgs(room, flow.Position{}, "", 0)
	names := l.keys(room)
	done, err := call(ctx, l.sub, names[0], func(ctx context.Context, client redis.UniversalClient) (string, error) {
		return l.scripts.heal.Run(ctx, client, names, args...).Text()
	})
	if err != nil {
		return corrupted(err)
	}
	logger := l.logger(room)
	var base, head, dropped uint64
	if n, _ := fmt.Sscanf(done, "HEALED %d %d %d", &base, &head, &dropped); n == 3 {
		logger.Warn("mended a log that was damaged in redis", "base", base, "head", head, "dropped", dropped)
	}
	if done == "MISSING" {
		logger.Warn("a log in redis has lost its operations, the rest is dropped: who has them writes them again")
	}
	return nil
}

// logger names what lines about a room's log are about.
func (l *Log) logger(room string) *slog.Logger {
	return l.conn.config.Logger.With("subsystem", "ordering", "addr", l.conn.Addr(), "room", room)
}

// corrupted turns the error of a key that holds something else into the log's own.
func corrupted(err error) error {
	if err != nil && redis.HasErrorPrefix(err, "WRONGTYPE") {
		return fmt.Errorf("%w: %w", flow.ErrCorrupt, err)
	}
	return err
}

// word returns the first that a script says.
func word(answer any) string {
	if list, ok := answer.([]any); ok && len(list) > 0 {
		answer = list[0]
	}
	text, _ := answer.(string)
	return text
}

// texts returns a list that a script says.
func texts(answer any) []string {
	list, _ := answer.([]any)
	texts := make([]string, len(list))
	for i := range list {
		texts[i], _ = list[i].(string)
	}
	return texts
}

// wordError returns the error that a word stands for, nil when it is none.
func wordError(word string) error {
	switch word {
	case "GONE":
		return flow.Errorf(flow.CodeRoomDeleted, "the room was deleted")
	case "REJECTED":
		return flow.Errorf(flow.CodeRejected, "the idempotency key was used with other content")
	case "DIVERGED":
		return flow.Errorf(flow.CodeDiverged, "the position is not in the room's log")
	case "TRIMMED":
		return flow.Errorf(flow.CodeTrimmed, "operations after this position were trimmed away")
	case "NONE":
		return flow.Errorf(flow.CodeNotFound, "the room has no snapshot")
	case "LOCKED":
		return flow.Errorf(flow.CodeLocked, "somebody else has the lease, or nobody has it")
	case "NOLOG":
		return flow.ErrNoLog
	case "CORRUPT":
		return flow.ErrCorrupt
	case "BEHIND":
		return flow.ErrBehind
	case "FORK":
		return flow.ErrFork
	case "MOVED":
		return flow.ErrMoved
	case "SETTLING":
		return flow.ErrSettling
	default:
		return nil
	}
}
