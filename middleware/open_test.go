package middleware_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/redistest"
	"github.com/fiberflow/flow/middleware"
)

// onRedis is an environment with all three subsystems on a Redis. Its timeout leaves room for a machine
// that is busy with other tests.
func onRedis(t testing.TB, addr string) environment {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return environment{
		"USE_REDIS_COLLABORATION": "true", "USE_REDIS_WEBSOCKETS": "true", "USE_REDIS_EVENT_ORDERING": "true",
		"REDIS_HOST": host, "REDIS_PORT": port, "REDIS_KEY_PREFIX": redistest.Prefix(t),
		"REDIS_TIMEOUT": "5s",
	}
}

// logged is the config of this environment with a logger that the test reads.
func (e environment) logged(t testing.TB, b *book) middleware.Config {
	t.Helper()
	cfg := e.config(t)
	cfg.Logger = b.logger()
	return cfg
}

// submit appends one operation from the server side.
func submit(ctx context.Context, hub *flow.Hub, room, data string) error {
	_, err := hub.Submit(ctx, room, flow.User{ID: "server"}, "", json.RawMessage(data))
	return err
}

// Each of the eight combinations works, says for each subsystem which backend serves it, and puts into
// Redis what belongs there and nothing else.
func TestOpen_Combinations(t *testing.T) {
	server := shared.Server(t)
	flags := []string{"USE_REDIS_COLLABORATION", "USE_REDIS_WEBSOCKETS", "USE_REDIS_EVENT_ORDERING"}
	names := []string{"collaboration", "websockets", "ordering"}
	for combination := range 8 {
		t.Run(fmt.Sprintf("%03b", combination), func(t *testing.T) {
			e := onRedis(t, server.Addr())
			want := map[string]string{}
			for i, flag := range flags {
				on := combination>>i&1 == 1
				e[flag] = strconv.FormatBool(on)
				want[names[i]] = map[bool]string{true: "redis", false: "memory"}[on]
			}
			var log book
			hub := open(t, e.logged(t, &log))

			for _, s := range hub.Subsystems() {
				if s.Backend != want[s.Name] || s.State != flow.Live {
					t.Errorf("%s = %+v, want %s, live", s.Name, s.Health, want[s.Name])
				}
			}
			lines := log.entries(t, "subsystem ready")
			for _, line := range lines {
				name, _ := line["subsystem"].(string)
				if line["backend"] != want[name] || line["state"] != "live" {
					t.Errorf("logged %v, want %s", line, want[name])
				}
			}
			if len(lines) != 3 {
				t.Errorf("%d lines tell of subsystems, want 3", len(lines))
			}
			if got := len(log.entries(t, "redis connected")); got != min(combination, 1) {
				t.Errorf("%d lines say that Redis is connected, want %d", got, min(combination, 1))
			}

			if metered := hub.Config().Meter != nil; metered != (want["collaboration"] == "redis") {
				t.Errorf("a meter: %v, with collaboration in %s", metered, want["collaboration"])
			}
			if err := submit(t.Context(), hub, "room", `1`); err != nil {
				t.Errorf("Submit: %v", err)
			}
			head := server.Client(t).Exists(t.Context(), e["REDIS_KEY_PREFIX"]+":{room}:head").Val()
			if (head == 1) != (want["ordering"] == "redis") {
				t.Errorf("%d logs on Redis, with ordering in %s", head, want["ordering"])
			}
		})
	}
}

// The line that Redis is connected says where, and no password.
func TestOpen_Connected(t *testing.T) {
	server := redistest.Start(t, redistest.Password("hunter2"))
	var log book
	e := onRedis(t, server.Addr())
	e["REDIS_URL"] = "redis://:hunter2@" + server.Addr() + "/3"
	e["REDIS_HOST"] = "elsewhere"
	open(t, e.logged(t, &log))

	line := log.entry(t, "redis connected")
	if line["addr"] != server.Addr() || line["mode"] != "single" || line["db"] != 3.0 || line["tls"] != false {
		t.Errorf("logged %v", line)
	}
	if strings.Contains(log.text(), "hunter2") {
		t.Errorf("the log shows the password: %s", log.text())
	}
	if ignored := log.entry(t, "settings have no effect"); fmt.Sprint(ignored["keys"]) != "[REDIS_HOST]" {
		t.Errorf("logged %v, want REDIS_HOST, which REDIS_URL overrides", ignored)
	}
}

