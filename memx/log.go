package memx

import (
	"context"
	"hash/maphash"
	"sync"
	"time"

	"github.com/fiberflow/flow"
)

const (
	shardCount = 64
	// sweepAtOnce is how many rooms one call frees at most, so that none waits for all.
	sweepAtOnce = 8
)

// LogConfig sets the limits of a [Log]. The zero value is ready to use.
type LogConfig struct {
	// OperationLimit is how many operations a room keeps; see [flow.TrimFirst]. Default 10,000.
	OperationLimit int
	// OperationTTL is how long a room's log lives after it was last written to, or read with
	// [flow.Query.Renew]. Default 24 h.
	OperationTTL time.Duration
	// SessionTTL is how long sessions live; a room remembers the last N of each at least that long, and
	// at least 24 h. Default 1 h.
	SessionTTL time.Duration
	// TombstoneTTL is how long a deleted room answers so. Default 10 min.
	TombstoneTTL time.Duration
	// KeyTTL is how long [flow.Batch.Key] makes a batch idempotent. Default 24 h.
	KeyTTL time.Duration
	// Settle is how long a log takes nothing new after a restore; negative: not at all. Default
	// [flow.SettleWindow].
	Settle time.Duration
	// MaxBytes is how much the rooms may hold together: their operations, snapshots, and what is remembered
	// of sessions and keys. Beyond it nothing is added, which is [flow.CodeUnavailable]; what is there can be
	// read, deleted, and expires. The process needs more than that, up to twice as much. Default 1 GiB.
	MaxBytes int64
}

func (c LogConfig) withDefaults() LogConfig {
	c.OperationLimit = orDefault(c.OperationLimit, 10_000)
	c.OperationTTL = orDefault(c.OperationTTL, 24*time.Hour)
	c.SessionTTL = orDefault(c.SessionTTL, time.Hour)
	c.TombstoneTTL = orDefault(c.TombstoneTTL, 10*time.Minute)
	c.KeyTTL = orDefault(c.KeyTTL, 24*time.Hour)
	if c.Settle == 0 {
		c.Settle = flow.SettleWindow
	}
	c.MaxBytes = orDefault(c.MaxBytes, 1<<30)
	return c
}

func orDefault[T int | int64 | time.Duration](v, fallback T) T {
	if v <= 0 {
		return fallback
	}
	return v
}

// Log implements [flow.Log], and with it [flow.Leases] and [flow.Cursors].
type Log struct {
	config LogConfig
	start  time.Time // zero of all times inside: only the monotonic clock counts
	seed   maphash.Seed
	due    *expiry
	marks  *marks
	budget *budget
	shards [shardCount]shard
}

// shard is a part of the map of rooms. Its lock may be taken while a room's is held, not vice versa.
type shard struct {
	mu    sync.RWMutex
	rooms map[string]*room
	most  int // rooms that the map ever had
}

var _ flow.Log = (*Log)(nil)

// NewLog returns an empty log.
func NewLog(config LogConfig) *Log {
	l := &Log{
		config: config.withDefaults(),
		start:  time.Now(),
		seed:   maphash.MakeSeed(),
		due:    newExpiry(),
		marks:  newMarks(),
	}
	l.budget = newBudget(l.config.MaxBytes, l.start)
	for i := range l.shards {
		l.shards[i].rooms = make(map[string]*room)
	}
	return l
}

// Immediate implements [flow.ImmediateLog].
func (*Log) Immediate() {}

// Append implements [flow.Log].
func (l *Log) Append(_ context.Context, id string, b flow.Batch) ([]flow.Appended, error) {
	// Two thirds of the work is the digests; they need no lock.
	var buffer [32]flow.Digest
	digests := buffer[:0]
	for i := range b.Operations {
		digests = append(digests, flow.DigestOf(b.Operations[i].Data))
	}
	r, now := l.enter(id)
	defer l.leave(r)
	return r.appendLocked(l, now, b, digests)
}

// Read implements [flow.Log].
func (l *Log) Read(_ context.Context, id string, q flow.Query) (flow.Page, error) {
	r, now := l.enterExisting(id)
	if r == nil {
		return new(room).readLocked(q)
	}
	defer l.leave(r)
	if q.Renew && r.head.Seq > 0 {
		r.logEnds = now + l.config.OperationTTL
	}
	return r.readLocked(q)
}

// Snapshot implements [flow.Log].
func (l *Log) Snapshot(_ context.Context, id string) (flow.Snapshot, error) {
	r, _ := l.enterExisting(id)
	if r == nil {
		return new(room).snapshotLocked()
	}
	defer l.leave(r)
	return r.snapshotLocked()
}

// SaveSnapshot implements [flow.Log].
func (l *Log) SaveSnapshot(_ context.Context, id string, s flow.Snapshot) error {
	r, now := l.enterExisting(id)
	if r == nil {
		return new(room).saveSnapshotLocked(l, now, s)
	}
	defer l.leave(r)
	return r.saveSnapshotLocked(l, now, s)
}

// Delete implements [flow.Log].
func (l *Log) Delete(_ context.Context, id string) error {
	r, now := l.enter(id)
	defer l.leave(r)
	return r.deleteLocked(&l.config, now)
}

// Health implements [flow.Log]. A log whose memory is used up is degraded in part: each room finds out whether
// it has to grow.
func (l *Log) Health(id string) flow.Health {
	if id != "" {
		return health(l.start)
	}
	l.sweep(time.Since(l.start))
	return l.budget.health()
}

// Bytes returns how much of [LogConfig.MaxBytes] is in use.
func (l *Log) Bytes() int64 { return l.budget.used.Load() }

// health is what memory says about itself: it works as long as anybody asks.
func health(since time.Time) flow.Health {
	return flow.Health{Backend: "memory", State: flow.Live, Since: since, LastProof: time.Now()}
}
