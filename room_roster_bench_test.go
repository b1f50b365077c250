package flow_test

import (
	"strconv"
	"testing"
)

// BenchmarkHub_Gather measures how a crowd gathers in a room: each who comes gets the list of all who are there.
func BenchmarkHub_Gather(b *testing.B) {
	for _, members := range []int{10, 100, 1000} {
		b.Run(strconv.Itoa(members), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				h := benchHub(b)
				b.StartTimer()
				gather(b, h, void{}, members)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*members), "ns/join")
		})
	}
}
