package redisx

import (
	"slices"
	"sync"
)

// topics is who subscribes to what, and what of that the server has been told.
type topics struct {
	mu    sync.Mutex
	all   map[string]*topic
	dirty map[string]struct{} // channels to look at: theirs subscribers came or went
}

// topic is one channel with subscribers.
type topic struct {
	// subscribers is never changed, only replaced.
	subscribers []*subscriber
	asked       bool // SUBSCRIBE was sent on the connection of now
	stands      bool // and confirmed
}

func (t *topics) init() {
	t.all, t.dirty = make(map[string]*topic), make(map[string]struct{})
}

func (t *topics) add(channel string, s *subscriber) {
	t.mu.Lock()
	defer t.mu.Unlock()
	found := t.all[channel]
	if found == nil {
		found = &topic{}
		t.all[channel] = found
	}
	found.subscribers = append(slices.Clip(found.subscribers), s)
	t.dirty[channel] = struct{}{}
}

// remove leaves a topic without subscribers in place: the server still sends until it is told.
func (t *topics) remove(channel string, s *subscriber) {
	t.mu.Lock()
	defer t.mu.Unlock()
	found := t.all[channel]
	if found == nil {
		return
	}
	rest := make([]*subscriber, 0, len(found.subscribers))
	for _, other := range found.subscribers {
		if other != s {
			rest = append(rest, other)
		}
	}
	found.subscribers = rest
	t.dirty[channel] = struct{}{}
}

// subscribers returns who gets the messages of a channel.
func (t *topics) subscribers(channel string) []*subscriber {
	t.mu.Lock()
	defer t.mu.Unlock()
	if found := t.all[channel]; found != nil {
		return found.subscribers
	}
	return nil
}

// confirmed notes that the server sends the channel from now on, and returns who has to know.
func (t *topics) confirmed(channel string) []*subscriber {
	t.mu.Lock()
	defer t.mu.Unlock()
	found := t.all[channel]
	if found == nil {
		return nil
	}
	found.stands = true
	return found.subscribers
}

// changes returns what the server has to be told since the last call, and who has joined a channel
// that it sends already.
func (t *topics) changes() (subscribe, unsubscribe []string, joined []*subscriber) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for channel := range t.dirty {
		switch found := t.all[channel]; {
		case found == nil:
		case len(found.subscribers) == 0:
			delete(t.all, channel)
			if found.asked {
				unsubscribe = append(unsubscribe, channel)
			}
		case !found.asked:
			found.asked = true
			subscribe = append(subscribe, channel)
		case found.stands:
			joined = append(joined, found.subscribers...)
		}
	}
	clear(t.dirty)
	return subscribe, unsubscribe, joined
}

// disconnected forgets what the server was told: the next connection begins with nothing.
func (t *topics) disconnected() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for channel, found := range t.all {
		found.asked, found.stands = false, false
		t.dirty[channel] = struct{}{}
	}
}
