package flow

import "context"

// Bus carries messages between instances: at most once, in the order of their sender as long as nothing
// is lost. It is the subsystem "websockets". All methods are safe for concurrent use.
type Bus interface {
	// Publish sends payload to every subscriber of the topic on every instance, the publishing one
	// included. [CodeUnavailable] when the backend is away; the message is then lost. The payload
	// must not be changed afterwards. A topic has 1 to 200 bytes.
	Publish(ctx context.Context, topic string, payload []byte) error

	// Subscribe calls f for every message on the topic until stop is called. It returns at once; the
	// first call of f tells that the subscription stands (Gap), and so does one after every
	// interruption. f must not block and must not change the payload, which it may keep. One
	// subscription's calls do not overlap. After stop returns, f is not called again; stop must not be
	// called from f.
	Subscribe(topic string, f func(Delivery)) (stop func())

	// Health reports whether the backend serves. It does not block and does no I/O.
	Health() Health
}

// LocalBus is a [Bus] inside one process, which knows who listens. The hub tells nobody what only it would
// hear.
type LocalBus interface {
	Bus

	// Listeners returns how many subscriptions to a topic stand.
	Listeners(topic string) int
}

// Delivery is one message of a bus, or the news that messages may have been lost.
type Delivery struct {
	Payload []byte
	Gap     bool // no payload: messages before this moment may not have been heard
}
