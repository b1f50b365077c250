//go:build linux

package scale_test

import (
	"testing"
	"time"

	"github.com/fiberflow/flow/internal/load"
	"github.com/fiberflow/flow/internal/redistest"
)

// BenchmarkInstance is what an instance spends on 1,000 users in 200 rooms: to keep idle sockets alive, with
// the heartbeat that it has by default and with one a second; to show lone moves of cursors; and to place
// and deliver operations. The idle rounds take ten seconds, the others four.
func BenchmarkInstance(b *testing.B) {
	program, err := load.Build(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.Run("idle/heartbeat=25s", func(b *testing.B) { idle(b, program, 25*time.Second) })
	b.Run("idle/heartbeat=1s", func(b *testing.B) { idle(b, program, time.Second) })
	b.Run("presence", func(b *testing.B) { busy(b, program, (*load.User).Move) })
	b.Run("operations", func(b *testing.B) { busy(b, program, (*load.User).Operate) })
	b.Run("return/memory", func(b *testing.B) { comeBack(b, program) })
	b.Run("return/redis", func(b *testing.B) {
		server := redistest.Start(b)
		m := newMeter(b, server)
		comeBack(b, program, "USE_REDIS_COLLABORATION=true", "USE_REDIS_WEBSOCKETS=true",
			"USE_REDIS_EVENT_ORDERING=true", "REDIS_URL=redis://"+server.Addr(), "REDIS_TIMEOUT=5s")
		m.report(2*returning, "join") // they came twice
	})
}

const (
	benchRooms = 200
	benchUsers = 5 * benchRooms
	returning  = 10_000
)

func fleet(b *testing.B, program string, environment ...string) (*load.Server, *load.Fleet) {
	b.Helper()
	return fleetOf(b, program, benchUsers, environment...)
}

// fleetOf starts an instance, and has users join it, five in a room.
func fleetOf(b *testing.B, program string, users int, environment ...string) (*load.Server, *load.Fleet) {
	b.Helper()
	server := load.Start(b, program, append([]string{"GOMAXPROCS=1"}, environment...)...)
	f, err := load.NewFleet(load.FleetConfig{
		Addrs: []string{server.Addr()}, Users: users, Rooms: users / 5, AtOnce: 1000,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(f.Close)
	if err := f.Join(f.Users()); err != nil {
		b.Fatal(err)
	}
	if err := f.Settle(); err != nil {
		b.Fatal(err)
	}
	return server, f
}

// run plays for a time, and returns the CPU seconds of the server.
func run(b *testing.B, server *load.Server, f *load.Fleet, d time.Duration, perSecond float64, do func(i int)) float64 {
	b.Helper()
	before, err := load.UsageOf(server.Pid())
	if err != nil {
		b.Fatal(err)
	}
	if err := f.Run(d, perSecond, &load.Histogram{}, do); err != nil {
		b.Fatal(err)
	}
	after, err := load.UsageOf(server.Pid())
	if err != nil {
		b.Fatal(err)
	}
	return (after.CPU - before.CPU).Seconds()
}

func idle(b *testing.B, program string, heartbeat time.Duration) {
	b.Helper()
	const lasting = 10 * time.Second
	server, f := fleet(b, program, "COLLAB_HEARTBEAT="+heartbeat.String())
	cpu := run(b, server, f, lasting, 1, func(int) {})
	b.ReportMetric(cpu/lasting.Seconds()/benchUsers*1e6, "cpu-us/socket-second")
}

func busy(b *testing.B, program string, say func(*load.User)) {
	b.Helper()
	const lasting, perSecond = 4 * time.Second, 2000
	server, f := fleet(b, program)
	heard := 0
	f.Heard = func(*load.User, int, time.Duration) { heard++ }
	users := f.Users()
	cpu := run(b, server, f, lasting, perSecond, func(i int) { say(users[i%benchUsers]) })
	b.ReportMetric(cpu/float64(heard)*1e6, "cpu-us/delivery")
	b.ReportMetric(float64(heard)/lasting.Seconds(), "deliveries/s")
}

func comeBack(b *testing.B, program string, environment ...string) {
	b.Helper()
	server, f := fleetOf(b, program, returning, environment...)
	for _, u := range f.Users() {
		u.Drop()
	}
	before, err := load.UsageOf(server.Pid())
	if err != nil {
		b.Fatal(err)
	}
	start := f.Look()
	if err := f.Join(f.Users()); err != nil {
		b.Fatal(err)
	}
	took := f.Look() - start
	after, err := load.UsageOf(server.Pid())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64((after.CPU-before.CPU).Microseconds())/returning, "cpu-us/return")
	b.ReportMetric(took.Seconds(), "s-until-all-are-back")
}
