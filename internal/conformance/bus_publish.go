package conformance

import (
	"fmt"
	"strings"
	"sync"

	"github.com/fiberflow/flow"
)

// Every subscriber of a topic on every instance hears a message, once, the publishing instance too.
func testBusEverybody(t *busTest) {
	ears := []*ear{t.listen(t.one, topic), t.listen(t.one, topic), t.listen(t.other, topic)}
	t.publish(t.one, topic, "from one")
	for _, e := range ears {
		e.hears("from one")
	}
	t.publish(t.other, topic, "from the other")
	for _, e := range ears {
		e.hears("from one", "from the other")
	}
}

// Messages of one sender are heard in their order, those of several whatever they do to each other.
func testBusOrder(t *busTest) {
	const senders, each = 4, 250
	here, there := t.listen(t.one, topic), t.listen(t.other, topic)
	var sending sync.WaitGroup
	for sender := range senders {
		sending.Go(func() {
			for i := range each {
				bus := []flow.Bus{t.one, t.other}[sender%2]
				if err := bus.Publish(t.Context(), topic, fmt.Appendf(nil, "%d %d", sender, i)); err != nil {
					t.Errorf("Publish: %v", err)
				}
			}
		})
	}
	sending.Wait()
	for _, e := range []*ear{here, there} {
		eventually(t, "everything is heard", func() bool {
			e.mu.Lock()
			defer e.mu.Unlock()
			return len(e.heard) >= senders*each
		})
		var next [senders]int
		for _, payload := range e.heard {
			var sender, i int
			if _, err := fmt.Sscanf(string(payload), "%d %d", &sender, &i); err != nil || i != next[sender] {
				t.Fatalf("heard %q, want %d of this sender (%v)", payload, next[sender], err)
			}
			next[sender]++
		}
	}
}

// A subscriber hears nothing of other topics (I6), however alike their names.
func testBusTopicsApart(t *busTest) {
	topics := []string{
		"t", "T", "t:1", "t:1:2", "t*", "t?", "[t]", "{t}", "t t", "ü", "t\n", strings.Repeat("t", 200),
	}
	ears := make([]*ear, len(topics))
	for i, name := range topics {
		ears[i] = t.listen([]flow.Bus{t.one, t.other}[i%2], name)
	}
	for _, name := range topics {
		t.publish(t.one, name, "for "+name)
	}
	for i, name := range topics {
		ears[i].hears("for " + name)
	}
}

// A payload is opaque, may be large or empty, and stays as it is when the subscriber keeps it.
func testBusPayload(t *busTest) {
	e := t.listen(t.other, topic)
	payloads := []string{"{}", "\x00\xff\r\n", "$5\r\nhello\r\n", "", strings.Repeat("x", 256<<10)}
	for range 2 {
		for _, p := range payloads {
			t.publish(t.one, topic, p)
		}
	}
	e.hears(append(payloads, payloads...)...)
}

// A message that nobody hears is no error, and is not kept for anybody.
func testBusNobody(t *busTest) {
	t.publish(t.one, topic, "early")
	e := t.listen(t.one, topic)
	t.publish(t.one, topic, "in time")
	e.hears("in time")
}
