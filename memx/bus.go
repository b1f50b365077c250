package memx

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/fiberflow/flow"
)

// What one subscription may have waiting; more than that is dropped and told as a gap.
const (
	maxWaiting      = 8192
	maxWaitingBytes = 4 << 20
)

// Bus implements [flow.Bus]. A subscriber that does not keep up loses messages, and is told so: 8,192
// messages or 4 MiB wait for it.
type Bus struct {
	start time.Time

	mu sync.RWMutex
	// topics has the subscribers of each topic that has any. The slices are never changed, only
	// replaced.
	topics map[string][]*subscriber
}

var _ flow.LocalBus = (*Bus)(nil)

// NewBus returns a bus without subscribers.
func NewBus() *Bus {
	return &Bus{start: time.Now(), topics: make(map[string][]*subscriber)}
}

// Publish implements [flow.Bus].
func (b *Bus) Publish(_ context.Context, topic string, payload []byte) error {
	b.mu.RLock()
	subscribers := b.topics[topic]
	b.mu.RUnlock()
	for _, s := range subscribers {
		s.put(payload)
	}
	return nil
}

// Listeners implements [flow.LocalBus].
func (b *Bus) Listeners(topic string) int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return len(b.topics[topic])
}

// Subscribe implements [flow.Bus].
func (b *Bus) Subscribe(topic string, f func(flow.Delivery)) (stop func()) {
	s := &subscriber{gap: true}
	s.deliver = func() { s.deliverTo(f) }
	b.mu.Lock()
	b.topics[topic] = append(slices.Clip(b.topics[topic]), s)
	b.mu.Unlock()
	s.wake()
	return sync.OnceFunc(func() {
		b.remove(topic, s)
		s.stop()
	})
}

// Health implements [flow.Bus].
func (b *Bus) Health() flow.Health { return health(b.start) }

func (b *Bus) remove(topic string, s *subscriber) {
	b.mu.Lock()
	defer b.mu.Unlock()
	rest := make([]*subscriber, 0, len(b.topics[topic]))
	for _, o := range b.topics[topic] {
		if o != s {
			rest = append(rest, o)
		}
	}
	if len(rest) == 0 {
		delete(b.topics, topic)
		return
	}
	b.topics[topic] = rest
}

// subscriber is one subscription to a topic.
type subscriber struct {
	pump

	mu           sync.Mutex
	gap          bool // a gap is to be told, before what waits
	waiting      [][]byte
	waitingBytes int
}

func (s *subscriber) put(payload []byte) {
	s.mu.Lock()
	full := len(s.waiting) == maxWaiting || s.waitingBytes+len(payload) > maxWaitingBytes
	if full && len(s.waiting) > 0 {
		s.gap, s.waiting, s.waitingBytes = true, nil, 0
	}
	s.waiting = append(s.waiting, payload)
	s.waitingBytes += len(payload)
	s.mu.Unlock()
	s.wake()
}

func (s *subscriber) deliverTo(f func(flow.Delivery)) {
	gap, payloads := s.take()
	if gap && !s.stopped() {
		f(flow.Delivery{Gap: true})
	}
	for _, p := range payloads {
		if s.stopped() {
			return
		}
		f(flow.Delivery{Payload: p})
	}
}

func (s *subscriber) take() (gap bool, payloads [][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	gap, payloads = s.gap, s.waiting
	s.gap, s.waiting, s.waitingBytes = false, nil, 0
	return gap, payloads
}
