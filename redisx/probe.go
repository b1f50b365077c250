package redisx

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
)

const (
	// proofAge is how old the last proof may get before an idle subsystem asks for one.
	proofAge = 2 * time.Second
	// The first and the longest wait between looks at a Redis that is away.
	firstWait, longestWait = 250 * time.Millisecond, 2 * time.Second
)

// errLeft is why a node cannot be looked at: no key belongs to it any more.
var errLeft = errors.New("redisx: the node serves nothing")

// proof is a script that does once what a subsystem needs of Redis, and so shows that it can work. The
// script takes two keys, a channel and a message.
type proof struct {
	script *redis.Script
	// names returns two keys with one hash tag, another for each number. They are nobody's.
	names func(k keys, number string) []string
	// channel returns one of nobody's that goes by a name, with the rights that the others need.
	channel func(k keys, name string) string
}

// proofNames are keys for those that need no rights for others.
func proofNames(k keys, number string) []string {
	return []string{k.of("probe:{~" + number + "}"), k.of("probes:{~" + number + "}")}
}

func proofChannel(k keys, name string) string { return k.of("bus:~" + name) }

// run runs the script. A server that became a replica says so on each connection that was opened to it,
// and go-redis closes that one only; so all that there were are tried, and the next leads to wherever
// the address leads by now.
func (p *proof) run(ctx context.Context, client redis.UniversalClient, names []string, args ...any) error {
	for tries := int(client.PoolStats().TotalConns); ; tries-- {
		err := p.script.Run(ctx, client, names, args...).Err()
		if tries <= 0 || !redis.IsReadOnlyError(err) {
			return err
		}
	}
}

// watch looks at Redis until the Conn is closed or the breaker retired: rarely while it works and nobody
// else does, and with growing waits while it is away.
func (s *subsystem) watch(b *breaker) {
	wait := firstWait
	for {
		st, changed := b.watch()
		live, rest := st.state == flow.Live, jitter(wait)
		if live {
			wait, rest = firstWait, proofAge-time.Since(b.lastProof())
		}
		if look, done := s.rest(b, rest, live, changed); done {
			return
		} else if !look {
			continue
		}
		err := s.lookAt(b, st)
		switch {
		case errors.Is(err, errLeft):
			s.left(b)
			b.restore() // what it served, others do
			return
		case err == nil && s.spread && b == s.whole:
			b.retire() // each node has its own from now on
			return
		case err != nil && !live:
			wait = min(2*wait, longestWait)
		}
	}
}

// rest waits before the next look, and reports whether it is due now. A live breaker is looked at
// when it was not proved meanwhile, or was called in doubt.
func (s *subsystem) rest(b *breaker, d time.Duration, live bool, changed <-chan struct{}) (look, done bool) {
	if d <= 0 {
		return true, s.conn.ctx.Err() != nil
	}
	var doubt <-chan struct{}
	if live {
		doubt = b.doubt
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return !live, false
	case <-doubt:
		return true, false
	case <-changed:
		return false, false
	case <-b.done:
		return false, true
	case <-s.conn.ctx.Done():
		return false, true
	}
}

// lookAt probes on behalf of the watcher. A probe that is lost while all seems well may be bad luck.
func (s *subsystem) lookAt(b *breaker, st *status) error {
	if st.state != flow.Live {
		return s.ping(s.conn.ctx, b)
	}
	err := s.probe(s.conn.ctx, b, s.channel("probe"), "")
	if err != nil && isTimeout(err) {
		err = s.probe(s.conn.ctx, b, s.channel("probe"), "")
	}
	s.judge(s.conn.ctx, b, st.term, err)
	return err
}

// ping probes whatever the state is, and sets the state by it.
func (s *subsystem) ping(ctx context.Context, b *breaker) error {
	if cluster := s.conn.cluster; cluster != nil && !b.live() {
		cluster.ReloadState(ctx) // another node may serve by now what this one did
	}
	term := b.now.Load().term
	err := s.probe(ctx, b, s.channel("probe"), "")
	if err != nil {
		s.judge(ctx, b, term, err)
		return err
	}
	if s.spread && b == s.whole {
		s.know(s.conn.masters())
	}
	b.restore()
	return nil
}

// channel returns one that is used for proofs only.
func (s *subsystem) channel(name string) string { return s.proof.channel(s.conn.key, name) }

// beat sends a message the way of all others, as a proof.
func (s *subsystem) beat(channel string, number int64) error {
	b := s.anyLive()
	if b == nil {
		return errAway
	}
	term := b.now.Load().term
	err := s.probe(s.conn.ctx, b, channel, number)
	s.judge(s.conn.ctx, b, term, err)
	return err
}

// probe asks for a proof, also while the breaker is open.
func (s *subsystem) probe(ctx context.Context, b *breaker, channel string, message any) error {
	_, err := bounded(ctx, s.conn, func(ctx context.Context, client redis.UniversalClient) (struct{}, error) {
		return struct{}{}, s.prove(ctx, client, b.node, channel, message)
	})
	if err == nil {
		b.proved()
	}
	return err
}

// prove has the node, or all that there are, show that they work.
func (s *subsystem) prove(
	ctx context.Context, client redis.UniversalClient, node, channel string, message any,
) error {
	c := s.conn
	if c.cluster == nil {
		return s.proof.run(ctx, client, s.proof.names(c.key, "0"), channel, message)
	}
	nodes := []string{node}
	if node == "" {
		masters, err := c.chart(ctx)
		if err != nil || s.spread {
			return err
		}
		nodes = masters
	}
	for _, node := range nodes {
		names := s.namesOn(node)
		if names == nil {
			return errLeft
		}
		if err := s.proof.run(ctx, client, names, channel, message); err != nil {
			return err
		}
	}
	return nil
}

// namesOn returns keys that belong to a node of a Cluster, nil when none does.
func (s *subsystem) namesOn(node string) []string {
	const tries = 10_000 // far more than there can be nodes
	for i := range tries {
		names := s.proof.names(s.conn.key, strconv.Itoa(i))
		if s.conn.nodeOf(names[0]) == node {
			return names
		}
	}
	return nil
}

// jitter keeps instances that lost Redis together from coming back together.
func jitter(d time.Duration) time.Duration {
	return d*3/4 + rand.N(d/4)
}
