//go:build unix

package flow_test

import (
	"bytes"
	"fmt"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/fiberflow/flow"
)

// onlooker is a transport that tells when it was shown a position.
type onlooker struct {
	void

	shown chan int
}

func (o onlooker) Write(frames []*flow.Frame) error {
	for _, f := range frames {
		if f.Type != "presence" {
			continue
		}
		for _, part := range bytes.Split(f.JSON, []byte(`"x":`))[1:] {
			digits, _, _ := bytes.Cut(part, []byte{'}'})
			if x, err := strconv.Atoi(string(digits)); err == nil {
				o.shown <- x
			}
		}
	}
	return nil
}

// BenchmarkHub_Presence measures what it costs to show positions to a room: in each iteration some members
// move, and it ends when the first member has seen all of them. What counts is the CPU time, because
// most of the rest is the window in which moves are collected.
func BenchmarkHub_Presence(b *testing.B) {
	for _, c := range []struct{ members, movers int }{{1, 1}, {10, 10}, {100, 100}, {1000, 100}} {
		b.Run(fmt.Sprintf("members=%d/movers=%d", c.members, c.movers), func(b *testing.B) {
			o := onlooker{shown: make(chan int, c.movers)}
			conns := crowd(b, o, c.members)
			x := 0
			b.ReportAllocs()
			before := processCPU(b)
			for b.Loop() {
				x++
				for _, conn := range conns[:c.movers] {
					conn.Receive(fmt.Appendf(nil, `{"type":"presence","room":"r","data":{"cursor":{"x":%d}}}`, x))
				}
				for range c.movers {
					if got := <-o.shown; got != x {
						b.Fatalf("position %d was shown, want %d", got, x)
					}
				}
			}
			cpu := processCPU(b) - before
			b.ReportMetric(float64(cpu.Nanoseconds())/float64(b.N*c.movers*c.members), "cpu-ns/shown")
			b.ReportMetric(float64(cpu.Nanoseconds())/float64(b.N*c.movers), "cpu-ns/move")
		})
	}
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
