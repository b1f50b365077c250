package redistest_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow/internal/redistest"
)

var shared redistest.Shared

func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }

// Two tests of a package get the same process, and prefixes of their own.
func TestShared_Server(t *testing.T) {
	one, other := shared.Server(t), shared.Server(t)
	if one != other {
		t.Errorf("Server = %s, then %s", one.Addr(), other.Addr())
	}
	if a, b := redistest.Prefix(t), redistest.Prefix(t); a == b {
		t.Errorf("Prefix returned %q twice", a)
	}
	if err := one.Client(t).Ping(t.Context()).Err(); err != nil {
		t.Errorf("Ping: %v", err)
	}
}

// A server without persistence forgets, one with it does not, and both keep their address.
func TestServer_Restart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		options []redistest.Option
		want    string
	}{
		{"memory", nil, ""},
		{"append only", []redistest.Option{redistest.AppendOnly()}, "kept"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := redistest.Start(t, c.options...)
			client := s.Client(t)
			set(t, client)
			s.Kill(t)
			s.Restart(t)
			if got := get(t, client); got != c.want {
				t.Errorf("after Kill and Restart key = %q, want %q", got, c.want)
			}
			s.RestartEmpty(t)
			if got := get(t, client); got != "" {
				t.Errorf("after RestartEmpty key = %q", got)
			}
		})
	}
}

// A paused server keeps its connections and answers nothing, until it is resumed.
func TestServer_Pause(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	client := s.Client(t)
	set(t, client)
	s.Pause(t)
	if err := client.WithTimeout(brief).Ping(t.Context()).Err(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Ping of a paused server = %v", err)
	}
	s.Resume(t)
	if got := get(t, client); got != "kept" {
		t.Errorf("after Resume key = %q", got)
	}
}

// Passwords and users are asked for; TLS is spoken with a certificate that TLS() trusts.
func TestStart_Options(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, redistest.TLS(), redistest.Password("pw"), redistest.User("reader", "pw2", "~*", "+@read"))
	set(t, s.Client(t))

	anonymous := redis.NewClient(&redis.Options{Addr: s.Addr(), TLSConfig: s.TLS(), MaxRetries: -1})
	defer func() { _ = anonymous.Close() }()
	if err := anonymous.Get(t.Context(), "key").Err(); err == nil || !strings.HasPrefix(err.Error(), "NOAUTH") {
		t.Errorf("Get without password = %v", err)
	}
	reader := redis.NewClient(&redis.Options{
		Addr: s.Addr(), TLSConfig: s.TLS(), Username: "reader", Password: "pw2", MaxRetries: -1,
	})
	defer func() { _ = reader.Close() }()
	if got := get(t, reader); got != "kept" {
		t.Errorf("Get as reader = %q", got)
	}
	if err := reader.Del(t.Context(), "key").Err(); err == nil || !strings.HasPrefix(err.Error(), "NOPERM") {
		t.Errorf("Del as reader = %v", err)
	}
}

// A cluster of three takes keys of all slots.
func TestStartCluster(t *testing.T) {
	t.Parallel()
	nodes := redistest.StartCluster(t)
	addrs := make([]string, len(nodes))
	for i, n := range nodes {
		addrs[i] = n.Addr()
	}
	c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs})
	defer func() { _ = c.Close() }()
	for _, key := range []string{"a", "b", "c", "d"} {
		if err := c.Set(t.Context(), key, key, 0).Err(); err != nil {
			t.Errorf("Set %s: %v", key, err)
		}
	}
}

// A client finds the master by its name, and the new one after the first is gone.
func TestStartSentinel(t *testing.T) {
	t.Parallel()
	set := redistest.StartSentinel(t)
	s := redis.NewSentinelClient(&redis.Options{Addr: set.Addrs[0]})
	defer func() { _ = s.Close() }()
	for _, want := range []*redistest.Server{set.Master, set.Replica} {
		eventually(t, func() bool {
			addr, err := s.GetMasterAddrByName(t.Context(), set.Name).Result()
			return err == nil && strings.Join(addr, ":") == want.Addr()
		})
		if want == set.Master {
			set.Master.Kill(t)
		}
	}
}

func set(t *testing.T, c *redis.Client) {
	t.Helper()
	if err := c.Set(t.Context(), "key", "kept", 0).Err(); err != nil {
		t.Fatalf("Set: %v", err)
	}
}

func get(t *testing.T, c *redis.Client) string {
	t.Helper()
	got, err := c.Get(t.Context(), "key").Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		t.Fatalf("Get: %v", err)
	}
	return got
}

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v", patience)
		}
	}
}