// What an operator should think about is warned of, once, by the name of the key.
func TestOpen_Warnings(t *testing.T) {
	for want, e := range map[string]environment{
		"COLLAB_ANONYMOUS is true: everybody may come in without credentials":             {"COLLAB_ANONYMOUS": "true"},
		"COLLAB_SECRET is unset: the key that signs resume tokens is drawn at start":      {},
		"nobody can come in: no token setting, no Authenticate hook, no COLLAB_ANONYMOUS": {},
		"COLLAB_TRUSTED_PROXIES has everybody in it: a client can say any address is its own": {
			"COLLAB_TRUSTED_PROXIES": "10.0.0.0/8,::/0",
		},
	} {
		t.Run(want, func(t *testing.T) {
			var log book
			open(t, e.logged(t, &log))
			if line := log.entry(t, want); line["level"] != "WARN" {
				t.Errorf("logged %v, want a warning", line)
			}
		})
	}
	for want, e := range map[string]environment{
		"[REDIS_ADDRS] REDIS_MODE is single":       {"REDIS_ADDRS": "a:1"},
		"[REDIS_MASTER_NAME] REDIS_MODE is single": {"REDIS_MASTER_NAME": "m"},
		"[COLLAB_JWT_ISSUER COLLAB_JWT_MAX_AGE] neither COLLAB_JWT_SECRET nor COLLAB_JWKS_FILE is set": {
			"COLLAB_JWT_ISSUER": "i", "COLLAB_JWT_MAX_AGE": "1h",
		},
		"[REDIS_PORT REDIS_PASSWORD REDIS_TLS] REDIS_URL is set": {
			"REDIS_URL": "redis://host", "REDIS_HOST": "host", "REDIS_PORT": "1", "REDIS_PASSWORD": "x",
			"REDIS_DB": "0", "REDIS_TLS": "true",
		},
	} {
		// Settings that are set and have no effect are named, with the reason.
		t.Run(want, func(t *testing.T) {
			var log book
			open(t, e.logged(t, &log))
			line := log.entry(t, "settings have no effect")
			if got := fmt.Sprint(line["keys"], " ", line["because"]); got != want || line["level"] != "WARN" {
				t.Errorf("logged %v, want a warning with %s", line, want)
			}
		})
	}

	// A quiet environment is quiet.
	t.Run("none", func(t *testing.T) {
		var log book
		open(t, environment{
			"COLLAB_SECRET": "0123456789abcdef,fedcba9876543210", "COLLAB_JWT_SECRET": "0123456789abcdef",
			"COLLAB_ADMIN_TOKEN": "0123456789abcdef", "COLLAB_TRUSTED_PROXIES": "10.0.0.0/8",
		}.logged(t, &log))
		if got := log.messages(t, slog.LevelWarn); len(got) > 0 {
			t.Errorf("warnings: %q", got)
		}
	})
}

