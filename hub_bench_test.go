package flow_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/fiberflow/flow"
)

// void is a transport that takes everything at once.
type void struct{}

func (void) Write([]*flow.Frame) error        { return nil }
func (void) Push([]*flow.Frame) (bool, error) { return false, nil }
func (void) Close(int)                        {}

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

func (m meter) Push(frames []*flow.Frame) (bool, error) { return false, m.Write(frames) }

// crowd opens a hub with members of one room, and returns them. The first has the transport.
func crowd(b *testing.B, first flow.Transport, members int) []*flow.Conn {
	b.Helper()
	return gather(b, benchHub(b), first, members)
}

// gather has members join one room. The first has the transport.
func gather(b *testing.B, h *flow.Hub, first flow.Transport, members int) []*flow.Conn {
	b.Helper()
	conns := make([]*flow.Conn, members)
	for i := range conns {
		c, err := h.Connect(first, flow.Client{User: &flow.User{ID: fmt.Sprint("u", i)}})
		if err != nil {
			b.Fatal(err)
		}
		first = void{}
		conns[i] = c
		c.Receive([]byte(`{"type":"join","id":"1","room":"r"}`))
	}
	b.Cleanup(func() {
		for _, c := range conns {
			c.Done()
		}
	})
	return conns
}

// benchHub opens a hub whose clients may say as much as they can, until the benchmark ends.
func benchHub(b *testing.B) *flow.Hub {
	b.Helper()
	h, err := flow.New(memory(flow.Config{
		Limits: flow.Limits{
			OpsPerSecond: 1 << 20, EventsPerSecond: 1 << 20, PresencePerSecond: 1 << 20,
			Participants: 10000, Pending: 1 << 20,
		},
		Quotas: flow.Quotas{
			SocketBytesPerSecond: 1 << 40, UserMessagesPerSecond: 1 << 30, UserBytesPerSecond: 1 << 42,
			RoomMessagesPerSecond: 1 << 30, RoomJoinsPerSecond: 1 << 30, UserJoinsPerSecond: 1 << 30,
		},
	}))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := h.Close(context.WithoutCancel(b.Context())); err != nil {
			b.Log(err)
		}
	})
	return h
}

// BenchmarkHub_Event measures the fan-out of one event to a room: encoding happens once, and the
// allocations of one event do not grow with the members.
func BenchmarkHub_Event(b *testing.B) {
	text := []byte(`{"type":"event","room":"r","name":"x","data":"` + strings.Repeat("x", 150) + `"}`)
	for _, members := range []int{1, 10, 100, 1000} {
		b.Run(strconv.Itoa(members), func(b *testing.B) {
			c := crowd(b, void{}, members)[0]
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				c.Receive(text)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*members), "ns/delivery")
		})
	}
}

// BenchmarkHub_Op measures an operation from its text to the queues of its room, log included. At most 256
// of them are on their way.
func BenchmarkHub_Op(b *testing.B) {
	tail := `,"data":"` + strings.Repeat("x", 150) + `"}`
	for _, members := range []int{10, 100, 1000} {
		b.Run(strconv.Itoa(members), func(b *testing.B) {
			m := meter{tokens: make(chan struct{}, 256)}
			c := crowd(b, m, members)[0]
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				n++
				m.tokens <- struct{}{}
				c.Receive([]byte(`{"type":"op","room":"r","n":` + strconv.Itoa(n) + tail))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*members), "ns/delivery")
		})
	}
}
