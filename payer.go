package flow

import (
	"sync"
	"time"
)

// The buckets of a payer, in the order of [Spending].
const (
	payMessages = iota
	payBytes
	payJoins
	payRequests
	payKinds
)

// payer is whose allowance sockets and requests use up: a user's, or that of the anonymous users at one
// address.
type payer struct {
	hub     *Hub
	key     string // as the meter knows it; "" for one that no other socket shares
	sockets int    // the hub's lock

	mu       sync.Mutex // guards what follows; no other lock is taken while it is held
	buckets  [payKinds]bucket
	untold   [payKinds]int64 // taken, and not told to the meter yet
	reported bool            // it waits for the meter
	lasting  supply          // of sessions that outlive their sockets
}

// lastingSessions returns how many sessions that outlive their sockets a user may begin within their TTL: a
// thousand, or as many as it may have sockets, if that is more.
func (h *Hub) lastingSessions() int { return max(1000, h.cfg.Quotas.UserSockets) }

// newPayerRates returns what each bucket gains a second.
func newPayerRates(q Quotas) [payKinds]int {
	return [payKinds]int{
		payMessages: q.UserMessagesPerSecond, payBytes: q.UserBytesPerSecond,
		payJoins: q.UserJoinsPerSecond, payRequests: q.UserRequestsPerSecond,
	}
}

// take takes n from a bucket, and returns how long to wait when there is not so much. Nobody, nil, pays nothing.
func (p *payer) take(kind, n int, now time.Time) (wait time.Duration) {
	if p == nil {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	rate := p.hub.rates[kind]
	if wait := p.buckets[kind].takeMany(now, rate, n); wait > 0 {
		return wait
	}
	if p.key == "" || p.hub.cfg.Meter == nil {
		return 0
	}
	p.untold[kind] += int64(n)
	if !p.reported && p.untold[kind] >= max(1, int64(rate/meterShare)) {
		p.reported = p.hub.meter.add(p)
	}
	return 0
}

// takeSession reports whether a session that begins may outlive its socket.
func (p *payer) takeSession(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lasting.take(now, p.hub.lastingSessions(), p.hub.cfg.SessionTTL)
}

// report returns what is to be told to the meter, and counts it as told.
func (p *payer) report() Spending {
	p.mu.Lock()
	defer p.mu.Unlock()
	told := p.untold
	p.untold, p.reported = [payKinds]int64{}, false
	return spendingOf(told)
}

// learn takes over what all instances together have taken, beside what they have not been told.
func (p *payer) learn(missing Spending, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for kind, n := range missing.kinds() {
		p.buckets[kind] = bucket{spent: float64(n + p.untold[kind]), last: now}
	}
}

// idle reports whether nothing is lost by forgetting the payer. The hub's lock is held.
func (p *payer) idle(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sockets > 0 || p.reported {
		return false
	}
	if !p.lasting.full(now, p.hub.lastingSessions(), p.hub.cfg.SessionTTL) {
		return false
	}
	for i := range p.buckets {
		if !p.buckets[i].idle(now) {
			return false
		}
	}
	return true
}

// kinds returns the four numbers in the order of a payer's buckets.
func (s Spending) kinds() [payKinds]int64 {
	return [payKinds]int64{payMessages: s.Messages, payBytes: s.Bytes, payJoins: s.Joins, payRequests: s.Requests}
}

func spendingOf(kinds [payKinds]int64) Spending {
	return Spending{
		Messages: kinds[payMessages], Bytes: kinds[payBytes], Joins: kinds[payJoins], Requests: kinds[payRequests],
	}
}
