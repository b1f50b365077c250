package redisx

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
)

// Log implements [flow.Log], [flow.Leases] and [flow.Cursors].
type Log struct {
	conn    *Conn
	sub     *subsystem
	feed    *feed
	echoes  echoes
	scripts logScripts
	logTTL  int64 // all in milliseconds
	keyTTL  int64
	goneTTL int64
	settle  int64
}

var _ flow.Log = (*Log)(nil)

// NewLog returns the logs kept on a connection. They need no closing of their own.
func NewLog(c *Conn) *Log {
	limit, keyTTL := c.config.OperationLimit, c.config.KeyTTL.Milliseconds()
	settle := max(0, c.config.Settle.Milliseconds())
	// Go's and Lua's integers are written alike.
	settings := fmt.Sprintf(
		"local TTL, SETTLE, KEY_TTL = %d, %d, '%d'\n"+
			"local LIMIT, SLACK, HARD_LIMIT, SWEEP_EVERY, SWEEP_ABOVE, HORIZON = %d, %d, %d, %d, %d, %d\n",
		c.config.OperationTTL.Milliseconds(), settle, keyTTL, limit, flow.TrimSlack(limit), flow.HardLimit(limit),
		flow.SweepEvery, flow.SweepAbove, flow.SweepHorizon(c.config.SessionTTL).Milliseconds())
	sub := newSubsystem(c, "ordering", &proof{
		script: redis.NewScript(proveLogSource), names: logProofNames, channel: logProofChannel,
	}, true)
	return &Log{
		conn:    c,
		sub:     sub,
		feed:    newFeed(sub),
		echoes:  echoes{rooms: map[string]*echo{}},
		scripts: newLogScripts(settings),
		logTTL:  c.config.OperationTTL.Milliseconds(),
		keyTTL:  keyTTL,
		goneTTL: c.config.TombstoneTTL.Milliseconds(),
		settle:  settle,
	}
}

// logProofNames are those of rooms whose ids no room has.
func logProofNames(k keys, number string) []string {
	return []string{k.room("~"+number, "head"), k.room("~"+number, "ops")}
}

func logProofChannel(k keys, name string) string { return k.room("~"+name, "feed") }

// logScripts are what runs on the server.
type logScripts struct {
	append, restore, heal, read, delete *redis.Script
	snapshot, discard, stage, keep      *redis.Script
	acquire, release, leases            *redis.Script
	cursor, advance                     *redis.Script
	mark, unmark, marked                *redis.Script
}

// newLogScripts takes the settings that position.lua and append.lua speak of.
func newLogScripts(settings string) logScripts {
	return logScripts{
		append:  redis.NewScript(settings + readySource + positionSource + writeSource + appendSource),
		restore: redis.NewScript(settings + positionSource + writeSource + restoreSource),
		heal:    redis.NewScript(settings + positionSource + writeSource + healSource),
		read:    redis.NewScript(settings + positionSource + readSource),
		delete:  redis.NewScript(deleteSource),

		snapshot: redis.NewScript(positionSource + snapshotSource),
		discard:  redis.NewScript(discardSource),
		stage:    redis.NewScript(positionSource + putSource + stageSource),
		keep:     redis.NewScript(settings + positionSource + putSource + keepSource),

		acquire: redis.NewScript(positionSource + putSource + leaseSource + acquireSource),
		release: redis.NewScript(positionSource + leaseSource + releaseSource),
		leases:  redis.NewScript(positionSource + leaseSource + leasesSource),

		cursor:  redis.NewScript(positionSource + cursorSource),
		advance: redis.NewScript(positionSource + leaseSource + advanceSource),

		mark:   redis.NewScript(markSource),
		unmark: redis.NewScript(unmarkSource),
		marked: redis.NewScript(markedSource),
	}
}

// Delete implements [flow.Log].
func (l *Log) Delete(ctx context.Context, room string) error {
	names := append(l.keys(room), l.conn.key.room(room, "epoch"), l.conn.key.room(room, "leases"))
	_, err := l.ask(ctx, room, l.scripts.delete, names, l.goneTTL, l.channel(room), rand.Text(), l.keyTTL)
	return err
}

// Follow implements [flow.Log].
func (l *Log) Follow(room string, f func(flow.Feed)) (stop func()) {
	leave := l.echoes.follow(room)
	unsubscribe := l.feed.subscribe(l.channel(room), func(n notice) {
		switch {
		case n.gap || n.payload == gapPayload:
			f(flow.Feed{Gap: true})
		case n.payload == deletedPayload:
			f(flow.Feed{Deleted: true})
		default:
			if operations := l.echoes.hear(room, n.payload); operations != nil {
				f(flow.Feed{Operations: operations})
				return
			}
			operations, err := decodeOperations(n.payload)
			if err != nil {
				l.conn.config.Logger.Debug("ignored a message that is no feed", "room", room, "error", err)
				return
			}
			f(flow.Feed{Operations: operations})
		}
	})
	return func() {
		unsubscribe()
		leave()
	}
}

// Health implements [flow.Log].
func (l *Log) Health(room string) flow.Health {
	if room == "" {
		return l.sub.health()
	}
	return l.sub.healthOf(l.sub.of(l.conn.key.room(room, "head")))
}

// keys are those that every script of the log takes.
func (l *Log) keys(room string) []string {
	start := l.conn.key.room(room, "")
	// They share one text, since every append needs them.
	all := start + "head" + start + "ops" + start + "snap" + start + "gone" + start + "snap~"
	names := make([]string, 0, 7) // with those that some scripts need besides
	for _, name := range [...]string{"head", "ops", "snap", "gone", "snap~"} {
		end := len(start) + len(name)
		names, all = append(names, all[:end]), all[end:]
	}
	return names
}

func (l *Log) channel(room string) string { return l.conn.key.room(room, "feed") }
