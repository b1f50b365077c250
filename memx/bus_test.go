package memx_test

import (
	"testing"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/conformance"
	"github.com/fiberflow/flow/memx"
)

// The bus in memory keeps the contract of flow.Bus.
func TestBus(t *testing.T) {
	conformance.Bus(t, func(t *testing.T) (one, other flow.Bus) {
		t.Helper()
		b := memx.NewBus()
		return b, b
	})
}

// A subscriber that does not keep up holds nobody up; what it cannot have any more, it is told as a gap
// before what it still gets (I9).
func TestBus_SubscribeSlow(t *testing.T) {
	const mebibyte = 1 << 20
	cases := map[string]struct {
		count, size int
		kept        int // of the messages, the last
		gap         bool
	}{
		"all waits":       {count: 8192, size: 1, kept: 8192},
		"one too many":    {count: 8193, size: 1, kept: 1, gap: true},
		"full of bytes":   {count: 4, size: mebibyte, kept: 4},
		"too many bytes":  {count: 5, size: mebibyte, kept: 1, gap: true},
		"one of any size": {count: 1, size: 5 * mebibyte, kept: 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			bus := memx.NewBus()
			entered, leave, heard := make(chan struct{}), make(chan struct{}), make(chan flow.Delivery, 10_000)
			first := true
			stop := bus.Subscribe("topic", func(d flow.Delivery) {
				if first {
					first = false
					close(entered)
					<-leave
					return
				}
				heard <- d
			})
			defer stop()
			<-entered
			for range c.count {
				if err := bus.Publish(t.Context(), "topic", make([]byte, c.size)); err != nil {
					t.Fatal(err)
				}
			}
			close(leave)
			if c.gap {
				if d := <-heard; !d.Gap || d.Payload != nil {
					t.Errorf("heard %d bytes, gap %v; want a gap", len(d.Payload), d.Gap)
				}
			}
			for range c.kept {
				if d := <-heard; d.Gap || len(d.Payload) != c.size {
					t.Errorf("heard %d bytes, gap %v; want %d bytes", len(d.Payload), d.Gap, c.size)
				}
			}
			stop()
			if len(heard) != 0 {
				t.Errorf("%d more were heard", len(heard))
			}
		})
	}
}
