package scale_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/redistest"
	"github.com/fiberflow/flow/memx"
	"github.com/fiberflow/flow/redisx"
)

// counting is a store that tells when so many sessions were written or deleted.
type counting struct {
	flow.SessionStore

	left atomic.Int64
	done chan struct{}
}

func (c *counting) count(err error) error {
	if err == nil && c.left.Add(-1) == 0 {
		c.done <- struct{}{}
	}
	return err
}

func (c *counting) Put(ctx context.Context, s flow.Session) error {
	return c.count(c.SessionStore.Put(ctx, s))
}

func (c *counting) Delete(ctx context.Context, id string) error {
	return c.count(c.SessionStore.Delete(ctx, id))
}

// BenchmarkRedis_Keep is what it takes to note in Redis that 2,000 sessions of 200 rooms end at the same moment:
// all who leave, and all whose instance stops.
func BenchmarkRedis_Keep(b *testing.B) {
	const members = 2000
	server := redistest.Start(b)
	for name, end := range map[string]func(h *flow.Hub, conns []*flow.Conn){
		"leave": func(_ *flow.Hub, conns []*flow.Conn) {
			for i, c := range conns {
				c.Receive(fmt.Appendf(nil, `{"type":"leave","id":"2","room":"r%d"}`, i/10))
			}
		},
		"stop": func(h *flow.Hub, conns []*flow.Conn) {
			stopped := make(chan error)
			go func() { stopped <- h.Close(context.WithoutCancel(b.Context())) }() // ends below
			for _, c := range conns {
				c.Done()
			}
			if err := <-stopped; err != nil {
				b.Error(err)
			}
		},
	} {
		b.Run(name, func(b *testing.B) {
			store := &counting{
				SessionStore: redisx.NewSessionStore(connect(b, redisx.Single, server)), done: make(chan struct{}, 1),
			}
			var cpu time.Duration
			var redis float64
			for b.Loop() {
				b.StopTimer()
				h := openHub(b, store)
				store.left.Store(members)
				conns := gather(b, h, members)
				<-store.done
				store.left.Store(members)
				m, before := newMeter(b, server), processCPU(b)
				b.StartTimer()
				end(h, conns)
				<-store.done
				b.StopTimer()
				cpu += processCPU(b) - before
				now, _ := m.look()
				redis += now - m.cpu
				for _, c := range conns {
					c.Done()
				}
				_ = h.Close(context.WithoutCancel(b.Context())) // once more does nothing
				b.StartTimer()
			}
			b.ReportMetric(float64(cpu.Microseconds())/float64(b.N*members), "cpu-us/session")
			b.ReportMetric(redis*1e6/float64(b.N*members), "redis-us/session")
		})
	}
}

// openHub opens a hub that keeps nothing but sessions outside.
func openHub(b *testing.B, store flow.SessionStore) *flow.Hub {
	b.Helper()
	log := memx.NewLog(memx.LogConfig{})
	h, err := flow.New(flow.Config{
		Log: log, Leases: log, Cursors: log, Bus: memx.NewBus(), Sessions: store, Logger: slog.New(slog.DiscardHandler),
		Quotas: flow.Quotas{RoomJoinsPerSecond: 1 << 30},
	})
	if err != nil {
		b.Fatal(err)
	}
	return h
}

// mute is a transport that takes everything at once.
type mute struct{}

func (mute) Write([]*flow.Frame) error { return nil }
func (mute) Close(int)                 {}

// gather has members join rooms of ten.
func gather(b *testing.B, h *flow.Hub, members int) []*flow.Conn {
	b.Helper()
	conns := make([]*flow.Conn, members)
	each(b, members, func(worker, i int) error {
		n := i*workers + worker
		c, err := h.Connect(mute{}, flow.Client{User: &flow.User{ID: fmt.Sprint("u", n)}})
		if err != nil {
			return err
		}
		conns[n] = c
		c.Receive(fmt.Appendf(nil, `{"type":"join","id":"1","room":"r%d"}`, n/10))
		return nil
	})
	return conns
}

// processCPU is what this process has used.
func processCPU(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
