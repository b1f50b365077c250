package flow

import "time"

// bucket is a token bucket with a burst of twice its rate. Its zero value is full. It is not safe for
// concurrent use.
type bucket struct {
	spent float64 // tokens missing from a full bucket
	last  time.Time
}

// take takes one token of a bucket that gains rate tokens a second, and returns how long to wait when
// there is none: whole milliseconds, as clients are told, and never too few.
func (b *bucket) take(now time.Time, rate int) (wait time.Duration) { return b.takeMany(now, rate, 1) }

// takeMany takes n tokens, or none. What is more than a bucket can hold is given when it is full, and
// waited for afterwards.
func (b *bucket) takeMany(now time.Time, rate, n int) (wait time.Duration) {
	if now.Before(b.last) { // another goroutine looked at the clock later and was here first
		now = b.last
	}
	if !b.last.IsZero() {
		b.spent = max(0, b.spent-now.Sub(b.last).Seconds()*float64(rate))
	}
	b.last = now
	if over := b.spent + float64(n) - float64(2*rate); over > 0 && b.spent > 0 {
		return time.Duration(over/float64(rate)*float64(time.Second)).Truncate(time.Millisecond) + time.Millisecond
	}
	b.spent += float64(n)
	return 0
}

// idle reports whether the bucket has been left alone long enough to be full again, also when a meter has
// said that twice of what it holds is missing.
func (b *bucket) idle(now time.Time) bool { return now.Sub(b.last) > 5*time.Second }

// supply is a bucket for what is kept for long: it holds so many, and is full again after a time. Its zero
// value is full. It is not safe for concurrent use.
type supply struct {
	spent float64
	last  time.Time
}

// take takes one of a supply that holds most and is full again after refill; false when there is none.
func (s *supply) take(now time.Time, most int, refill time.Duration) bool {
	s.gain(now, most, refill)
	if s.spent+1 > float64(most) {
		return false
	}
	s.spent++
	return true
}

// full reports whether nothing is missing.
func (s *supply) full(now time.Time, most int, refill time.Duration) bool {
	s.gain(now, most, refill)
	return s.spent == 0
}

func (s *supply) gain(now time.Time, most int, refill time.Duration) {
	if passed := now.Sub(s.last); passed > 0 {
		s.spent = max(0, s.spent-float64(most)*passed.Seconds()/refill.Seconds())
		s.last = now
	}
}

// excess watches for a client that stays over its limits: ten seconds of it end the socket.
type excess struct {
	since time.Time // the first refusal of the current stretch
	last  time.Time
}

// refused notes a refusal and reports whether the client has gone on for too long. A second without a
// refusal ends a stretch.
func (e *excess) refused(now time.Time) bool {
	if now.Sub(e.last) > time.Second {
		e.since = now
	}
	e.last = now
	return now.Sub(e.since) >= 10*time.Second
}
