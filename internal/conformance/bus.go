package conformance

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/fiberflow/flow"
)

// OpenBus returns two handles on one fresh bus.
type OpenBus func(t *testing.T) (one, other flow.Bus)

// Bus runs the suite of [flow.Bus].
func Bus(t *testing.T, open OpenBus) {
	t.Helper()
	cases := []struct {
		name string
		run  func(t *busTest)
	}{
		{"gap first", testBusGapFirst},
		{"everybody hears", testBusEverybody},
		{"order of the sender", testBusOrder},
		{"topics apart", testBusTopicsApart},
		{"payload", testBusPayload},
		{"nobody hears", testBusNobody},
		{"calls do not overlap", testBusOneAtATime},
		{"publishing from inside", testBusFromInside},
		{"stop", testBusStop},
		{"stop waits", testBusStopWaits},
		{"again after stop", testBusAgain},
		{"health", func(t *busTest) { wantServing(t, t.one.Health()) }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			one, other := open(t)
			c.run(&busTest{T: t, one: one, other: other})
		})
	}
}

// busTest is one case under way.
type busTest struct {
	*testing.T

	one, other flow.Bus
}

const topic = "topic"

func (t *busTest) publish(b flow.Bus, topic, payload string) {
	t.Helper()
	if err := b.Publish(t.Context(), topic, []byte(payload)); err != nil {
		t.Fatalf("Publish: %v", err)
	}
}

// ear is a subscription and what it heard.
type ear struct {
	subscription

	heard [][]byte // kept as they came
}

// listen subscribes, and returns when the subscription stands.
func (t *busTest) listen(b flow.Bus, topic string) *ear {
	t.Helper()
	e := new(ear)
	e.stand(t, func() func() { return b.Subscribe(topic, e.take) })
	return e
}

func (e *ear) take(d flow.Delivery) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.takeLocked(d.Gap)
	if !d.Gap {
		e.heard = append(e.heard, d.Payload)
	}
}

// hears waits until as many messages were heard, and checks that they are these, in this order.
func (e *ear) hears(payloads ...string) {
	e.t.Helper()
	var heard [][]byte
	eventually(e.t, fmt.Sprintf("%d messages are heard", len(payloads)), func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		heard = slices.Clone(e.heard)
		return len(heard) >= len(payloads)
	})
	if len(heard) != len(payloads) {
		e.t.Fatalf("heard %d messages, want %d", len(heard), len(payloads))
	}
	for i := range heard {
		if !bytes.Equal(heard[i], []byte(payloads[i])) {
			e.t.Fatalf("message %d is %.80q, want %.80q", i, heard[i], payloads[i])
		}
	}
}
