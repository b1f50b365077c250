package redisx

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fiberflow/flow"
)

const (
	// beatEvery is how often a feed sends itself a message, and maxMissed how many it may miss.
	beatEvery = 1500 * time.Millisecond
	maxMissed = 2
	// subscribeAtOnce bounds one SUBSCRIBE, so that neither side has to buffer all rooms at once.
	subscribeAtOnce = 256
	// receiveTimeout only bounds how long a receiver sleeps: liveness is the heartbeat's matter.
	receiveTimeout = 30 * time.Second
)

// Why a feed gives up a connection that has not failed.
var (
	errSilent = errors.New("own heartbeats are not heard")
	errRenew  = errors.New("redis was away")
)

// feed is one connection to Redis that listens to channels, and is replaced whenever it may not
// have heard something. go-redis would reconnect by itself, but sees neither a half-open connection
// nor a server that has lost touch with the rest; so a feed listens for messages of its own that go
// the way of all others.
//
// Two goroutines work for it, from the first subscription until the Conn is closed: one owns the
// connection and tells the server what to send, the other receives.
type feed struct {
	conn *Conn
	sub  *subsystem
	beat string // the channel of our own messages

	topics
	once sync.Once
	wake chan struct{} // subscriptions have changed; holds one

	heard atomic.Int64 // the number of the newest beat on the connection of now
	// lost is when the connection was lost, in Unix nanoseconds; 0 while it stands, and before the
	// first.
	lost atomic.Int64
}

func newFeed(s *subsystem) *feed {
	c := s.conn
	id := strings.ToLower(rand.Text()[:12])
	f := &feed{conn: c, sub: s, beat: s.channel(id), wake: make(chan struct{}, 1)}
	f.init()
	return f
}

// subscribe has tell called for what is published on the channel, until stop is called. It returns at
// once: the subscription stands with the first gap.
func (f *feed) subscribe(channel string, tell func(notice)) (stop func()) {
	s := &subscriber{tell: tell, logger: f.conn.config.Logger}
	f.add(channel, s)
	f.once.Do(func() {
		f.add(f.beat, &subscriber{tell: f.hear, logger: f.conn.config.Logger})
		f.conn.background(f.run)
	})
	f.poke()
	return func() {
		s.stop()
		f.remove(channel, s)
		f.poke()
	}
}

// health is that of the connection, as far as the feed can be heard.
func (f *feed) health() flow.Health {
	h := f.sub.health()
	if lost := f.lost.Load(); lost != 0 && h.State == flow.Live {
		h.State, h.Since, h.Reason = flow.Degraded, time.Unix(0, lost), "what is published is not heard"
		h.Partial = f.sub.spread && f.sub.anyLive() != nil // the subscription goes to another node
	}
	return h
}

func (f *feed) poke() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// hear is the subscriber of our own messages.
func (f *feed) hear(n notice) {
	if n.gap {
		f.lost.Store(0) // the connection stands
		return
	}
	if beat, err := strconv.ParseInt(n.payload, 10, 64); err == nil {
		f.heard.Store(beat)
	}
}

// run keeps a connection for as long as the Conn is open.
func (f *feed) run() {
	var wait time.Duration
	for f.awaitLive() {
		began := time.Now()
		err := f.serve()
		f.disconnected()
		if f.conn.ctx.Err() != nil {
			return
		}
		if errors.Is(err, errRenew) {
			continue
		}
		f.failed(err)
		if time.Since(began) > longestWait {
			wait = 0
		}
		if wait > 0 {
			f.sleep(jitter(wait))
		}
		wait = min(max(2*wait, firstWait), longestWait)
	}
}

// sleep waits, or until the Conn is closed.
func (f *feed) sleep(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-f.conn.ctx.Done():
	}
}

// failed notes that nothing is heard, and logs it once until something is.
func (f *feed) failed(err error) {
	f.sub.suspect()
	if !f.lost.CompareAndSwap(0, time.Now().UnixNano()) {
		return
	}
	kind, reason := f.conn.classOf(err)
	level := slog.LevelWarn
	if kind == configuration {
		level = slog.LevelError
	}
	f.sub.logger(f.conn.Addr()).Log(f.conn.ctx, level, "redis subscription lost, subscribing again",
		"reason", reason, "class", kind.String())
}

// awaitLive returns when Redis works, or false when the Conn is closed.
func (f *feed) awaitLive() bool {
	for f.conn.ctx.Err() == nil {
		_, changed := f.sub.look()
		if f.sub.anyLive() != nil {
			return true
		}
		select {
		case <-changed:
		case <-f.conn.ctx.Done():
		}
	}
	return false
}
