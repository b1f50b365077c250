package middleware_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/joho/godotenv"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/middleware"
)

func defaultSettings() middleware.Settings {
	return middleware.Settings{
		Redis: middleware.RedisSettings{
			Mode: "single", Addrs: []string{"localhost:6379"}, Prefix: "flow", Timeout: 500 * time.Millisecond,
		},
		SessionTTL: time.Hour, OperationTTL: 24 * time.Hour, OperationLimit: 10_000,
		Outage: flow.OutageRelay,
		Limits: flow.Limits{
			MessageBytes: 65536, PresenceBytes: 4096, OpsPerSecond: 50, EventsPerSecond: 50,
			PresencePerSecond: 60, Rooms: 32, Participants: 1000, Pending: 256,
		},
		Quotas: flow.Quotas{
			Sockets: 100_000, UserSockets: 10_000, AddressSockets: 1000, Unauthenticated: 10_000, OpenRooms: 100_000,
			UserJoinsPerSecond: 1000, UserRequestsPerSecond: 100, AddressRequestsPerSecond: 500,
			RoomJoinsPerSecond: 1000,
		},
		LogBytes:  1 << 30,
		Heartbeat: 25 * time.Second, Timeout: time.Minute, AuthTimeout: 10 * time.Second, Drain: 15 * time.Second,
		Grace: 2 * time.Second, PresenceTTL: 15 * time.Second, PositionCheck: 5 * time.Second,
		Port: 3000,
	}
}

func load(t *testing.T, e environment) middleware.Settings {
	t.Helper()
	s, err := middleware.LoadSettings(e.config(t))
	if err != nil {
		t.Fatalf("LoadSettings: %v", err)
	}
	return s
}

func refused(t *testing.T, e environment) string {
	t.Helper()
	s, err := middleware.LoadSettings(e.config(t))
	if err == nil {
		t.Fatalf("LoadSettings(%v) = %+v, want an error", e, s)
	}
	return err.Error()
}

func TestLoadSettings(t *testing.T) {
	// Nothing set is what the contract calls the defaults.
	t.Run("defaults", func(t *testing.T) {
		if got := load(t, nil); !reflect.DeepEqual(got, defaultSettings()) {
			t.Errorf("settings = %+v\nwant %+v", got, defaultSettings())
		}
	})

	// Empty means unset, for every key.
	t.Run("empty", func(t *testing.T) {
		e := environment{}
		for _, k := range middleware.EnvKeys() {
			e[k.Name] = ""
		}
		if got := load(t, e); !reflect.DeepEqual(got, defaultSettings()) {
			t.Errorf("settings = %+v\nwant %+v", got, defaultSettings())
		}
	})

	// Every key reaches its field.
	t.Run("every key", func(t *testing.T) {
		got := load(t, everyKey())
		if want := everySetting(); !reflect.DeepEqual(got, want) {
			t.Errorf("settings = %+v\nwant %+v", got, want)
		}
		for _, k := range middleware.EnvKeys() {
			_, given := everyKey()[k.Name]
			if elsewhere := k.Name == "REDIS_URL" || k.Name == "COLLAB_JWKS_FILE"; !given && !elsewhere {
				t.Errorf("%s is not covered by this test", k.Name)
			}
		}
	})
}

