package conformance

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/fiberflow/flow"
)

// The first call tells with a gap, and without a payload, that the subscription stands.
func testBusGapFirst(t *busTest) {
	first := make(chan flow.Delivery, 16)
	stop := t.one.Subscribe(topic, func(d flow.Delivery) { first <- d })
	defer stop()
	d := await(t, "the subscriber is called", first)
	if !d.Gap || len(d.Payload) != 0 {
		t.Errorf("the first delivery is %+v, want a gap", d)
	}
}

// One subscription's calls do not overlap, whoever publishes.
func testBusOneAtATime(t *busTest) {
	var inside atomic.Int32
	stop := t.one.Subscribe(topic, func(flow.Delivery) {
		if inside.Add(1) > 1 {
			t.Errorf("called while a call is under way")
		}
		runtime.Gosched()
		inside.Add(-1)
	})
	defer stop()
	witness := t.listen(t.one, topic)
	var sending sync.WaitGroup
	for i := range 4 {
		sending.Go(func() {
			for range 100 {
				if err := []flow.Bus{t.one, t.other}[i%2].Publish(t.Context(), topic, []byte("x")); err != nil {
					t.Errorf("Publish: %v", err)
				}
			}
		})
	}
	sending.Wait()
	witness.hears(slices.Repeat([]string{"x"}, 400)...)
}

// A subscriber may publish from inside the call, though it should not: nothing deadlocks.
func testBusFromInside(t *busTest) {
	e := t.listen(t.one, "echo")
	stop := t.one.Subscribe(topic, func(d flow.Delivery) {
		if !d.Gap {
			return
		}
		if err := t.one.Publish(t.Context(), "echo", []byte("from inside")); err != nil {
			t.Errorf("Publish from inside: %v", err)
		}
	})
	defer stop()
	e.hears("from inside")
}

// After stop has returned, the subscriber is not called again, even with messages under way.
func testBusStop(t *busTest) {
	witness := t.listen(t.one, topic)
	var sent []string
	for round := range 20 {
		var stopped, late atomic.Bool
		stop := t.one.Subscribe(topic, func(flow.Delivery) {
			if stopped.Load() {
				late.Store(true)
			}
		})
		var sending sync.WaitGroup
		sending.Go(func() {
			for range 10 {
				if err := t.other.Publish(t.Context(), topic, []byte("x")); err != nil {
					t.Errorf("Publish: %v", err)
				}
			}
		})
		stop()
		stopped.Store(true)
		sending.Wait()
		t.publish(t.one, topic, fmt.Sprint("round ", round))
		sent = append(sent, slices.Repeat([]string{"x"}, 10)...)
		sent = append(sent, fmt.Sprint("round ", round))
		witness.hears(sent...)
		want(t, "called after stop", late.Load(), false)
	}
}

// Stop waits for a call that is under way.
func testBusStopWaits(t *busTest) {
	wantStopWaits(t, func(f func()) func() {
		return t.one.Subscribe(topic, func(flow.Delivery) { f() })
	})
}

// A topic that was left can be subscribed to again, and one subscription of several goes alone.
func testBusAgain(t *busTest) {
	stays := t.listen(t.one, topic)
	var sent []string
	for i := range 5 {
		e := t.listen(t.one, topic)
		text := fmt.Sprint("round ", i)
		t.publish(t.other, topic, text)
		sent = append(sent, text)
		e.hears(text)
		stays.hears(sent...)
		e.stop()
	}
	stays.stop()
	e := t.listen(t.one, topic)
	t.publish(t.other, topic, "again")
	e.hears("again")
}
