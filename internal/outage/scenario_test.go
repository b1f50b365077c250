package outage_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fiberflow/flow/internal/redistest"
)

// scenario is one way in which Redis fails, and what must be seen of it.
type scenario struct {
	name      string
	instances int // default 1
	clients   int // on each instance; default 2
	proxied   bool
	server    []redistest.Option
	env       map[string]string

	// breaks does it, and returns what mends it; nil when it mends itself.
	breaks func(w *world) (mend func())
	// during runs while Redis is broken, after the checks that hold for all scenarios.
	during func(w *world)
	// after runs when Redis works again.
	after func(w *world)
	// passing is a fault during which operations are confirmed, whether anybody takes note of it or not.
	passing bool
	// some of the instances have nothing to complain about.
	partial bool
}

// run plays the scenario: everybody writes, Redis breaks, everybody is served, Redis works, and the
// ledger is right.
func (s scenario) run(t *testing.T) {
	t.Parallel()
	w := newWorld(t, s.server...)
	for range max(1, s.instances) {
		w.add(s.proxied, s.env)
	}
	if s.clients == 0 {
		s.clients = 2
	}
	w.people(s.clients)
	w.write(5)
	stop := w.watch()
	mend := s.breaks(w)
	if s.passing {
		w.write(5)
	} else {
		w.outage(s)
	}
	if s.during != nil {
		s.during(w)
	}
	if mend != nil {
		mend()
	}
	w.live()
	w.write(10)
	if s.after != nil {
		s.after(w)
	}
	stop()
	w.every("was told that all is well", func(m *model) bool { return m.state == "live" })
	w.finish()
	w.noRewind()
	w.noLoss()
}

// outage checks that everybody is told and served while Redis is away: those who were there, somebody
// who comes back, and somebody who comes for the first time. I8, I14
func (w *world) outage(s scenario) {
	w.t.Helper()
	if !s.partial {
		w.every("was told", func(m *model) bool { return m.state == "degraded" })
	}
	// Before that a log that is slow makes operations wait, in every mode.
	told := w.ledger.read(&w.ledger.queued)
	reject, hold := s.env["COLLAB_OUTAGE"] == "reject", s.env["COLLAB_OUTAGE"] == "hold"
	unserved := func() bool { return w.ledger.read(&w.ledger.queued) < 5*len(w.clients) }
	if reject {
		unserved = func() bool { return w.ledger.nacked("unavailable") < 5*len(w.clients) }
	}
	w.eventually("operations are answered", func() bool { return !unserved() })
	back := w.clients[0]
	back.do(func(*model) { back.hangUp() })
	newcomer := w.open("new", 0)
	w.clients = append(w.clients, newcomer)
	w.every("has joined", func(m *model) bool { return m.joined })
	newcomer.write(writePace)
	before := w.ledger.read(&w.ledger.queued)
	if !reject {
		w.eventually("operations of the newcomer are answered", func() bool {
			return newcomer.is(func(m *model) bool { return len(m.pending) > 3 && m.pending[2].queued })
		})
		w.leaver()
	}
	switch shown := w.ledger.read(&w.ledger.shown); {
	case !reject && !hold && shown == 0:
		w.t.Error("nobody was shown a tentative operation")
	case (reject || hold) && shown > 0:
		w.t.Errorf("%d tentative operations were shown", shown)
	case reject && before > told:
		w.t.Errorf("%d answers were queued", before-told)
	}
}

// leaver writes something during the outage and goes for good: what was queued stays. I14
func (w *world) leaver() {
	w.t.Helper()
	leaver := w.open("gone", 0)
	leaver.write(writePace)
	w.eventually("operations of one who leaves are queued", func() bool {
		return leaver.is(func(m *model) bool { return len(m.pending) > 3 && m.pending[2].queued })
	})
	leaver.close()
}

// watch asks all instances for their health all the time, until stop is called. I8
func (w *world) watch() (stop func()) {
	end := make(chan struct{})
	var asking sync.WaitGroup
	asking.Go(func() { // ends with stop
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-end:
				return
			}
			for _, i := range w.all() {
				asked := time.Now()
				_, err := w.ready(i)
				if err != nil && i.kill == nil && w.t.Context().Err() == nil {
					w.ledger.breach("I8", "%v", err)
				}
				w.ledger.answered(answerREST, time.Since(asked), i.base)
			}
		}
	})
	stop = sync.OnceFunc(func() {
		close(end)
		asking.Wait()
	})
	w.t.Cleanup(stop)
	return stop
}

// nacked returns how many operations were refused with the code.
func (l *ledger) nacked(code string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.nacks[code]
}

// TestOutage breaks Redis in all the ways that one server offers.
func TestOutage(t *testing.T) {
	for _, s := range slices.Concat(processFaults(), refusals(), networkFaults()) {
		t.Run(strings.ReplaceAll(s.name, " ", "_"), s.run)
	}
}
