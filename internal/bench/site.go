//go:build linux

package bench

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/fiberflow/flow/internal/load"
	"github.com/fiberflow/flow/internal/redistest"
)

// Cores of the machine: instances share the first, and the generator shares the other with Redis.
const (
	ServerCore    = 0
	GeneratorCore = 1
)

// site is what is measured: instances of the example or of a peer, and the Redis behind them.
type site struct {
	run     *Run
	servers []*load.Server
	redis   *redistest.Server
	pid     int // of Redis
}

// unlimited raises what one client may do, where a scenario has few clients say much.
func unlimited() []string {
	return []string{
		"COLLAB_OPS_PER_SECOND=100000", "COLLAB_EVENTS_PER_SECOND=100000", "COLLAB_PRESENCE_PER_SECOND=1000",
		"COLLAB_PENDING=4096",
	}
}

// start starts an instance in memory until the test ends. What is given of the environment wins.
func (r *Run) start(environment ...string) *site {
	r.Helper()
	return r.open(&site{run: r}, 1, environment)
}

// startRedis starts instances with all three subsystems on a Redis of their own.
func (r *Run) startRedis(instances int, environment ...string) *site {
	r.Helper()
	s := &site{run: r}
	r.onCore(GeneratorCore, func() { s.redis = redistest.Start(r) })
	info, err := s.redis.Client(r).Info(r.Context(), "server").Result()
	r.must(err)
	_, rest, _ := strings.Cut(info, "process_id:")
	s.pid, err = strconv.Atoi(strings.Fields(rest)[0])
	r.must(err)
	return r.open(s, instances, append([]string{
		"USE_REDIS_COLLABORATION=true", "USE_REDIS_WEBSOCKETS=true", "USE_REDIS_EVENT_ORDERING=true",
		"REDIS_URL=redis://" + s.redis.Addr(), "REDIS_TIMEOUT=5s", // a busy machine is no outage
	}, environment...))
}

func (r *Run) open(s *site, instances int, environment []string) *site {
	r.Helper()
	environment = append([]string{"GOMAXPROCS=1", "GODEBUG=gctrace=1"}, environment...)
	environment = append(environment, r.Side.Environment...)
	r.onCore(ServerCore, func() {
		for range instances {
			s.servers = append(s.servers, load.Start(r, r.Side.Program, environment...))
		}
	})
	r.profile(s.servers)
	return s
}

// onCore starts processes on a core, if there are two.
func (r *Run) onCore(core int, do func()) {
	r.Helper()
	if runtime.NumCPU() < 2 {
		do()
		return
	}
	r.must(load.OnCore(core, do))
}

// fleet gathers users until the test ends, and returns when everybody is known to everybody.
func (s *site) fleet(config load.FleetConfig) *load.Fleet {
	s.run.Helper()
	f := s.newFleet(config)
	s.run.must(f.Join(f.Users()))
	s.run.must(f.Settle())
	return f
}

// newFleet returns users that are not connected.
func (s *site) newFleet(config load.FleetConfig) *load.Fleet {
	s.run.Helper()
	config.Dialect, config.Presence = s.run.Side.Dialect, s.run.Side.Presence
	for _, server := range s.servers {
		config.Addrs = append(config.Addrs, server.Addr())
	}
	f, err := load.NewFleet(config)
	s.run.must(err)
	s.run.Cleanup(f.Close)
	return f
}

// look is what a site has used so far.
type look struct {
	at             time.Time
	cpu, redis, me time.Duration
	resident       int64 // bytes of all instances
}

func (s *site) look() (l look) {
	s.run.Helper()
	l.at = time.Now()
	for _, server := range s.servers {
		usage := s.usage(server.Pid())
		l.cpu += usage.CPU
		l.resident += usage.Resident
	}
	if s.redis != nil {
		l.redis = s.usage(s.pid).CPU
	}
	l.me = s.usage(os.Getpid()).CPU
	return l
}

func (s *site) usage(pid int) load.Usage {
	s.run.Helper()
	usage, err := load.UsageOf(pid)
	s.run.must(err)
	return usage
}

// since returns what was used between two looks.
func (s *site) since(before look) (used look, took time.Duration) {
	used = s.look()
	took = used.at.Sub(before.at)
	used.cpu -= before.cpu
	used.redis -= before.redis
	used.me -= before.me
	used.resident -= before.resident
	return used, took
}

// share writes a part of a core.
func share(cpu, took time.Duration) string {
	return fmt.Sprintf("%.0f %%", 100*cpu.Seconds()/took.Seconds())
}

// close ends the instances, so that they do not share the core with those of the next part. Profiles
// end before.
func (s *site) close() {
	s.run.Helper()
	s.run.keepProfiles(s.servers)
	for _, server := range s.servers {
		server.Stop(s.run)
	}
}
