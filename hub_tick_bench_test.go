//go:build unix

package flow_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/fiberflow/flow"
)

// BenchmarkHub_Idle measures what rooms cost in which nothing happens: an iteration is a second of the hub.
func BenchmarkHub_Idle(b *testing.B) {
	for _, rooms := range []int{100, 1000, 10_000} {
		b.Run("rooms="+strconv.Itoa(rooms), func(b *testing.B) { benchmarkIdle(b, rooms) })
	}
}

func benchmarkIdle(b *testing.B, rooms int) {
	b.Helper()
	h := benchHub(b)
	for i := range rooms {
		c, err := h.Connect(void{}, flow.Client{User: &flow.User{ID: "u" + strconv.Itoa(i)}})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(c.Done)
		c.Receive([]byte(`{"type":"join","id":"1","room":"r` + strconv.Itoa(i) + `"}`))
	}
	second := time.NewTicker(time.Second)
	defer second.Stop()
	<-second.C // what joining has left behind is over
	b.ReportAllocs()
	before := processCPU(b)
	for b.Loop() {
		<-second.C
	}
	used := processCPU(b) - before
	b.ReportMetric(float64(used.Microseconds())/float64(b.N), "cpu-us/s")
	b.ReportMetric(float64(used.Nanoseconds())/float64(b.N*rooms), "cpu-ns/room")
}
