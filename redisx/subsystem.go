package redisx

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/fiberflow/flow"
)

// subsystem is what one backend knows about Redis, and looks after for itself: what is refused to one
// says nothing about the others. In a Cluster the log and the bus, of which each room or topic is on one
// node, have a state for each node; sessions are spread over all nodes, so there is one for them.
type subsystem struct {
	conn  *Conn
	name  string // for logs; "" for the connection itself
	proof *proof
	// whole is the breaker for all of Redis; where there is one for each node, for the time before the
	// nodes are known.
	whole  *breaker
	spread bool // there is a breaker for each node

	mu      sync.Mutex
	nodes   map[string]*breaker // by address
	changed chan struct{}       // closed at the next change of any breaker
	returns uint64              // how often one came back
}

// newSubsystem returns a subsystem that is watched until the Conn is closed. It begins with what the Conn
// knows.
func newSubsystem(c *Conn, name string, p *proof, spread bool) *subsystem {
	s := &subsystem{
		conn: c, name: name, proof: p, spread: spread && c.cluster != nil,
		nodes: map[string]*breaker{}, changed: make(chan struct{}),
	}
	s.whole = newBreaker(s.logger(c.Addr()), "", s.moved)
	s.whole.pipe = &pipe{conn: c, breaker: s.whole}
	if c.adopt(s) {
		s.whole.inherit(c.base.whole)
	}
	if masters := c.masters(); s.spread && len(masters) > 0 {
		s.whole.retire()
		s.know(masters)
		return s
	}
	// Ends when the Conn is closed, or the nodes of a Cluster are known.
	c.background(func() { s.watch(s.whole) })
	return s
}

// logger names what its lines are about.
func (s *subsystem) logger(address string) *slog.Logger {
	logger := s.conn.config.Logger
	if s.name != "" {
		logger = logger.With("subsystem", s.name)
	}
	return logger.With("addr", address)
}

// of returns the breaker for a key.
func (s *subsystem) of(key string) *breaker {
	if !s.spread {
		return s.whole
	}
	address := s.conn.nodeOf(key)
	if address == "" {
		return s.whole
	}
	return s.node(address)
}

// know has the nodes of a Cluster looked at, also those that nobody asks for anything.
func (s *subsystem) know(addresses []string) {
	for _, address := range addresses {
		s.node(address)
	}
}

// node returns the breaker of a node.
func (s *subsystem) node(address string) *breaker {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.nodes[address]
	if b == nil {
		b = newBreaker(s.logger(address), address, s.moved)
		b.pipe = &pipe{conn: s.conn, breaker: b}
		b.proof.Store(s.whole.proof.Load()) // so that it is told when it goes away
		s.nodes[address] = b
		// Ends when the Conn is closed, or the node has left the Cluster.
		s.conn.background(func() { s.watch(b) })
	}
	return b
}

// left forgets a node that serves nothing any more.
func (s *subsystem) left(b *breaker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.nodes, b.node)
}

// moved is told of every change of a breaker, with the breaker's lock held.
func (s *subsystem) moved(back bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if back {
		s.returns++
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

// all returns the breakers that count.
func (s *subsystem) all() []*breaker {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.nodes) == 0 {
		return []*breaker{s.whole}
	}
	list := make([]*breaker, 0, len(s.nodes))
	for _, b := range s.nodes {
		list = append(list, b)
	}
	return list
}

// anyLive returns a breaker that is live, nil when none is.
func (s *subsystem) anyLive() *breaker {
	for _, b := range s.all() {
		if b.live() {
			return b
		}
	}
	return nil
}

// look returns how often a breaker came back, and a channel that closes when any changes.
func (s *subsystem) look() (returns uint64, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.returns, s.changed
}

// suspect has Redis looked at now: something that depends on it has failed.
func (s *subsystem) suspect() {
	for _, b := range s.all() {
		b.suspect()
	}
}

// close makes everything unavailable for good.
func (s *subsystem) close() {
	for _, b := range append(s.all(), s.whole) {
		b.close()
	}
}

// health is the worst of all breakers.
func (s *subsystem) health() flow.Health {
	var all []flow.Health
	for _, b := range s.all() {
		all = append(all, s.healthOf(b))
	}
	return worst(all)
}

func (s *subsystem) healthOf(b *breaker) flow.Health {
	st := b.now.Load()
	address := b.node
	if address == "" {
		address = s.conn.Addr()
	}
	return flow.Health{
		Backend: "redis", State: st.state, Since: st.since, LastProof: b.lastProof(),
		Address: address, Reason: st.reason,
	}
}

// worst returns the first that is not live; if there is none, the one that was proved last, live since the
// last of them is.
func worst(all []flow.Health) flow.Health {
	found, live, since := all[0], 0, all[0].Since
	for _, h := range all {
		if h.Since.After(since) {
			since = h.Since
		}
		better := found.State == flow.Live && (h.State != flow.Live || h.LastProof.After(found.LastProof))
		if better {
			found = h
		}
		if h.State == flow.Live {
			live++
		}
	}
	if found.State == flow.Live {
		found.Since = since
	}
	found.Partial = found.Partial || (found.State != flow.Live && live > 0)
	return found
}

// judge draws the conclusions from the outcome of a call that began in the given term. A caller that
// gave up has proved nothing.
func (s *subsystem) judge(ctx context.Context, b *breaker, term uint64, err error) {
	kind, reason := s.conn.classOf(err)
	switch {
	case errors.Is(err, errLeft):
		b.suspect() // its watcher finds out, and forgets it
	case !kind.opens():
		b.proved()
	case !givenUp(ctx):
		b.trip(term, kind, reason, err)
	}
}

// givenUp reports whether the caller does not wait any more. A deadline reaches the socket a moment
// before it reaches ctx.
func givenUp(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || (ok && !time.Now().Before(deadline))
}
