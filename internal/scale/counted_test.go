package scale_test

import (
	"context"
	"strings"
	"sync/atomic"

	"github.com/fiberflow/flow"
)

// counts is what one instance says to the backends that it shares with others, and hears from them.
type counts struct {
	operations, batches, fed       atomic.Int64 // appended; told by the feeds of rooms
	published, heard               atomic.Int64 // on topics of rooms
	controlPublished, controlHeard atomic.Int64 // on the topic of all instances
	frames                         atomic.Int64 // of presence, to clients
	stored, asked                  atomic.Int64 // sessions
}

func (c *counts) reset() {
	for _, n := range []*atomic.Int64{
		&c.operations, &c.batches, &c.fed, &c.published, &c.heard, &c.controlPublished, &c.controlHeard,
		&c.frames, &c.stored, &c.asked,
	} {
		n.Store(0)
	}
}

// countedBus is an instance's way to the bus. It does not say who listens, as Redis does not.
type countedBus struct {
	flow.Bus

	counts *counts
}

func ofRoom(topic string) bool { return strings.HasPrefix(topic, "room.") }

func (b countedBus) Publish(ctx context.Context, topic string, payload []byte) error {
	if ofRoom(topic) {
		b.counts.published.Add(1)
	} else {
		b.counts.controlPublished.Add(1)
	}
	return b.Bus.Publish(ctx, topic, payload)
}

func (b countedBus) Subscribe(topic string, f func(flow.Delivery)) (stop func()) {
	return b.Bus.Subscribe(topic, func(d flow.Delivery) {
		switch {
		case d.Gap:
		case ofRoom(topic):
			b.counts.heard.Add(1)
		default:
			b.counts.controlHeard.Add(1)
		}
		f(d)
	})
}

// countedLog is an instance's way to the log.
type countedLog struct {
	flow.Log

	counts *counts
}

func (l countedLog) Append(ctx context.Context, room string, b flow.Batch) ([]flow.Appended, error) {
	l.counts.batches.Add(1)
	l.counts.operations.Add(int64(len(b.Operations)))
	return l.Log.Append(ctx, room, b)
}

func (l countedLog) Follow(room string, f func(flow.Feed)) (stop func()) {
	return l.Log.Follow(room, func(feed flow.Feed) {
		l.counts.fed.Add(int64(len(feed.Operations)))
		f(feed)
	})
}

// countedSessions is an instance's way to the sessions.
type countedSessions struct {
	flow.SessionStore

	counts *counts
}

func (s countedSessions) Put(ctx context.Context, session flow.Session) error {
	s.counts.stored.Add(1)
	return s.SessionStore.Put(ctx, session)
}

func (s countedSessions) Get(ctx context.Context, id string) (flow.Session, error) {
	s.counts.asked.Add(1)
	return s.SessionStore.Get(ctx, id)
}

// countedSocket takes what a client is sent.
type countedSocket struct {
	counts *counts
	token  atomic.Value // a string, the newest resume token
}

func (s *countedSocket) Write(frames []*flow.Frame) error {
	for _, f := range frames {
		switch f.Type {
		case "presence":
			s.counts.frames.Add(1)
		case "joined":
			_, rest, _ := strings.Cut(string(f.JSON), `"resume":"`)
			token, _, _ := strings.Cut(rest, `"`)
			s.token.Store(token)
		}
	}
	return nil
}

func (s *countedSocket) Close(int) {}