// Secrets of less than 16 bytes are warned of by the names of their keys, and by nothing else.
func TestOpen_ShortSecrets(t *testing.T) {
	const short, long = "hunter2-hunter2", "0123456789abcdef"
	for want, e := range map[string]environment{
		"[COLLAB_SECRET COLLAB_JWT_SECRET COLLAB_ADMIN_TOKEN]": {
			"COLLAB_SECRET": short, "COLLAB_JWT_SECRET": short, "COLLAB_ADMIN_TOKEN": short,
		},
		"[COLLAB_SECRET]":      {"COLLAB_SECRET": long + "," + short, "COLLAB_JWT_SECRET": long},
		"[COLLAB_ADMIN_TOKEN]": {"COLLAB_SECRET": long, "COLLAB_ADMIN_TOKEN": "x"},
	} {
		t.Run(want, func(t *testing.T) {
			var log book
			open(t, e.logged(t, &log))
			line := log.entry(t, "secrets can be guessed: use 32 random bytes for each")
			if fmt.Sprint(line["keys"]) != want || line["level"] != "WARN" {
				t.Errorf("logged %v, want a warning with %s", line, want)
			}
			if strings.Contains(log.text(), "hunter2") || len(line) != 4 { // time, level, msg and keys
				t.Errorf("the log tells too much: %s", log.text())
			}
		})
	}
}

func TestOpen_Prefork(t *testing.T) {
	const warning = "prefork runs several processes, and what is in memory is not shared between them"

	// A child of a prefork with anything in memory warns of it by name.
	t.Run("memory", func(t *testing.T) {
		t.Setenv("FIBER_PREFORK_CHILD", "1")
		e := onRedis(t, shared.Server(t).Addr())
		e["USE_REDIS_WEBSOCKETS"] = "false"
		var log book
		open(t, e.logged(t, &log))
		if got := fmt.Sprint(log.entry(t, warning)["in_memory"]); got != "[websockets]" {
			t.Errorf("in_memory = %s, want websockets", got)
		}
	})

	// With everything on Redis there is nothing to warn of.
	t.Run("redis", func(t *testing.T) {
		t.Setenv("FIBER_PREFORK_CHILD", "1")
		var log book
		open(t, onRedis(t, shared.Server(t).Addr()).logged(t, &log))
		if got := log.entries(t, warning); len(got) > 0 {
			t.Errorf("logged %v", got)
		}
	})

	// A process of its own may keep everything in memory.
	t.Run("no prefork", func(t *testing.T) {
		var log book
		open(t, environment{}.logged(t, &log))
		if got := log.entries(t, warning); len(got) > 0 {
			t.Errorf("logged %v", got)
		}
	})

	// The children do not share a name, though they share the environment.
	t.Run("instance", func(t *testing.T) {
		t.Setenv("FIBER_PREFORK_CHILD", "1")
		for _, name := range []string{"blue", strings.Repeat("x", 64)} {
			instance := open(t, environment{"COLLAB_INSTANCE": name}.config(t)).Instance()
			pid := "-" + strconv.Itoa(os.Getpid())
			if !strings.HasSuffix(instance, pid) || !strings.HasPrefix(instance, name[:4]) || len(instance) > 64 {
				t.Errorf("instance = %q, want %s and %s in at most 64 bytes", instance, name, pid)
			}
		}
	})
}

