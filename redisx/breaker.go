package redisx

import (
	"log/slog"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fiberflow/flow"
)

// status is what a breaker knows at a time. It is replaced, never changed.
type status struct {
	state flow.State // Live or Degraded
	since time.Time
	cause error // why it is degraded
	// term counts the changes, so that a call which began before one has no say after it.
	term   uint64
	reason string // why it is degraded, in words without secrets
}

// breaker decides whether the calls of one subsystem may go to Redis, or in a Cluster to one node. Reading
// it takes no lock.
type breaker struct {
	logger *slog.Logger // says of what
	node   string       // the node's address; "" for all of Redis
	moved  func(back bool)
	pipe   *pipe
	doubt  chan struct{} // asks for a look at Redis now; holds one
	done   chan struct{} // closed when nobody has to look any more

	now   atomic.Pointer[status]
	proof atomic.Int64 // Unix nanoseconds of the last answer, 0 before the first

	mu      sync.Mutex
	closed  bool
	changed chan struct{}   // closed at the next change
	told    map[string]bool // first words of what was told in this outage and needs a person
}

// newBreaker returns a live one. It calls moved with its lock held after each change: whether it came
// back.
func newBreaker(logger *slog.Logger, node string, moved func(back bool)) *breaker {
	b := &breaker{
		logger: logger, node: node, moved: moved,
		doubt: make(chan struct{}, 1), done: make(chan struct{}),
		changed: make(chan struct{}), told: map[string]bool{},
	}
	b.now.Store(&status{state: flow.Live, since: time.Now()})
	return b
}

// inherit has b begin with what another knows, which that has told already.
func (b *breaker) inherit(other *breaker) {
	other.mu.Lock()
	defer other.mu.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now.Store(other.now.Load())
	b.proof.Store(other.proof.Load())
	maps.Copy(b.told, other.told)
}

// live reports whether calls may go to Redis.
func (b *breaker) live() bool { return b.now.Load().state == flow.Live }

// watch returns the status and a channel that closes when it changes.
func (b *breaker) watch() (*status, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now.Load(), b.changed
}

// suspect has Redis looked at now: something that depends on it has failed.
func (b *breaker) suspect() {
	select {
	case b.doubt <- struct{}{}:
	default:
	}
}

// proved notes that Redis answered.
func (b *breaker) proved() { b.proof.Store(time.Now().UnixNano()) }

// lastProof returns when Redis last answered; zero: never.
func (b *breaker) lastProof() time.Time {
	if ns := b.proof.Load(); ns != 0 {
		return time.Unix(0, ns)
	}
	return time.Time{}
}

// trip makes the breaker degraded, if it is still as it was in that term. The first of many failing
// calls is the one that is logged.
func (b *breaker) trip(term uint64, c class, reason string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	was := b.now.Load()
	if b.closed || b.retired() {
		return
	}
	if c == configuration {
		b.complainLocked(reason)
	}
	if was.term != term || was.state != flow.Live {
		return
	}
	if c != configuration && !b.lastProof().IsZero() {
		b.logger.Warn("redis is away", "reason", reason, "class", c.String()) // whoever sees the change finds the line
	}
	b.changeLocked(&status{state: flow.Degraded, cause: err, reason: reason})
}

// restore makes the breaker live.
func (b *breaker) restore() {
	b.mu.Lock()
	defer b.mu.Unlock()
	was := b.now.Load()
	if b.closed || was.state == flow.Live {
		return
	}
	clear(b.told)
	b.logger.Info("redis is back", "after", time.Since(was.since).Round(time.Millisecond))
	b.changeLocked(&status{state: flow.Live})
}

func (b *breaker) changeLocked(to *status) {
	to.since, to.term = time.Now(), b.now.Load().term+1
	b.now.Store(to)
	close(b.changed)
	b.changed = make(chan struct{})
	b.moved(to.state == flow.Live)
}

// complainLocked tells once an outage what only a person can mend.
func (b *breaker) complainLocked(reason string) {
	word, _, _ := strings.Cut(reason, " ")
	if b.told[word] {
		return
	}
	b.told[word] = true
	b.logger.Error("redis refuses us: check user, password, rights, mode and TLS", "reason", reason)
}

// retire ends the looking at Redis; the state stays, whatever a look that is under way finds. It may be
// called once.
func (b *breaker) retire() { close(b.done) }

func (b *breaker) retired() bool {
	select {
	case <-b.done:
		return true
	default:
		return false
	}
}

// close makes the breaker degraded for good.
func (b *breaker) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.changeLocked(&status{state: flow.Degraded, cause: errClosed, reason: errClosed.Error()})
}
