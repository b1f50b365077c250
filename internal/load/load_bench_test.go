package load_test

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow/internal/load"
	"github.com/fiberflow/flow/internal/redistest"
)

// The crowd of the figures to reach.
const (
	users     = 1000
	rooms     = 200
	perSecond = 5
	lasting   = 8 * time.Second
)

// BenchmarkLoad_Memory is 1,000 users in 200 rooms, each of whom writes five operations a second, on
// one instance with everything in memory.
func BenchmarkLoad_Memory(b *testing.B) {
	operate(b, newSite(b, 1, nil))
}

// BenchmarkLoad_Redis is the same with all three subsystems on Redis: on one instance, and with the
// members of each room on two.
func BenchmarkLoad_Redis(b *testing.B) {
	for _, instances := range []int{1, 2} {
		b.Run(fmt.Sprint("instances=", instances), func(b *testing.B) {
			operate(b, newSite(b, instances, redistest.Start(b)))
		})
	}
}

// operate gathers the crowd and reports how its operations arrive, and what they cost.
func operate(b *testing.B, s *site) {
	b.Helper()
	crowd := s.gather(b, load.Config{Users: users, Rooms: rooms})
	if _, err := crowd.Operate(b.Context(), load.Pace{PerSecond: perSecond, For: time.Second}); err != nil {
		b.Fatal(err) // this one warms up
	}
	var age, lag load.Histogram
	var sent, received int64
	var took time.Duration
	before := s.look(b)
	for b.Loop() {
		report, err := crowd.Operate(b.Context(), load.Pace{PerSecond: perSecond, For: lasting})
		if err != nil {
			b.Fatal(err)
		}
		age.Merge(report.Age)
		lag.Merge(report.Lag)
		sent += report.Sent
		received += report.Received
		took += report.Took
	}
	cost := s.look(b).since(before)
	reportAges(b, &age, &lag)
	b.ReportMetric(float64(received)/took.Seconds(), "deliveries/s")
	b.ReportMetric(cost.encoded/cost.operations/float64(len(s.servers)), "encoded/op") // on each instance
	cost.report(b, received, took)
	if s.redis != nil {
		b.ReportMetric(cost.commands/float64(sent), "redis-commands/op")
	}
}

// BenchmarkLoad_Cursors is one room of 100 who all move their cursors 20 times a second.
func BenchmarkLoad_Cursors(b *testing.B) {
	s := newSite(b, 1, nil)
	crowd := s.gather(b, load.Config{Users: 100, Rooms: 1})
	var age, lag load.Histogram
	var received, expected int64
	var took time.Duration
	before := s.look(b)
	for b.Loop() {
		report, err := crowd.Move(b.Context(), load.Pace{PerSecond: 20, For: lasting})
		if err != nil {
			b.Fatal(err)
		}
		age.Merge(report.Age)
		lag.Merge(report.Lag)
		received += report.Received
		expected += report.Expected
		took += report.Took
	}
	cost := s.look(b).since(before)
	reportAges(b, &age, &lag)
	b.ReportMetric(100*float64(received)/float64(expected), "%shown")
	b.ReportMetric(float64(received)/took.Seconds(), "positions/s")
	b.ReportMetric(cost.delivered/took.Seconds(), "frames/s")
	cost.report(b, int64(cost.delivered), took)
}

// BenchmarkLoad_Return is 500 users of 50 rooms who lose their connections, miss 20 operations each,
// and come back all at once.
func BenchmarkLoad_Return(b *testing.B) {
	s := newSite(b, 1, nil)
	crowd := s.gather(b, load.Config{Users: 550, Rooms: 50})
	var each load.Histogram
	var took time.Duration
	var returns int
	before := s.look(b)
	for b.Loop() {
		back, err := crowd.Return(b.Context(), 20)
		if err != nil {
			b.Fatal(err)
		}
		each.Merge(back.Each)
		took += back.Took
		returns += back.Users
	}
	cost := s.look(b).since(before)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(took.Milliseconds())/float64(b.N), "ms-to-the-last")
	b.ReportMetric(milliseconds(each.Quantile(0.5)), "p50-ms")
	b.ReportMetric(milliseconds(each.Max()), "max-ms")
	b.ReportMetric(float64(returns)/took.Seconds(), "returns/s")
	b.ReportMetric(float64(cost.cpu.Microseconds())/float64(returns), "cpu-us/return")
}

// BenchmarkLoad_Idle is 2,000 sockets in rooms of ten that have joined and are silent: with the
// collector as Go has it, and with one that lets less garbage gather.
func BenchmarkLoad_Idle(b *testing.B) {
	const sockets = 2000
	for _, gogc := range []int{100, 25} {
		b.Run(fmt.Sprint("GOGC=", gogc), func(b *testing.B) {
			var resident, took, cpu float64
			for b.Loop() {
				s := newSite(b, 1, nil, fmt.Sprint("GOGC=", gogc))
				config := load.Config{Addrs: s.addrs(), Users: sockets, Rooms: sockets / 10}
				before, began := s.look(b), time.Now()
				crowd, err := load.Gather(b.Context(), config)
				if err != nil {
					b.Fatal(err)
				}
				took += time.Since(began).Seconds()
				if err := crowd.Settle(b.Context()); err != nil {
					b.Fatal(err)
				}
				cost := s.look(b).since(before)
				resident += float64(cost.grown)
				cpu += cost.cpu.Seconds()
				crowd.Close()
				s.servers[0].Stop(b)
			}
			n := float64(sockets * b.N)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(resident/1024/n, "KB/socket")
			b.ReportMetric(n/took, "joins/s")
			b.ReportMetric(cpu*1e6/n, "cpu-us/join")
		})
	}
}