// The settings reach the hub.
func TestOpen_Config(t *testing.T) {
	e := everyKey().with(environment{
		"USE_REDIS_COLLABORATION": "", "USE_REDIS_WEBSOCKETS": "", "USE_REDIS_EVENT_ORDERING": "",
	})
	cfg := e.config(t)
	denied := errors.New("denied")
	cfg.Authorize = func(context.Context, flow.User, string) (flow.Access, error) { return flow.Viewer, denied }
	got := open(t, cfg).Config()
	want := everySetting()
	if got.Outage != want.Outage {
		t.Errorf("Outage = %q, want %q", got.Outage, want.Outage)
	}
	if got.Limits != want.Limits || got.Instance != want.Instance || !got.Anonymous || got.AdminToken != "two" {
		t.Errorf("config = %+v, want %+v", got, want)
	}
	if got.Quotas != want.Quotas || !got.RequireOrigin {
		t.Errorf("Quotas = %+v, RequireOrigin = %v, want %+v", got.Quotas, got.RequireOrigin, want.Quotas)
	}
	if fmt.Sprint(got.TrustedProxies) != fmt.Sprint(want.TrustedProxies) {
		t.Errorf("TrustedProxies = %v, want %v", got.TrustedProxies, want.TrustedProxies)
	}
	if fmt.Sprint(got.AllowedOrigins) != fmt.Sprint(want.AllowedOrigins) {
		t.Errorf("AllowedOrigins = %v, want %v", got.AllowedOrigins, want.AllowedOrigins)
	}
	durations := []time.Duration{
		got.Heartbeat, got.Timeout, got.AuthTimeout, got.Drain, got.Grace, got.PresenceTTL, got.SessionTTL,
		got.PositionCheck,
	}
	wanted := []time.Duration{
		want.Heartbeat, want.Timeout, want.AuthTimeout, want.Drain, want.Grace, want.PresenceTTL,
		want.SessionTTL, want.PositionCheck,
	}
	if fmt.Sprint(durations) != fmt.Sprint(wanted) {
		t.Errorf("durations = %v, want %v", durations, wanted)
	}
	if secrets := fmt.Sprintf("%s", got.Secrets()); secrets != "[three four]" {
		t.Errorf("Secrets = %s, want both, the first first", secrets)
	}
	access, err := got.Authorize(t.Context(), flow.User{}, "room")
	if access != flow.Viewer || !errors.Is(err, denied) {
		t.Errorf("Authorize = %v, %v, want the application's", access, err)
	}
}

// Settings that the application hands in are taken as they are, and the environment is not read again.
func TestOpen_Settings(t *testing.T) {
	e := environment{"COLLAB_INSTANCE": "one"}
	cfg := e.config(t)
	s, err := middleware.LoadSettings(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.Anonymous = true
	e["COLLAB_INSTANCE"], e["PORT"] = "two", "not a port"
	cfg.Settings = &s
	if got := open(t, cfg).Config(); got.Instance != "one" || !got.Anonymous {
		t.Errorf("instance %q, anonymous %v, want one, true", got.Instance, got.Anonymous)
	}
}

// Settings that were written as code mean, where they are zero, what an unset key means.
func TestOpen_ZeroSettings(t *testing.T) {
	zero := middleware.Config{Settings: &middleware.Settings{}, Logger: slog.New(slog.DiscardHandler)}
	got, want := open(t, zero).Config(), open(t, environment{}.config(t)).Config()
	if got.RequireOrigin || got.Anonymous || got.AdminToken != "" || got.VerifyToken != nil {
		t.Errorf("config = %+v, want nobody let in, and no Origin required", got)
	}
	if got.Quotas != want.Quotas || got.Limits != want.Limits || got.SnapshotEvery != want.SnapshotEvery {
		t.Errorf("%+v, %+v, a snapshot every %d, want %+v, %+v, %d",
			got.Quotas, got.Limits, got.SnapshotEvery, want.Quotas, want.Limits, want.SnapshotEvery)
	}
	if got.Heartbeat != want.Heartbeat || got.Timeout != want.Timeout || got.Outage != want.Outage {
		t.Errorf("heartbeat %v, timeout %v, outage %s", got.Heartbeat, got.Timeout, got.Outage)
	}
}

// A client of the application's is used for what the flags say, and stays open when the hub is closed.
func TestOpen_BorrowedClient(t *testing.T) {
	client := redis.NewClient(&redis.Options{Addr: shared.Server(t).Addr()})
	defer func() { _ = client.Close() }()
	e := onRedis(t, "nowhere.invalid:1")
	cfg := e.config(t)
	var log book
	cfg.Redis, cfg.Logger = client, log.logger()
	hub, err := middleware.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	line := log.entry(t, "redis connected")
	if _, guessed := line["mode"]; guessed || line["addr"] != shared.Server(t).Addr() {
		t.Errorf("logged %v, want the client's address and nothing of the settings", line)
	}
	if err := submit(t.Context(), hub, "room", `1`); err != nil {
		t.Errorf("Submit: %v", err)
	}
	if err := hub.Close(t.Context()); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Errorf("Ping after Close: %v, want the client open", err)
	}
}
