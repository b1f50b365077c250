package memx

import (
	"slices"
	"time"

	"github.com/fiberflow/flow"
)

// keys are the answers to a room's keyed batches.
type keys struct {
	entries map[string]keyed
	// queue has the keys in the order of their end, which is the order of their use.
	queue []keyEnd
	bytes int64
}

type keyed struct {
	content flow.Digest
	answers []flow.Appended
}

type keyEnd struct {
	key  string
	ends time.Duration
}

func (k *keys) put(key string, v keyed, ends time.Duration) {
	if k.entries == nil {
		k.entries = make(map[string]keyed)
	}
	k.entries[key] = v
	k.queue = append(k.queue, keyEnd{key: key, ends: ends})
	k.bytes += receiptOf(key, len(v.answers))
}

func receiptOf(key string, answers int) int64 {
	return receiptSize + int64(len(key)) + answerSize*int64(answers)
}

// ends returns when the next key expires, 0 when there is none.
func (k *keys) ends() time.Duration {
	if len(k.queue) == 0 {
		return 0
	}
	return k.queue[0].ends
}

func (k *keys) expire(now time.Duration) {
	n := 0
	for n < len(k.queue) && k.queue[n].ends <= now {
		key := k.queue[n].key
		k.bytes -= receiptOf(key, len(k.entries[key].answers))
		delete(k.entries, key)
		k.queue[n] = keyEnd{}
		n++
	}
	k.queue = k.queue[n:]
	if len(k.queue) == 0 {
		*k = keys{}
	}
}

// answer returns what the first batch with the key was answered, if this one has the same content.
func (v keyed) answer(content flow.Digest) ([]flow.Appended, error) {
	if v.content != content {
		return nil, flow.Errorf(flow.CodeRejected, "the idempotency key was used with other content")
	}
	return slices.Clone(v.answers), nil
}
