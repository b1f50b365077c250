package load_test

import (
	"testing"
	"time"

	"github.com/fiberflow/flow/internal/load"
)

// BenchmarkOutage_Memory is what an instance takes when all that is bounded is full: the rings of 100
// rooms, and the journal, in operations and in bytes. Afterwards everybody leaves. I9
func BenchmarkOutage_Memory(b *testing.B) {
	const settle = 40 * time.Second // an empty room stays open for 30
	s := newOutageSite(b)
	o := frozen()
	first := s.gather(b, load.Config{Users: 1, Rooms: 1}) // what is started at first use was started
	write(b, first, load.Pace{PerSecond: 1, For: time.Second})
	first.Close()
	for b.Loop() {
		s.stock(b, "base")
		crowd, err := load.Gather(b.Context(), load.Config{Addrs: s.addrs(), Users: outageUsers, Rooms: outageRooms})
		if err != nil {
			b.Fatal(err)
		}
		crowd.Begin()
		s.stock(b, "joined")
		// 4,800 operations of 30 kB: more than the 128 MiB of the rings. A starved machine refuses some.
		write(b, crowd, load.Pace{PerSecond: 4, For: 6 * time.Second, Bytes: 30_000})
		crowd.GiveUp()
		await(b, crowd.AwaitConfirmed)
		s.stock(b, "rings")
		o.begin(s)
		t := &trial{}
		t.fall(b, s, crowd, time.Now())
		phase := crowd.Begin()
		// 11,000 operations of 3.3 kB: more than the 10,000, which are nearly the 32 MiB.
		write(b, crowd, load.Pace{PerSecond: 11, For: 5 * time.Second, Bytes: 3_300})
		figures := s.stock(b, "journal")
		b.ReportMetric(figures["flow_journal_operations"], "journal-ops")
		b.ReportMetric(float64(phase.Refused.Load()), "refused-ops")
		reportPhase(b, "down", phase)
		o.end(s)
		crowd.GiveUp()
		t.rise(b, s, crowd, time.Now())
		await(b, crowd.AwaitConfirmed)
		s.stock(b, "back")
		crowd.Close()
		deadline := time.Now().Add(settle)
		for figures = s.figures(b); figures["flow_rooms"] > 0 && time.Now().Before(deadline); figures = s.figures(b) {
			pause(b, 250*time.Millisecond)
		}
		s.stock(b, "left")
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(usageOf(b, s.servers[0].Pid()).Peak)/(1<<20), "MB-peak")
}

// stock reports the memory and the goroutines of the instance as they are now.
func (s *outageSite) stock(b *testing.B, when string) map[string]float64 {
	b.Helper()
	figures := s.figures(b)
	b.ReportMetric(float64(usageOf(b, s.servers[0].Pid()).Resident)/(1<<20), when+"-MB")
	b.ReportMetric(figures["go_goroutines"], when+"-goroutines")
	return figures
}
