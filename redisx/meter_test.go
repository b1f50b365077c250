package redisx_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/redistest"
	"github.com/fiberflow/flow/redisx"
)

// slow refills so little that no test sees it.
var slow = flow.Spending{Messages: 1, Bytes: 1, Joins: 1, Requests: 1}

// spend has one user take, and returns what is missing.
func spend(t *testing.T, m flow.Meter, rates flow.Spending, user string, s flow.Spending) flow.Spending {
	t.Helper()
	missing, err := m.Spend(t.Context(), rates, map[string]flow.Spending{user: s})
	if err != nil || len(missing) != 1 {
		t.Fatalf("Spend of %q = %v, %v, want one answer", user, missing, err)
	}
	return missing[user]
}

// What one instance takes is missing on the other; no bucket is another's, no user is another, and nobody can
// owe more than four seconds.
func TestMeter_Shared(t *testing.T) {
	t.Parallel()
	config := redisx.Config{Prefix: redistest.Prefix(t)}
	one, other := redisx.NewMeter(open(t, config)), redisx.NewMeter(open(t, config))
	rates := flow.Spending{Messages: 1000, Bytes: 1 << 40, Joins: 7, Requests: 1}
	var got flow.Spending
	eventually(t, "it is missing", func() bool { // at once, unless the machine stood still until the buckets were full
		spend(t, one, rates, "ada", flow.Spending{Bytes: 4 << 40, Joins: 1 << 62})
		got = spend(t, other, rates, "ada", flow.Spending{Requests: 2})
		return got.Bytes > 0 && got.Joins > 0 && got.Requests > 0
	})
	if got.Bytes > 4<<40 || got.Messages != 0 {
		t.Errorf("missing %+v, want up to %d bytes and no messages", got, 4<<40)
	}
	if got.Joins > 28 || got.Requests > 4 {
		t.Errorf("missing %+v, want no more than four seconds of joins", got)
	}
	if got := spend(t, one, rates, "bob", flow.Spending{}); got != (flow.Spending{}) {
		t.Errorf("bob misses %+v before he took anything", got)
	}
	if got := spend(t, one, flow.Spending{}, "nobody", flow.Spending{Bytes: 1 << 50}); got != (flow.Spending{}) {
		t.Errorf("missing %+v from buckets that hold nothing", got)
	}
}

// Buckets fill up again with time, and a key is gone as soon as they are full.
func TestMeter_Refill(t *testing.T) {
	t.Parallel()
	prefix := redistest.Prefix(t)
	client := shared.Server(t).Client(t)
	meter := redisx.NewMeter(open(t, redisx.Config{Prefix: prefix}))
	var began time.Time
	var keys []string
	var at int64
	eventually(t, "there is a key", func() bool { // at once, unless the machine stood still until it had ended
		began = time.Now()
		spend(t, meter, slow, "ada", flow.Spending{Joins: 4})
		if keys = keysOf(t, client, prefix+":meter"); len(keys) != 1 {
			return false
		}
		var err error
		at, err = client.HGet(t.Context(), keys[0], "at").Int64()
		return err == nil
	})
	if ttl := client.PTTL(t.Context(), keys[0]).Val(); ttl == -1 || ttl > 4*time.Second {
		t.Errorf("the key lives for %v, want until the bucket is full in 4s", ttl)
	}
	// As if it had been a second and a half ago: the clock is that of Redis.
	client.HSet(t.Context(), keys[0], "at", at-1_500_000)
	got := spend(t, meter, slow, "ada", flow.Spending{})
	if least := int64(1.5 - time.Since(began).Seconds()); got.Joins < least || got.Joins > 3 {
		t.Errorf("missing %+v, want %d to 3 joins after 1.5s", got, least)
	}
	// A clock that was set back takes nothing away, and gives nothing.
	client.HSet(t.Context(), keys[0], "at", at+3_600_000_000)
	if got := spend(t, meter, slow, "ada", flow.Spending{}); got.Joins > 3 {
		t.Errorf("missing %+v after the clock was set back", got)
	}
	eventually(t, "the key is gone", func() bool { return len(keysOf(t, client, prefix+":meter")) == 0 })
}

