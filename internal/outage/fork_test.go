package outage_test

import (
	"testing"
	"time"

	"github.com/fiberflow/flow/internal/redistest"
)

// Redis loses its tail, and a new instance, which cannot know of that, goes on writing where the log
// ends now, while the one that knows is cut off. When it is back, the two histories become one: what the
// log lacks comes after what it has, and only those who have seen the lost history are rewound. I1, I2
func TestFork(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.AppendOnly())
	w.add(true, nil)
	w.people(2)
	w.write(10)
	size := w.redis.AppendOnlySize(t)
	w.write(10)
	w.proxies[0].Inject(redistest.Faults{Refuse: true})
	w.proxies[0].Cut()
	w.every("was told", func(m *model) bool { return m.state == "degraded" })
	w.redis.Kill(t)
	w.redis.CutAppendOnly(t, size)
	w.redis.Restart(t)
	w.queued(5)
	w.add(false, nil)
	var others []*client
	for _, name := range []string{"b1", "b2"} {
		others = append(others, w.open(name, 1))
	}
	w.clients = append(w.clients, others...)
	for _, c := range others {
		c.write(writePace)
	}
	w.eventually("the others have written", func() bool {
		return others[0].is(func(m *model) bool { return m.confirmedUpTo() >= 10 })
	})
	w.proxies[0].Lift()
	w.live()
	w.write(10)
	w.ledger.forked = true
	w.finish()
	if w.ledger.rewinds != 2 || w.ledger.resets > 0 {
		t.Errorf("I2: %d rewinds, %d resets, want 2 and none", w.ledger.rewinds, w.ledger.resets)
	}
	w.noLoss()
}

// A log that nobody writes to is looked at as well: it is whole again before anybody needs it, and
// nobody has noticed. I1, I2
func TestIdle(t *testing.T) {
	for name, keys := range map[string][]string{
		"all keys lost":   {headKey, opsKey},
		"head lost":       {headKey},
		"operations lost": {opsKey},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			for range 2 {
				w.add(false, nil)
			}
			w.people(1)
			w.write(10)
			for _, c := range w.clients {
				c.write(0)
			}
			w.every("has nothing pending", func(m *model) bool { return len(m.pending) == 0 })
			c := w.client()
			entries := c.XLen(t.Context(), opsKey).Val()
			w.must(c.Del(t.Context(), keys...).Err())
			started := time.Now()
			w.eventually("the log is whole again", func() bool {
				return c.XLen(t.Context(), opsKey).Val() == entries && c.Exists(t.Context(), headKey).Val() == 1
			})
			t.Logf("whole again after %v", time.Since(started))
			w.write(5)
			w.finish()
			w.noRewind()
			w.noLoss()
		})
	}
}
