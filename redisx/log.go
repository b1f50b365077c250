package redisx

import (
	"context"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // compares the contents of a retry, protects nothing
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
)

// Log implements [flow.Log].
type Log struct {
	conn    *Conn
	feed    *feed
	append  *redis.Script
	read    *redis.Script
	save    *redis.Script
	delete  *redis.Script
	logTTL  int64 // all in milliseconds
	keyTTL  int64
	goneTTL int64
	horizon int64
}

var _ flow.Log = (*Log)(nil)

// NewLog returns the logs kept on a connection. They need no closing of their own.
func NewLog(c *Conn) *Log {
	return &Log{
		conn:    c,
		feed:    newFeed(c, "ordering"),
		append:  redis.NewScript(positionSource + appendSource),
		read:    redis.NewScript(positionSource + readSource),
		save:    redis.NewScript(positionSource + saveSource),
		delete:  redis.NewScript(deleteSource),
		logTTL:  c.config.OperationTTL.Milliseconds(),
		keyTTL:  c.config.KeyTTL.Milliseconds(),
		goneTTL: c.config.TombstoneTTL.Milliseconds(),
		horizon: flow.SweepHorizon(c.config.SessionTTL).Milliseconds(),
	}
}

// Append implements [flow.Log].
func (l *Log) Append(ctx context.Context, room string, b flow.Batch) ([]flow.Appended, error) {
	names := l.keys(room)
	if b.Key != "" {
		names = append(names, l.conn.key.room(room, "key:"+encoded(b.Key)), l.conn.key.room(room, "epoch"))
	}
	answer, err := l.script(ctx, l.append, names, l.appendArgs(room, b)...)
	if err != nil {
		return nil, err
	}
	if err := wordError(answer); err != nil {
		return nil, err
	}
	return parseAnswers(answer, len(b.Operations))
}

// appendArgs lists what append.lua takes.
func (l *Log) appendArgs(room string, b flow.Batch) []any {
	limit := l.conn.config.OperationLimit
	exact := ""
	if b.Restore {
		exact = "exact"
	}
	args := make([]any, 0, 12+6*len(b.Operations))
	args = append(args, b.Fence.Seq, b.Fence.Hash.String(), exact, l.logTTL, limit, flow.TrimSlack(limit),
		flow.SweepEvery, flow.SweepAbove, l.horizon, l.channel(room), "", l.keyTTL)
	content := sha1.New() //nolint:gosec // see the import
	for i := range b.Operations {
		o := &b.Operations[i]
		digest := flow.DigestOf(o.Data)
		_, _ = content.Write(digest[:]) // hash.Hash documents that Write never fails
		args = append(args, o.Session, o.N, o.User, o.Time, digest.String(), o.Data)
	}
	if b.Key != "" {
		args[10] = hex.EncodeToString(content.Sum(nil))
	}
	return args
}

// Delete implements [flow.Log].
func (l *Log) Delete(ctx context.Context, room string) error {
	names := append(l.keys(room), l.conn.key.room(room, "epoch"))
	answer, err := l.script(ctx, l.delete, names, l.goneTTL, l.channel(room), rand.Text(), l.keyTTL)
	if err != nil {
		return err
	}
	return wordError(answer)
}

// Follow implements [flow.Log].
func (l *Log) Follow(room string, f func(flow.Feed)) (stop func()) {
	return l.feed.subscribe(l.channel(room), func(n notice) {
		switch {
		case n.gap:
			f(flow.Feed{Gap: true})
		case n.payload == deletedPayload:
			f(flow.Feed{Deleted: true})
		default:
			operations, err := decodeOperations(n.payload)
			if err != nil {
				l.conn.config.Logger.Debug("ignored a message that is no feed", "room", room, "error", err)
				return
			}
			f(flow.Feed{Operations: operations})
		}
	})
}

// Health implements [flow.Log].
func (l *Log) Health(string) flow.Health { return l.conn.Health() }

// keys are those that every script of the log takes.
func (l *Log) keys(room string) []string {
	k := l.conn.key
	return []string{k.room(room, "head"), k.room(room, "ops"), k.room(room, "snap"), k.room(room, "gone")}
}

func (l *Log) channel(room string) string { return l.conn.key.room(room, "feed") }

// script calls a script that answers with a text.
func (l *Log) script(ctx context.Context, s *redis.Script, names []string, args ...any) (string, error) {
	answer, err := call(ctx, l.conn, func(ctx context.Context, client redis.UniversalClient) (string, error) {
		return s.Run(ctx, client, names, args...).Text()
	})
	return answer, corrupted(err)
}

// corrupted turns the error of a key that holds something else into the log's own.
func corrupted(err error) error {
	if err != nil && redis.HasErrorPrefix(err, "WRONGTYPE") {
		return fmt.Errorf("%w: %w", flow.ErrCorrupt, err)
	}
	return err
}

// wordError returns the error that a script's answer stands for, nil when it is none.
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
	default:
		return nil
	}
}

// parseAnswers reads what append.lua says of n operations.
func parseAnswers(text string, n int) ([]flow.Appended, error) {
	answers := make([]flow.Appended, 0, n)
	if n == 0 {
		return answers, nil
	}
	for line := range strings.SplitSeq(text, "\n") {
		a, err := parseAnswer(strings.Split(line, " "))
		if err != nil {
			return nil, fmt.Errorf("redisx: answer %q: %w", line, err)
		}
		answers = append(answers, a)
	}
	if len(answers) != n {
		return nil, fmt.Errorf("redisx: %d answers for %d operations", len(answers), n)
	}
	return answers, nil
}

func parseAnswer(fields []string) (a flow.Appended, err error) {
	switch {
	case fields[0] == "c" && len(fields) == 4:
		p, err := parsePosition(fields[1], fields[2])
		if err != nil {
			return a, err
		}
		a.Status, a.Seq, a.Hash = flow.Confirmed, p.Seq, p.Hash
	case fields[0] == "d" && len(fields) == 2:
		a.Status = flow.Duplicate
	case fields[0] == "g" && len(fields) == 2:
		a.Status = flow.Gap
	default:
		return a, flow.ErrCorrupt
	}
	a.Last, err = strconv.ParseUint(fields[len(fields)-1], 10, 64)
	return a, err
}
