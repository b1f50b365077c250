package flow

import (
	"sync"
	"time"
)

const (
	// meterShare is which part of what a bucket gains a second may be taken without the meter.
	meterShare = 10
	// meterPause is between two calls of the meter.
	meterPause = 100 * time.Millisecond
	// meterBatch is the most payers of one call.
	meterBatch = 512
	// meterQueue is the most payers that wait; the others are told of later.
	meterQueue = 16 * meterBatch
)

// metering is who has taken so much that the other instances should know.
type metering struct {
	wake chan struct{}

	mu      sync.Mutex
	waiting []*payer
}

func newMetering() *metering { return &metering{wake: make(chan struct{}, 1)} }

// add notes a payer, which is not noted already; false when too many wait.
func (m *metering) add(p *payer) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.waiting) >= meterQueue {
		return false
	}
	m.waiting = append(m.waiting, p)
	select {
	case m.wake <- struct{}{}:
	default:
	}
	return true
}

// next returns the payers of the next call.
func (m *metering) next() (batch []*payer, more bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := min(meterBatch, len(m.waiting))
	batch = m.waiting[:n:n]
	m.waiting = m.waiting[n:]
	return batch, len(m.waiting) > 0
}

// shareSpending tells the meter what payers take here, and learns what they take elsewhere. The hub owns
// it; it ends with the hub's context.
func (h *Hub) shareSpending() {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-h.meter.wake:
		case <-h.ctx.Done():
			return
		}
		for more := true; more; {
			pause.Reset(meterPause)
			select {
			case <-pause.C:
			case <-h.ctx.Done():
				return
			}
			var batch []*payer
			batch, more = h.meter.next()
			h.exchange(batch)
		}
	}
}

// exchange is one call of the meter. While its backend is away each instance counts for itself.
func (h *Hub) exchange(batch []*payer) {
	if len(batch) == 0 {
		return
	}
	spent := make(map[string]Spending, len(batch))
	for _, p := range batch {
		spent[p.key] = p.report()
	}
	var rates [payKinds]int64
	for kind, rate := range h.rates {
		rates[kind] = int64(rate)
	}
	missing, err := h.cfg.Meter.Spend(h.ctx, spendingOf(rates), spent)
	if err != nil {
		h.log.Debug("the buckets of users cannot be shared now", "error", err)
		return
	}
	now := time.Now()
	for _, p := range batch {
		if m, ok := missing[p.key]; ok {
			p.learn(m, now)
		}
	}
}
