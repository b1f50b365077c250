package flow // internal: the buckets are not exported

import (
	"testing"
	"time"
)

// epoch is a moment from which tests count on.
func epoch() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

// drain takes all that a bucket has.
func drain(b *bucket, now time.Time, rate int) (count int) {
	for b.take(now, rate) == 0 {
		count++
	}
	return count
}

func TestBucket_Take(t *testing.T) {
	// A full bucket lets a burst of twice the rate through, and not one more.
	t.Run("burst", func(t *testing.T) {
		for _, rate := range []int{1, 3, 50, 100_000} {
			var b bucket
			for i := range 2 * rate {
				if wait := b.take(epoch(), rate); wait != 0 {
					t.Fatalf("rate %d: message %d has to wait %v", rate, i+1, wait)
				}
			}
			if wait := b.take(epoch(), rate); wait <= 0 {
				t.Errorf("rate %d: one more than the burst was let through", rate)
			}
		}
	})

	// In the long run the rate holds, whatever the pattern: burst + rate × time, and not more.
	t.Run("long run", func(t *testing.T) {
		for _, step := range []time.Duration{time.Millisecond, 7 * time.Millisecond, 333 * time.Millisecond} {
			const rate, seconds = 50, 60
			var b bucket
			taken := 0
			for now := epoch(); now.Before(epoch().Add(seconds * time.Second)); now = now.Add(step) {
				taken += drain(&b, now, rate)
			}
			if most := rate*seconds + 2*rate; taken > most || taken < most-rate {
				t.Errorf("every %v: %d were let through, want about %d", step, taken, most)
			}
		}
	})

	// Refusals cost nothing: who keeps on knocking gets as much as who waits.
	t.Run("refusals are free", func(t *testing.T) {
		var b bucket
		now := epoch()
		for range 1000 {
			b.take(now, 10)
		}
		if wait := b.take(now.Add(100*time.Millisecond), 10); wait != 0 {
			t.Errorf("after the time of one message the wait is %v", wait)
		}
	})

	// A bucket left alone fills up to its burst and not beyond.
	t.Run("refill", func(t *testing.T) {
		var b bucket
		drain(&b, epoch(), 5)
		if count := drain(&b, epoch().Add(time.Hour), 5); count != 10 {
			t.Errorf("%d were let through after an hour, want 10", count)
		}
	})
}

// Who waits as long as told gets through; who comes a little early does not.
// A bucket that many share is asked by goroutines that read the clock before others and come after them.
// Nobody pays for that: the room's bucket refused everybody for as long as one goroutine had been late.
func TestBucket_TakeLate(t *testing.T) {
	const rate = 10
	var b bucket
	b.take(epoch().Add(5*time.Second), rate)
	if wait := b.take(epoch(), rate); wait != 0 {
		t.Errorf("who is five seconds late has to wait %v", wait)
	}
	if left := drain(&b, epoch().Add(5*time.Second), rate); left != 2*rate-2 {
		t.Errorf("%d are left of a burst of %d, of which 2 were taken", left, 2*rate)
	}
}

func TestBucket_TakeWait(t *testing.T) {
	for _, rate := range []int{1, 3, 7, 50, 60, 100, 997} {
		var b bucket
		now := epoch()
		drain(&b, now, rate)
		for i := range 20 {
			wait := b.take(now, rate)
			most := time.Second/time.Duration(rate) + time.Millisecond
			if wait <= 0 || wait > most || wait%time.Millisecond != 0 {
				t.Fatalf("rate %d: wait is %v", rate, wait)
			}
			early := b
			if again := early.take(now.Add(wait/2), rate); wait > 2*time.Millisecond && again == 0 {
				t.Fatalf("rate %d: message %d was let through after half of %v", rate, i, wait)
			}
			now = now.Add(wait)
			if again := b.take(now, rate); again != 0 {
				t.Fatalf("rate %d: message %d was told to wait %v, and then %v more", rate, i, wait, again)
			}
		}
	}
}

// A bucket that is forgotten because it is idle is one that is full anyway.
func TestBucket_Idle(t *testing.T) {
	var b bucket
	now := epoch()
	drain(&b, now, 5)
	if b.idle(now) || b.idle(now.Add(time.Second)) {
		t.Error("a bucket that misses tokens is idle")
	}
	later := now.Add(6 * time.Second)
	if !b.idle(later) {
		t.Fatal("a full bucket is not idle")
	}
	if count := drain(&b, later, 5); count != 10 {
		t.Errorf("an idle bucket had %d tokens, want 10", count)
	}
}

func TestExcess_Refused(t *testing.T) {
	// Ten seconds of refusals are too much, 9.9 are not.
	t.Run("ten seconds", func(t *testing.T) {
		var e excess
		for at := time.Duration(0); at < 10*time.Second; at += 100 * time.Millisecond {
			if e.refused(epoch().Add(at)) {
				t.Fatalf("too much after %v", at)
			}
		}
		if !e.refused(epoch().Add(10 * time.Second)) {
			t.Error("ten seconds were not too much")
		}
	})

	// More than a second without a refusal starts the count anew.
	t.Run("pause", func(t *testing.T) {
		var e excess
		now := epoch()
		for range 5 {
			for range 18 { // nine seconds
				now = now.Add(500 * time.Millisecond)
				if e.refused(now) {
					t.Fatalf("too much at %v", now.Sub(epoch()))
				}
			}
			now = now.Add(1100 * time.Millisecond)
		}
	})

	// A flood in one moment is no excess of ten seconds.
	t.Run("moment", func(t *testing.T) {
		var e excess
		for range 100_000 {
			if e.refused(epoch()) {
				t.Fatal("too much in no time")
			}
		}
	})
}

// A supply gives what it holds, gains it again over its time and no faster, and is full after that, whatever the
// clock does.
func TestSupply_Take(t *testing.T) {
	var s supply
	now := epoch()
	takeAll := func() (count int) {
		for s.take(now, 10, time.Hour) {
			count++
		}
		return count
	}
	if n := takeAll(); n != 10 {
		t.Errorf("a full one gave %d", n)
	}
	now = now.Add(-time.Minute)
	if n := takeAll(); n != 0 || s.full(now, 10, time.Hour) {
		t.Errorf("with the clock set back it gave %d", n)
	}
	now = now.Add(31 * time.Minute)
	if n := takeAll(); n != 5 {
		t.Errorf("half an hour later it gave %d", n)
	}
	if now = now.Add(59 * time.Minute); s.full(now, 10, time.Hour) {
		t.Error("it is full too early")
	}
	if now = now.Add(2 * time.Minute); !s.full(now, 10, time.Hour) {
		t.Error("it is not full after its time")
	}
}
