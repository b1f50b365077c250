package flow_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/fiberflow/flow"
)

// void is a transport that takes everything at once.
type void struct{}

func (void) Write([]*flow.Frame) error { return nil }
func (void) Close(int)                 {}

// meter is a transport that gives a token back for each operation that it is handed.
type meter struct {
	void
	tokens chan struct{}
}

func (m meter) Write(frames []*flow.Frame) error {
	for _, f := range frames {
		if f.Type == "op" {
			<-m.tokens
		}
	}
	return nil
}

// crowd opens a hub with members of one room, and returns the first of them, which has the transport.
func crowd(b *testing.B, first flow.Transport, members int) *flow.Conn {
	b.Helper()
	h, err := flow.New(memory(flow.Config{Limits: flow.Limits{
		OpsPerSecond: 1 << 30, EventsPerSecond: 1 << 30, PresencePerSecond: 1 << 30,
		Participants: 10000, Pending: 1 << 20,
	}}))
	if err != nil {
		b.Fatal(err)
	}
	conns := make([]*flow.Conn, members)
	for i := range conns {
		conns[i], err = h.Connect(first, flow.Client{User: &flow.User{ID: fmt.Sprint("u", i)}})
		if err != nil {
			b.Fatal(err)
		}
		first = void{}
		conns[i].Receive([]byte(`{"type":"join","id":"1","room":"r"}`))
	}
	b.Cleanup(func() {
		for _, c := range conns {
			c.Done()
		}
		if err := h.Close(b.Context()); err != nil {
			b.Log(err)
		}
	})
	return conns[0]
}

// BenchmarkHub_Event measures the fan-out of one event to a room: encoding happens once, and the
// allocations of one event do not grow with the members.
func BenchmarkHub_Event(b *testing.B) {
	text := []byte(`{"type":"event","room":"r","name":"x","data":"` + strings.Repeat("x", 150) + `"}`)
	for _, members := range []int{1, 10, 100, 1000} {
		b.Run(strconv.Itoa(members), func(b *testing.B) {
			c := crowd(b, void{}, members)
			b.ReportAllocs()
			for b.Loop() {
				c.Receive(text)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*members), "ns/delivery")
		})
	}
}

// BenchmarkHub_Op measures an operation from its text to the queues of a room of ten, log included. At
// most 256 of them are on their way.
func BenchmarkHub_Op(b *testing.B) {
	m := meter{tokens: make(chan struct{}, 256)}
	c := crowd(b, m, 10)
	tail := `,"data":"` + strings.Repeat("x", 150) + `"}`
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n++
		m.tokens <- struct{}{}
		c.Receive([]byte(`{"type":"op","room":"r","n":` + strconv.Itoa(n) + tail))
	}
}
