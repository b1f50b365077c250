package outage_test

import (
	"testing"

	"github.com/fiberflow/flow/internal/redistest"
)

// Instances that start while Redis is away serve as those do that lost it; when it comes, empty, all of
// them together have one log. I1, I2, I8, I14
func TestStart_redisLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.redis.Stop(t)
	for range 2 {
		w.add(false, nil)
	}
	w.people(2)
	stop := w.watch()
	w.every("was told", func(m *model) bool { return m.state == "degraded" })
	for _, c := range w.clients {
		c.write(writePace)
	}
	w.queued(10)
	w.redis.Restart(t)
	w.live()
	w.write(10)
	stop()
	w.finish()
	w.noLoss()
}

// The instance is gone, Redis is away, and a new instance, which knows nothing, takes over its clients
// until Redis is back: with its data, with a part of it, or with none. Then the authors are the only
// ones who know, and they bring back what they have confirmed. I1, I4, I14
func TestStart_anotherInstance(t *testing.T) {
	for _, c := range []struct {
		name  string
		loses bool
		mend  func(w *world, backup string)
	}{
		{"with its data", false, func(w *world, _ string) { w.redis.Restart(w.t) }},
		{"with an older log", true, func(w *world, backup string) { w.redis.RestartFrom(w.t, backup) }},
		{"empty", true, func(w *world, _ string) { w.redis.RestartEmpty(w.t) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, redistest.AppendOnly())
			first := w.add(false, nil)
			w.people(3)
			w.write(10)
			backup := w.redis.Backup(t)
			w.write(10)
			w.redis.Kill(t)
			w.every("was told", func(m *model) bool { return m.state == "degraded" })
			w.add(false, nil)
			w.remove(first)
			first.stop() // its clients keep what it had queued
			w.every("has joined elsewhere", func(m *model) bool { return m.joined && m.bye == "" })
			newcomer := w.open("new", 0)
			w.clients = append(w.clients, newcomer)
			newcomer.write(writePace)
			w.queued(5)
			c.mend(w, backup)
			w.live()
			w.write(10)
			w.ledger.forked = c.loses
			w.finish()
			if !c.loses {
				w.noRewind()
				w.noLoss()
			}
		})
	}
}