// everyKey is an environment with no value at its default.
func everyKey() environment {
	return environment{
		"USE_REDIS_COLLABORATION": "true", "USE_REDIS_WEBSOCKETS": "1", "USE_REDIS_EVENT_ORDERING": "true",
		"REDIS_HOST": "redis.local", "REDIS_PORT": "6380", "REDIS_USERNAME": "ann", "REDIS_PASSWORD": "pa ss,word",
		"REDIS_DB": "3", "REDIS_TLS": "true", "REDIS_MODE": "sentinel", "REDIS_ADDRS": "a:1, [::1]:2",
		"REDIS_MASTER_NAME": "main", "REDIS_KEY_PREFIX": "app", "REDIS_SESSION_TTL": "60",
		"REDIS_OPERATION_TTL": "2h", "REDIS_OPERATION_LIMIT": "5", "REDIS_TIMEOUT": "0.25",
		"COLLAB_OUTAGE": "hold", "COLLAB_JWT_SECRET": "one", "COLLAB_ANONYMOUS": "1",
		"COLLAB_ALLOWED_ORIGINS": "https://a.example, http://*.b.example:8080", "COLLAB_ADMIN_TOKEN": "two",
		"COLLAB_JWT_ISSUER": "https://id.example", "COLLAB_JWT_AUDIENCE": "board", "COLLAB_JWT_MAX_AGE": "36h",
		"COLLAB_ALLOW_MISSING_ORIGIN": "false",
		"COLLAB_TRUSTED_PROXIES":      "10.1.2.3/8, 192.0.2.7,fd00::/8,::1, ::ffff:192.0.2.8",
		"COLLAB_SECRET":               "three, four",
		"COLLAB_MESSAGE_BYTES":        "1", "COLLAB_PRESENCE_BYTES": "2", "COLLAB_OPS_PER_SECOND": "3",
		"COLLAB_EVENTS_PER_SECOND": "4", "COLLAB_PRESENCE_PER_SECOND": "5", "COLLAB_ROOMS": "6",
		"COLLAB_PARTICIPANTS": "7", "COLLAB_PENDING": "8",
		"COLLAB_SOCKETS": "1001", "COLLAB_USER_SOCKETS": "1002", "COLLAB_ADDRESS_SOCKETS": "1003",
		"COLLAB_UNAUTHENTICATED": "1004", "COLLAB_OPEN_ROOMS": "1005", "COLLAB_SOCKET_BYTES_PER_SECOND": "1006",
		"COLLAB_USER_MESSAGES_PER_SECOND": "1007", "COLLAB_USER_BYTES_PER_SECOND": "1008",
		"COLLAB_USER_JOINS_PER_SECOND": "1009", "COLLAB_USER_REQUESTS_PER_SECOND": "1010",
		"COLLAB_ADDRESS_REQUESTS_PER_SECOND": "1011", "COLLAB_ROOM_MESSAGES_PER_SECOND": "1012",
		"COLLAB_ROOM_JOINS_PER_SECOND": "1013", "COLLAB_LOG_BYTES": "8589934592",
		"COLLAB_HEARTBEAT": "9s", "COLLAB_TIMEOUT": "10", "COLLAB_AUTH_TIMEOUT": "11s", "COLLAB_DRAIN": "12s",
		"COLLAB_GRACE": "13ms", "COLLAB_PRESENCE_TTL": "14s", "COLLAB_POSITION_CHECK": "1m",
		"COLLAB_INSTANCE": "blue", "PORT": "0",
	}
}

// everySetting is what everyKey says.
func everySetting() middleware.Settings {
	return middleware.Settings{
		RedisCollaboration: true, RedisWebsockets: true, RedisEventOrdering: true,
		Redis: middleware.RedisSettings{
			Mode: "sentinel", Addrs: []string{"a:1", "[::1]:2"}, MasterName: "main", Username: "ann",
			Password: "pa ss,word", DB: 3, TLS: true, Prefix: "app", Timeout: 250 * time.Millisecond,
		},
		SessionTTL: time.Minute, OperationTTL: 2 * time.Hour, OperationLimit: 5,
		Outage: flow.OutageHold, JWTSecret: "one", Anonymous: true,
		JWTIssuer: "https://id.example", JWTAudience: "board", JWTMaxAge: 36 * time.Hour,
		AllowedOrigins: []string{"https://a.example", "http://*.b.example:8080"}, AdminToken: "two",
		RequireOrigin: true,
		TrustedProxies: []netip.Prefix{
			netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.7/32"),
			netip.MustParsePrefix("fd00::/8"), netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("192.0.2.8/32"),
		},
		Secrets: []middleware.Secret{"three", "four"},
		Limits: flow.Limits{
			MessageBytes: 1, PresenceBytes: 2, OpsPerSecond: 3, EventsPerSecond: 4, PresencePerSecond: 5,
			Rooms: 6, Participants: 7, Pending: 8,
		},
		Quotas: flow.Quotas{
			Sockets: 1001, UserSockets: 1002, AddressSockets: 1003, Unauthenticated: 1004, OpenRooms: 1005,
			SocketBytesPerSecond: 1006, UserMessagesPerSecond: 1007, UserBytesPerSecond: 1008,
			UserJoinsPerSecond: 1009, UserRequestsPerSecond: 1010, AddressRequestsPerSecond: 1011,
			RoomMessagesPerSecond: 1012, RoomJoinsPerSecond: 1013,
		},
		LogBytes:  8 << 30,
		Heartbeat: 9 * time.Second, Timeout: 10 * time.Second, AuthTimeout: 11 * time.Second,
		Drain: 12 * time.Second, Grace: 13 * time.Millisecond, PresenceTTL: 14 * time.Second,
		PositionCheck: time.Minute, Instance: "blue", Port: 0,
	}
}