// reportAges tells how old things were when they arrived, and how late the generator was to send them.
func reportAges(b *testing.B, age, lag *load.Histogram) {
	b.Helper()
	b.ReportMetric(0, "ns/op") // the length of a run says nothing
	b.ReportMetric(milliseconds(age.Quantile(0.5)), "p50-ms")
	b.ReportMetric(milliseconds(age.Quantile(0.99)), "p99-ms")
	b.ReportMetric(milliseconds(age.Max()), "max-ms")
	b.ReportMetric(milliseconds(lag.Quantile(0.99)), "lag-p99-ms")
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// site is what a benchmark measures: instances of the example, and the Redis behind them.
type site struct {
	servers []*load.Server
	redis   *redistest.Server
	client  *redis.Client
	pid     int // of Redis
}

// newSite starts it, until the benchmark ends. Without Redis everything is in memory. What is given
// of the environment wins.
func newSite(b *testing.B, instances int, server *redistest.Server, environment ...string) *site {
	b.Helper()
	binary, err := program()
	if err != nil {
		b.Fatal(err)
	}
	s := &site{redis: server}
	if server != nil {
		environment = append([]string{
			"USE_REDIS_COLLABORATION=true", "USE_REDIS_WEBSOCKETS=true", "USE_REDIS_EVENT_ORDERING=true",
			"REDIS_URL=redis://" + server.Addr(), "REDIS_TIMEOUT=5s", // a busy machine is no outage
		}, environment...)
		s.client = server.Client(b)
		if s.pid, err = strconv.Atoi(s.info(b, "server", `process_id:(\d+)`)[0]); err != nil {
			b.Fatal(err)
		}
	}
	for range instances {
		s.servers = append(s.servers, load.Start(b, binary, environment...))
	}
	return s
}

func (s *site) addrs() []string {
	addrs := make([]string, len(s.servers))
	for i, server := range s.servers {
		addrs[i] = server.Addr()
	}
	return addrs
}

// gather connects a crowd until the benchmark ends, and returns when everybody is known to everybody.
func (s *site) gather(b *testing.B, config load.Config) *load.Crowd {
	b.Helper()
	config.Addrs = s.addrs()
	crowd, err := load.Gather(b.Context(), config)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(crowd.Close)
	if err := crowd.Settle(b.Context()); err != nil {
		b.Fatal(err)
	}
	return crowd
}

// info returns what a pattern finds in a section of Redis' INFO.
func (s *site) info(b *testing.B, section, pattern string) (found []string) {
	b.Helper()
	text, err := s.client.Info(context.Background(), section).Result()
	if err != nil {
		b.Fatal(err)
	}
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		found = append(found, match[1])
	}
	if len(found) == 0 {
		b.Fatalf("no %s in INFO %s", pattern, section)
	}
	return found
}

// look is what a site and its machine have used so far.
type look struct {
	cpu, redisCPU, others          time.Duration
	resident, peak, grown          int64 // bytes of all instances
	operations, encoded, delivered float64
	commands                       float64 // sent to Redis for logs
}

func (s *site) look(b *testing.B) (l look) {
	b.Helper()
	machine, err := load.MachineCPU()
	if err != nil {
		b.Fatal(err)
	}
	for _, server := range s.servers {
		usage := usageOf(b, server.Pid())
		l.cpu += usage.CPU
		l.resident += usage.Resident
		l.peak += usage.Peak
		figures, err := server.Figures(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		l.operations += figures["flow_operations_total"]
		l.encoded += figures["flow_frames_encoded_total"]
		l.delivered += figures["flow_frames_delivered_total"]
	}
	if s.redis != nil {
		l.redisCPU = usageOf(b, s.pid).CPU
		// Instances send scripts for their logs, and XRANGE for pages of it. The scripts may call that
		// too, so this is the most that it can be. What else they send is for sessions, presence and
		// the watch over Redis.
		for _, calls := range s.info(b, "commandstats", `cmdstat_(?:eval|evalsha|xrange):calls=(\d+)`) {
			n, err := strconv.ParseFloat(calls, 64)
			if err != nil {
				b.Fatal(err)
			}
			l.commands += n
		}
	}
	l.others = machine - l.cpu - l.redisCPU - usageOf(b, os.Getpid()).CPU
	return l
}

func usageOf(b *testing.B, pid int) load.Usage {
	b.Helper()
	usage, err := load.UsageOf(pid)
	if err != nil {
		b.Fatal(err)
	}
	return usage
}

// since returns what was used between two looks.
func (l look) since(before look) look {
	l.cpu -= before.cpu
	l.redisCPU -= before.redisCPU
	l.others -= before.others
	l.grown = l.resident - before.resident
	l.operations -= before.operations
	l.encoded -= before.encoded
	l.delivered -= before.delivered
	l.commands -= before.commands
	return l
}

// report tells the memory at most, the CPU time for a million deliveries, and how many cores were used
// by programs that have nothing to do with it: the noise.
func (l look) report(b *testing.B, deliveries int64, took time.Duration) {
	b.Helper()
	million := float64(deliveries) / 1e6
	b.ReportMetric(float64(l.peak)/(1<<20), "MB-peak")
	b.ReportMetric(l.cpu.Seconds()/million, "cpu-s/Mdelivery")
	b.ReportMetric(l.others.Seconds()/took.Seconds(), "others-cores")
	if l.redisCPU > 0 {
		b.ReportMetric(l.redisCPU.Seconds()/million, "redis-cpu-s/Mdelivery")
	}
}
