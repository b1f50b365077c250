package load_test

import (
	"context"
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow/internal/load"
	"github.com/fiberflow/flow/internal/redistest"
)

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

// look is the CPU time that unrelated programs have used so far.
type look struct{ others time.Duration }

func (s *site) look(b *testing.B) (l look) {
	b.Helper()
	machine, err := load.MachineCPU()
	if err != nil {
		b.Fatal(err)
	}
	l.others = machine - usageOf(b, os.Getpid()).CPU
	for _, server := range s.servers {
		l.others -= usageOf(b, server.Pid()).CPU
	}
	if s.redis != nil {
		l.others -= usageOf(b, s.pid).CPU
	}
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
func (l look) since(before look) look { return look{l.others - before.others} }
