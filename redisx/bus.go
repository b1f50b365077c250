package redisx

import (
	"context"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
)

// One round trip publishes so much at most.
const (
	publishAtOnce      = 128
	publishBytesAtOnce = 256 << 10
)

// Bus implements [flow.Bus]. What is published while a round trip is under way goes together with the
// next one.
type Bus struct {
	conn  *Conn
	sub   *subsystem
	feed  *feed
	once  sync.Once
	queue chan *publication
}

// publication is one message on its way.
type publication struct {
	channel string
	payload []byte
	done    chan error // holds one
}

var _ flow.Bus = (*Bus)(nil)

// NewBus returns the bus of a connection. It needs no closing of its own.
func NewBus(c *Conn) *Bus {
	sub := newSubsystem(c, "websockets", &proof{
		script: redis.NewScript(proveBusSource), names: proofNames, channel: proofChannel,
	}, true)
	return &Bus{conn: c, sub: sub, feed: newFeed(sub), queue: make(chan *publication, publishAtOnce)}
}

// Publish implements [flow.Bus]. It returns when Redis has the message, or has not answered in time.
func (b *Bus) Publish(ctx context.Context, topic string, payload []byte) error {
	channel := b.channel(topic)
	if s := b.sub.of(channel).now.Load(); s.state != flow.Live {
		return flow.Unavailable(s.cause)
	}
	// Owned by the Conn, ends when that is closed.
	b.once.Do(func() { b.conn.background(b.publish) })
	ctx, cancel := context.WithTimeout(ctx, b.conn.config.Timeout)
	defer cancel()
	p := &publication{channel: channel, payload: payload, done: make(chan error, 1)}
	select {
	case b.queue <- p:
	case <-ctx.Done():
		return flow.Unavailable(ctx.Err())
	case <-b.conn.ctx.Done():
		return flow.Unavailable(errClosed)
	}
	select {
	case err := <-p.done:
		return err
	case <-ctx.Done():
		return flow.Unavailable(ctx.Err())
	case <-b.conn.ctx.Done():
		return flow.Unavailable(errClosed)
	}
}

// Subscribe implements [flow.Bus].
func (b *Bus) Subscribe(topic string, f func(flow.Delivery)) (stop func()) {
	return b.feed.subscribe(b.channel(topic), func(n notice) {
		if n.gap {
			f(flow.Delivery{Gap: true})
			return
		}
		f(flow.Delivery{Payload: []byte(n.payload)})
	})
}

// Health implements [flow.Bus]. It is degraded also while commands work but nothing is heard.
func (b *Bus) Health() flow.Health { return b.feed.health() }

func (b *Bus) channel(topic string) string { return b.conn.key.of("bus:" + topic) }

// publish sends what is queued, in its order, until the Conn is closed.
func (b *Bus) publish() {
	for {
		select {
		case p := <-b.queue:
			b.send(b.collect(p))
		case <-b.conn.ctx.Done():
			return
		}
	}
}

// collect adds to the first message what else waits.
func (b *Bus) collect(first *publication) []*publication {
	batch, size := []*publication{first}, len(first.payload)
	for len(batch) < publishAtOnce && size < publishBytesAtOnce {
		select {
		case p := <-b.queue:
			batch = append(batch, p)
			size += len(p.payload)
		default:
			return batch
		}
	}
	return batch
}

// send publishes a batch. In a Cluster each topic goes to one node, the one that its channel would belong
// to if it were a key: every node would take it, but only one keeps the order. A node that hangs holds
// up no other for longer than the timeout, once.
func (b *Bus) send(batch []*publication) {
	parts := map[*breaker][]*publication{}
	for _, m := range batch {
		node := b.sub.of(m.channel)
		parts[node] = append(parts[node], m)
	}
	var running sync.WaitGroup
	for _, part := range parts {
		if len(parts) == 1 {
			b.sendPart(part)
			return
		}
		running.Go(func() { b.sendPart(part) })
	}
	running.Wait()
}

// sendPart publishes what goes to one node. The Cluster's own client would repeat what got no answer, and
// a message twice is worse than none.
func (b *Bus) sendPart(part []*publication) {
	channel := part[0].channel
	_, err := call(b.conn.ctx, b.sub, channel, func(ctx context.Context, client redis.UniversalClient) (any, error) {
		if b.conn.cluster == nil {
			return nil, sendTo(ctx, client, part)
		}
		node, err := b.conn.cluster.MasterForKey(ctx, channel)
		if err != nil {
			return nil, err
		}
		return nil, sendTo(ctx, node, part)
	})
	for _, m := range part {
		m.done <- err
	}
}

func sendTo(ctx context.Context, client redis.UniversalClient, batch []*publication) error {
	return pipelined(ctx, client, func(p redis.Pipeliner) {
		for _, m := range batch {
			p.Publish(ctx, m.channel, m.payload)
		}
	})
}
