package outage_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/fiberflow/flow/internal/redistest"
)

// An instance is killed while Redis is away, with all that was queued there. The authors have it too:
// they go to another instance and send it again. Of one who is gone as well nothing is promised. I1, I14
func TestInstanceKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.AppendOnly())
	doomed := w.attach(startProcess(t, environment(w.redis.Addr(), nil)))
	w.add(false, nil)
	w.people(3)
	w.write(10)
	w.redis.Kill(t)
	w.queued(30)
	w.roam()
	lost := w.clients[2]
	lost.do(func(m *model) { w.gone[m.session] = true })
	lost.close()
	w.clients = append(w.clients[:2], w.clients[3:]...)
	w.remove(doomed)
	doomed.kill()
	w.every("has joined elsewhere", func(m *model) bool { return m.joined })
	w.queued(30)
	w.redis.Restart(t)
	w.live()
	w.write(10)
	w.ledger.shadows = w.gone
	w.finish()
	w.noRewind()
	w.noLoss()
}

// An instance is killed while Redis works: nothing queued, nothing lost, nobody notices more than a
// reconnect. I1, I4
func TestInstanceKilled_redisWorks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	doomed := w.attach(startProcess(t, environment(w.redis.Addr(), nil)))
	w.add(false, nil)
	w.people(2)
	w.roam()
	w.write(20)
	w.remove(doomed)
	doomed.kill()
	w.every("has joined elsewhere", func(m *model) bool { return m.joined })
	w.write(10)
	w.finish()
	w.noRewind()
	w.noLoss()
}

// A journal that is full refuses more, with a word when to try again, and nothing that it took is lost.
// I1, I9, I14
func TestJournalFull(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.AppendOnly())
	w.add(false, nil)
	w.ledger.deadline[answerOp] = 3 * time.Second // a crowd that comes all at once
	w.people(1)
	w.write(5)
	w.redis.Kill(t)
	w.every("was told", func(m *model) bool { return m.state == "degraded" })
	for i := range 14 { // of 150 operations each; 2,000 fit
		c := w.open(fmt.Sprintf("crowd%d", i), 0)
		w.clients = append(w.clients, c)
		c.write(tickEvery)
	}
	w.eventually("the journal is full", func() bool { return w.ledger.nacked("queue_full") > 0 })
	for _, c := range w.clients {
		c.write(0)
	}
	w.redis.Restart(t)
	w.live()
	w.finish()
	w.noRewind()
	w.noLoss()
}
