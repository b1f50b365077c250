package middleware_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/redistest"
	"github.com/fiberflow/flow/middleware"
)

const away = "redis cannot be reached, going on in memory until it answers"

// stopped is a server that can be started later, at the same address.
func stopped(t *testing.T) *redistest.Server {
	t.Helper()
	server := redistest.Start(t)
	server.Stop(t)
	return server
}

func live(hub *flow.Hub) func() bool {
	return func() bool {
		for _, s := range hub.Subsystems() {
			if s.State != flow.Live {
				return false
			}
		}
		return true
	}
}

func data(t testing.TB, hub *flow.Hub, room string) string {
	t.Helper()
	page, err := hub.Operations(t.Context(), room, flow.Query{Limit: 1000})
	if err != nil {
		t.Fatalf("Operations(%s): %v", room, err)
	}
	var all strings.Builder
	for _, op := range page.Operations {
		fmt.Fprintf(&all, "%s ", op.Data)
	}
	return all.String()
}

// A Redis that is away at start delays nothing: a warning names the address and the reason, rooms work
// in memory, and when Redis appears they are carried over and new ones begin there (I1, I2).
func TestOpen_RedisAppears(t *testing.T) {
	server := stopped(t)
	e := onRedis(t, server.Addr())
	var log book
	hub := open(t, e.logged(t, &log))

	line := log.entry(t, away)
	reason, _ := line["reason"].(string)
	if line["level"] != "WARN" || line["addr"] != server.Addr() || !strings.Contains(reason, "refused") {
		t.Errorf("logged %v, want a warning with the address and the reason", line)
	}
	for _, s := range hub.Subsystems() {
		if s.Backend != "redis" || s.State != flow.Degraded {
			t.Errorf("%s = %+v, want redis, degraded", s.Name, s.Health)
		}
	}
	for _, line := range log.entries(t, "subsystem ready") {
		if line["backend"] != "redis" || line["state"] != "degraded" || line["serving"] != "memory" {
			t.Errorf("logged %v, want redis, degraded, serving memory", line)
		}
	}
	for i := range 40 {
		if err := submit(t.Context(), hub, "before", fmt.Sprint(i)); err != nil {
			t.Fatalf("Submit while Redis is away: %v", err)
		}
	}
	before := data(t, hub, "before")

	server.Restart(t)
	eventually(t, "the hub is live", live(hub))
	if got := data(t, hub, "before"); got != before {
		t.Errorf("the room holds %s, want %s", got, before)
	}
	if err := submit(t.Context(), hub, "after", `1`); err != nil {
		t.Errorf("Submit: %v", err)
	}
	for _, room := range []string{"before", "after"} {
		if n := server.Client(t).Exists(t.Context(), e["REDIS_KEY_PREFIX"]+":{"+room+"}:head").Val(); n != 1 {
			t.Errorf("room %s is not on Redis", room)
		}
	}
	log.entry(t, "redis connected")

	// Another instance, which begins now, has the same rooms.
	other := open(t, e.config(t))
	if got := data(t, other, "before"); got != before {
		t.Errorf("another instance has %s, want %s", got, before)
	}
}