// A user can be called anything: ids reach no other key, and of what looks alike each has its own.
func TestMeter_HostileIDs(t *testing.T) {
	t.Parallel()
	prefix := redistest.Prefix(t)
	client := shared.Server(t).Client(t)
	meter := redisx.NewMeter(open(t, redisx.Config{Prefix: prefix}))
	ids := []string{
		"a", "a:b", "a}", "{a}", "*", "?", "[a-z]", "a\n", "a\r\nDEL x", "a\x00b", "\xff\xfe", "A", " a", "../a",
		strings.Repeat("x", 300), strings.Repeat("x", 299), "session:s", "",
	}
	spent := map[string]flow.Spending{}
	for i, id := range ids {
		spent[id] = flow.Spending{Joins: int64(100 + i)}
	}
	rates := flow.Spending{Joins: 1000}
	missing, err := meter.Spend(t.Context(), rates, spent)
	if err != nil || len(missing) != len(ids) {
		t.Fatalf("Spend = %v, %v", missing, err)
	}
	for id, s := range spent {
		if missing[id] != s {
			t.Errorf("%q misses %+v, want %+v", id, missing[id], s)
		}
	}
	plain := regexp.MustCompile(`^` + prefix + `:meter:\{[A-Za-z0-9_-]*\}$`)
	for _, key := range keysOf(t, client, prefix) {
		if !plain.MatchString(key) && !strings.Contains(key, ":probe:{~") {
			t.Errorf("key %q", key)
		}
	}
}

// Whatever stands in a user's key, the next takes from full buckets, and nobody else notices.
func TestMeter_Poison(t *testing.T) {
	t.Parallel()
	prefix := redistest.Prefix(t)
	client := shared.Server(t).Client(t)
	conn := open(t, redisx.Config{Prefix: prefix})
	meter := redisx.NewMeter(conn)
	key := prefix + ":meter:{YWRh}" // ada's
	for name, poison := range map[string]func(){
		"list":    func() { client.RPush(t.Context(), key, "x") },
		"string":  func() { client.Set(t.Context(), key, "x", 0) },
		"words":   func() { client.HSet(t.Context(), key, "m", "x", "b", "", "j", "{}", "at", "now") },
		"numbers": func() { client.HSet(t.Context(), key, "m", "nan", "b", "-inf", "j", "-5", "at", "inf") },
		"others":  func() { client.HSet(t.Context(), key, "x", "y") },
	} {
		client.Del(t.Context(), key)
		poison()
		missing, err := meter.Spend(t.Context(), slow, map[string]flow.Spending{"ada": {Joins: 2}, "bob": {Joins: 1}})
		if err != nil || missing["ada"].Joins != 2 || missing["ada"].Messages != 0 || missing["bob"].Joins == 0 {
			t.Errorf("%s: Spend = %+v, %v, want 2 joins of ada's", name, missing, err)
		}
		if ttl := client.PTTL(t.Context(), key).Val(); ttl <= 0 {
			t.Errorf("%s: the key lives for %v", name, ttl)
		}
	}
	if h := conn.Health(); h.State != flow.Live {
		t.Errorf("Health = %+v, want live", h)
	}
}

// While Redis is away nobody waits for it, and when it is back users are counted again.
func TestMeter_Away(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	conn := open(t, redisx.Config{Addrs: []string{server.Addr()}})
	meter, sessions := redisx.NewMeter(conn), redisx.NewSessionStore(conn)
	spend(t, meter, slow, "ada", flow.Spending{Joins: 1})
	server.Kill(t)
	_, err := meter.Spend(t.Context(), slow, map[string]flow.Spending{"ada": {Joins: 1}})
	wantCode(t, err, flow.CodeUnavailable)
	eventuallyIs(t, sessions, flow.Degraded) // they are one subsystem
	server.Restart(t)
	eventuallyIs(t, sessions, flow.Live)
	if got := spend(t, meter, slow, "ada", flow.Spending{Joins: 2}); got.Joins != 2 {
		t.Errorf("missing %+v, want 2 joins", got)
	}
}

// In a Cluster users are on all nodes, one call is for all of them, and a node that does not know the script
// takes from its users once.
func TestMeter_Cluster(t *testing.T) {
	t.Parallel()
	nodes := redistest.StartCluster(t)
	config := redisx.Config{Mode: redisx.Cluster, Prefix: redistest.Prefix(t)}
	for _, n := range nodes {
		config.Addrs = append(config.Addrs, n.Addr())
	}
	meter := redisx.NewMeter(open(t, config))
	spent := map[string]flow.Spending{}
	for i := range 100 {
		spent[fmt.Sprintf("{user}%d", i)] = flow.Spending{Bytes: 1000}
	}
	rates := flow.Spending{Bytes: 1_000_000}
	for _, lost := range [][]*redistest.Server{nil, nodes[:1], nodes} {
		for _, n := range lost {
			n.Client(t).ScriptFlush(t.Context())
		}
		missing, err := meter.Spend(t.Context(), rates, spent)
		if err != nil || len(missing) != len(spent) {
			t.Fatalf("Spend = %d answers, %v", len(missing), err)
		}
		for user, m := range missing {
			if m.Bytes < 1000 || m.Bytes > 3000 {
				t.Errorf("%s misses %+v", user, m)
			}
		}
	}
	used := 0
	for _, n := range nodes {
		if n.Client(t).DBSize(t.Context()).Val() > 0 {
			used++
		}
	}
	if used != len(nodes) {
		t.Errorf("users on %d nodes, want all %d", used, len(nodes))
	}
}
