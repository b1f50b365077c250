package redisx_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/redisx"
)

// The subsystems, as log lines name them.
const (
	collaboration = "collaboration"
	websockets    = "websockets"
	ordering      = "ordering"
)

// instance is one connection with all three backends, in use: somebody follows a room and a topic, and
// everything is called for again and again.
type instance struct {
	*testing.T

	sessions *redisx.SessionStore
	bus      *redisx.Bus
	log      *redisx.Log
	lines    journal
	room     *reader
	n        uint64 // of the next operation
}

func newInstance(t *testing.T, c redisx.Config) *instance {
	t.Helper()
	i := &instance{T: t, n: 1}
	c.Logger = i.lines.logger()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the instance said:\n%s", &i.lines)
		}
	})
	conn := open(t, c)
	i.sessions, i.bus, i.log = redisx.NewSessionStore(conn), redisx.NewBus(conn), redisx.NewLog(conn)
	i.room = follow(t, i.log, "room")
	standing := make(chan struct{})
	once := sync.OnceFunc(func() { close(standing) })
	t.Cleanup(i.bus.Subscribe("topic", func(flow.Delivery) { once() }))
	<-standing
	if errs := i.use(); errs[collaboration] != nil || errs[websockets] != nil || errs[ordering] != nil {
		t.Fatalf("before the fault: %v", errs)
	}
	return i
}

// use calls for each of the subsystems once.
func (i *instance) use() map[string]error {
	put, publish := i.put(), i.publish()
	return map[string]error{collaboration: put, websockets: publish, ordering: i.append()}
}

// useAtOnce is use with all calls at the same time: one that hangs holds up no other.
func (i *instance) useAtOnce() map[string]error {
	var put, publish error
	var calls sync.WaitGroup
	calls.Go(func() { put = i.put() })
	calls.Go(func() { publish = i.publish() })
	appended := i.append()
	calls.Wait()
	return map[string]error{collaboration: put, websockets: publish, ordering: appended}
}

func (i *instance) put() error { return i.sessions.Put(i.Context(), session("s", "room", "user")) }

func (i *instance) publish() error { return i.bus.Publish(i.Context(), "topic", []byte("x")) }

// append appends the next operation.
func (i *instance) append() error {
	answers, err := i.log.Append(i.Context(), "room", flow.Batch{Operations: []flow.Operation{op("a", i.n)}})
	if err != nil {
		return err
	}
	if answers[0].Status == flow.Gap {
		i.Errorf("operation %d is a gap after %d: one was confirmed and is lost", i.n, answers[0].Last)
	}
	i.n = answers[0].Last + 1
	return nil
}

func (i *instance) health() map[string]flow.Health {
	return map[string]flow.Health{
		collaboration: i.sessions.Health(), websockets: i.bus.Health(), ordering: i.log.Health("room"),
	}
}

// wantAway uses everything until exactly these subsystems are degraded, which is told once, with the
// class.
func (i *instance) wantAway(class string, names ...string) {
	i.Helper()
	away := map[string]bool{}
	for _, name := range names {
		away[name] = true
	}
	eventually(i, fmt.Sprint("degraded: ", names), func() bool {
		for name, err := range i.useAtOnce() {
			if err != nil && flow.ErrorCode(err) != flow.CodeUnavailable {
				i.Fatalf("%s answers %v, want it unavailable", name, err)
			}
			if err != nil && !away[name] {
				i.Fatalf("%s: %v, though only %v are away", name, err, names)
			}
		}
		for name := range away {
			if h := i.health()[name]; h.State != flow.Degraded || h.Reason == "" {
				return false
			}
		}
		return true
	})
	for name, h := range i.health() {
		words := []string{"redis is away", "subsystem=" + name, `class="` + class + `"`}
		if class != "in doubt" {
			words[2] = "class=" + class
		}
		if class == "configuration" {
			words = []string{"level=ERROR", "redis refuses us", "subsystem=" + name}
		}
		want := 0
		if away[name] {
			want = 1
		}
		if n := i.lines.count(words...); n != want || (h.State == flow.Degraded) != away[name] {
			i.Errorf("%s is %+v, told %d times with %s, want %d:\n%s", name, h, n, class, want, &i.lines)
		}
	}
}

// staysAway looks for longer than the watcher needs for some probes, which must not take it for mended.
func (i *instance) staysAway(name string) {
	i.Helper()
	end := time.After(2 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if h := i.health()[name]; h.State != flow.Degraded {
				i.Fatalf("%s is %+v, want it degraded:\n%s", name, h, &i.lines)
			}
		case <-end:
			return
		}
	}
}

// wantBack uses everything until it works, and checks that every change was told once.
func (i *instance) wantBack(names ...string) {
	i.Helper()
	eventually(i, "everything works", func() bool {
		for _, err := range i.use() {
			if err != nil {
				return false
			}
		}
		for _, h := range i.health() {
			if h.State != flow.Live {
				return false
			}
		}
		return true
	})
	if n := i.lines.count("redis is back"); n != len(names) {
		i.Errorf("%d lines that it is back, want %d:\n%s", n, len(names), &i.lines)
	}
	for _, name := range names {
		if n := i.lines.count("redis is back", "subsystem="+name); n != 1 {
			i.Errorf("%d lines that %s is back, want 1:\n%s", n, name, &i.lines)
		}
	}
}