// Two instances that started apart each wrote to one room. One carries it over; the other keeps what it
// has, says so, and stays recovering (I1).
func TestOpen_RedisAppearsToTwo(t *testing.T) {
	server := stopped(t)
	e := onRedis(t, server.Addr())
	var logs [2]book
	var hubs [2]*flow.Hub
	for i := range hubs {
		hubs[i] = open(t, e.logged(t, &logs[i]))
		if err := submit(t.Context(), hubs[i], "room", fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	server.Restart(t)
	told := func() (n int) {
		for i := range logs {
			n += len(logs[i].entries(t, "a room stays in memory"))
		}
		return n
	}
	eventually(t, "one hub is live and the other has told why not", func() bool {
		return live(hubs[0])() != live(hubs[1])() && told() == 1
	})
	for i := range hubs {
		if got := data(t, hubs[i], "room"); got != fmt.Sprint(i, " ") {
			t.Errorf("hub %d has %s, want its own operation", i, got)
		}
	}
}

// A Redis that refuses the password is an outage with an error of its own in the log, not a crash; the
// password is not in it, and once the server takes it, all is well.
func TestOpen_WrongPassword(t *testing.T) {
	server := redistest.Start(t, redistest.Password("right"))
	e := onRedis(t, server.Addr())
	e["REDIS_PASSWORD"] = "hunter2"
	var log book
	hub := open(t, e.logged(t, &log))

	reason, _ := log.entry(t, away)["reason"].(string)
	if !strings.Contains(reason, "WRONGPASS") {
		t.Errorf("reason = %q, want WRONGPASS", reason)
	}
	if loud := log.messages(t, slog.LevelError); len(loud) != 1 || !strings.Contains(loud[0], "redis refuses") {
		t.Errorf("errors = %q, want one that Redis refuses", loud)
	}
	if err := submit(t.Context(), hub, "room", `1`); err != nil {
		t.Errorf("Submit: %v", err)
	}

	if err := server.Client(t).ConfigSet(t.Context(), "requirepass", "hunter2").Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the hub is live", live(hub))
	if strings.Contains(log.text(), "hunter2") {
		t.Errorf("the log shows the password: %s", log.text())
	}
}

// A Redis that takes connections and says nothing delays the start by no more than its timeouts.
func TestOpen_RedisHangs(t *testing.T) {
	server := redistest.Start(t)
	server.Pause(t)
	defer server.Resume(t)
	e := onRedis(t, server.Addr())
	e["REDIS_TIMEOUT"] = "100ms"
	var log book
	started := time.Now()
	hub := open(t, e.logged(t, &log))
	if took := time.Since(started); took > 2*time.Second {
		t.Errorf("Open took %v", took)
	}
	if err := submit(t.Context(), hub, "room", `1`); err != nil {
		t.Errorf("Submit: %v", err)
	}
	log.entry(t, away)
}

// A certificate that nobody vouches for is an outage that a person has to mend.
func TestOpen_Certificate(t *testing.T) {
	server := redistest.Start(t, redistest.TLS())
	e := onRedis(t, server.Addr())
	e["REDIS_TLS"] = "true"
	var log book
	open(t, e.logged(t, &log))
	if reason, _ := log.entry(t, away)["reason"].(string); !strings.Contains(reason, "certificate") {
		t.Errorf("reason = %q, want the certificate", reason)
	}
}

func TestOpen_Secrets(t *testing.T) {
	sameKey := func(a, b *flow.Hub) bool {
		return string(a.Config().Secrets()[0]) == string(b.Config().Secrets()[0])
	}

	// Instances that share the sessions share the key that signs resume tokens (I4).
	t.Run("shared", func(t *testing.T) {
		e := onRedis(t, shared.Server(t).Addr())
		if a, b := open(t, e.config(t)), open(t, e.config(t)); !sameKey(a, b) {
			t.Error("the keys differ")
		}
	})

	// Instances that do not share the sessions have keys of their own.
	t.Run("own", func(t *testing.T) {
		e := onRedis(t, shared.Server(t).Addr())
		e["USE_REDIS_COLLABORATION"] = "false"
		if a, b := open(t, e.config(t)), open(t, e.config(t)); sameKey(a, b) {
			t.Error("the keys are the same")
		}
	})

	// When Redis appears only later, they agree then; what a key has signed before stays good.
	t.Run("shared later", func(t *testing.T) {
		server := stopped(t)
		e := onRedis(t, server.Addr())
		a, b := open(t, e.config(t)), open(t, e.config(t))
		own := [][]byte{a.Config().Secrets()[0], b.Config().Secrets()[0]}
		if sameKey(a, b) {
			t.Fatal("the keys are the same without Redis")
		}
		server.Restart(t)
		eventually(t, "both sign with one key", func() bool { return sameKey(a, b) })
		for i, hub := range []*flow.Hub{a, b} {
			if all := fmt.Sprintf("%s", hub.Config().Secrets()); !strings.Contains(all, string(own[i])) {
				t.Errorf("hub %d has forgotten its own key", i)
			}
		}
	})

	// A key of the settings is nobody else's business.
	t.Run("set", func(t *testing.T) {
		e := onRedis(t, shared.Server(t).Addr())
		e["COLLAB_SECRET"] = "hunter2"
		if got := fmt.Sprintf("%s", open(t, e.config(t)).Config().Secrets()); got != "[hunter2]" {
			t.Errorf("Secrets = %s", got)
		}
		if n := shared.Server(t).Client(t).Exists(t.Context(), e["REDIS_KEY_PREFIX"]+":secret").Val(); n != 0 {
			t.Error("a secret was put into Redis")
		}
	})
}

// Closing the hub ends everything that Open began, also while Redis is away, and may be done twice;
// that nothing is left behind is checked when all tests are done.
func TestOpen_Close(t *testing.T) {
	hub, err := middleware.Open(onRedis(t, stopped(t).Addr()).config(t))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := hub.Close(t.Context()); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}