func TestLoadSettings_File(t *testing.T) {
	write := func(t *testing.T, content string) middleware.Config {
		t.Helper()
		cfg := environment{"COLLAB_ROOMS": "2", "COLLAB_PENDING": ""}.config(t)
		cfg.EnvFile = filepath.Join(t.TempDir(), ".env")
		if err := os.WriteFile(cfg.EnvFile, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return cfg
	}

	// The process environment wins over the file, key by key, and what is empty there is unset.
	t.Run("precedence", func(t *testing.T) {
		s, err := middleware.LoadSettings(write(t, "COLLAB_ROOMS=3\nCOLLAB_PENDING=4\nPORT=5\n"))
		if err != nil {
			t.Fatal(err)
		}
		if s.Limits.Rooms != 2 || s.Limits.Pending != 4 || s.Port != 5 {
			t.Errorf("rooms %d, pending %d, port %d, want 2, 4, 5", s.Limits.Rooms, s.Limits.Pending, s.Port)
		}
	})

	// What .env.example says about quotes is so.
	t.Run("quotes", func(t *testing.T) {
		s, err := middleware.LoadSettings(write(t, "REDIS_PASSWORD='pa$$w#rd'\n"))
		if err != nil || s.Redis.Password != "pa$$w#rd" {
			t.Errorf("password = %q, %v", string(s.Redis.Password), err)
		}
	})

	// Reading the file changes nothing in the process.
	t.Run("process untouched", func(t *testing.T) {
		if _, err := middleware.LoadSettings(write(t, "COLLAB_INSTANCE=from-the-file\n")); err != nil {
			t.Fatal(err)
		}
		// A config without Getenv looks at the process.
		s, err := middleware.LoadSettings(middleware.Config{EnvFile: filepath.Join(t.TempDir(), "none")})
		if err != nil || s.Instance != "" {
			t.Errorf("the process environment now has COLLAB_INSTANCE=%q, %v", s.Instance, err)
		}
	})

	// A file that is not KEY=value is refused with the number of the line, and without its content.
	t.Run("unreadable", func(t *testing.T) {
		_, err := middleware.LoadSettings(write(t, "# secrets\nPORT=1\nthis is - no setting\nCOLLAB_SECRET=hunter2\n"))
		if err == nil {
			t.Fatal("no error")
		}
		if text := err.Error(); !strings.Contains(text, ".env, line 3: expected KEY=value") {
			t.Errorf("error = %q, want the file and the line", text)
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("error = %q quotes the file", err)
		}
	})

	// A file that is there and cannot be opened is an error.
	t.Run("directory", func(t *testing.T) {
		cfg := environment{}.config(t)
		cfg.EnvFile = t.TempDir()
		if _, err := middleware.LoadSettings(cfg); err == nil {
			t.Error("no error")
		}
	})
}

// Without Getenv it is the process environment that is read.
func TestLoadSettings_Process(t *testing.T) {
	t.Setenv("COLLAB_INSTANCE", "from-the-process")
	s, err := middleware.LoadSettings(middleware.Config{EnvFile: filepath.Join(t.TempDir(), "none")})
	if err != nil {
		t.Fatal(err)
	}
	if s.Instance != "from-the-process" {
		t.Errorf("instance = %q", s.Instance)
	}
}

// The example file is the documentation of the keys: it has all of them, with their defaults, and as it
// is it changes nothing.
func TestLoadSettings_ExampleFile(t *testing.T) {
	const path = "../.env.example"
	example, err := godotenv.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range middleware.EnvKeys() {
		value, ok := example[k.Name]
		if !ok || value != k.Default {
			t.Errorf("%s stands in %s as %q (%v), want %q", k.Name, path, value, ok, k.Default)
		}
		delete(example, k.Name)
	}
	for name := range example {
		t.Errorf("%s has %s, which nothing reads", path, name)
	}

	cfg := environment{}.config(t)
	cfg.EnvFile = path
	s, err := middleware.LoadSettings(cfg)
	if err != nil || !reflect.DeepEqual(s, defaultSettings()) {
		t.Errorf("LoadSettings(%s) = %+v, %v, want the defaults", path, s, err)
	}

	// docker run --env-file takes everything after = to the letter.
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(line, "\n")
		setting := line != "" && !strings.HasPrefix(line, "#")
		if setting && strings.ContainsAny(line, " \t\"'#\r") {
			t.Errorf("%s: line %q means something else to docker", path, line)
		}
	}
}

// The README names every key.
func TestLoadSettings_Readme(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range middleware.EnvKeys() {
		if !strings.Contains(string(readme), "`"+k.Name+"`") {
			t.Errorf("README.md does not name %s", k.Name)
		}
	}
}
