package middleware

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/joho/godotenv"

	"github.com/fiberflow/flow"
)

// LoadSettings reads the process environment, and behind it the file Config.EnvFile; of the config only
// EnvFile and Getenv count. The error names every key whose value cannot be read, with the value unless
// it is a secret, and what was expected.
func LoadSettings(config ...Config) (Settings, error) {
	cfg := configDefault(config...)
	file, err := readEnvFile(cfg.EnvFile)
	if err != nil {
		return Settings{}, err
	}
	return parseSettings(func(name string) string {
		if v, ok := cfg.Getenv(name); ok && v != "" {
			return v
		}
		return file[name]
	})
}

// env is what the keys are read into. Those that say where Redis is decide together, so they wait
// beside the settings.
type env struct {
	Settings
	url   place // REDIS_URL
	place place // REDIS_HOST and the five beside it
	addrs []string
}

// key is one key of the environment.
type key struct {
	name string
	def  string // as .env.example shows it; "" when unset means something of its own
	value
}

// keys lists every key of the contract (protocol section 4), bound to the fields of e. It is the one
// place that knows them; .env.example and the documents are held against it.
func (e *env) keys() []key {
	s, p, l := &e.Settings, &e.place, &e.Limits
	return []key{
		{"USE_REDIS_COLLABORATION", "false", boolean(&s.RedisCollaboration)},
		{"USE_REDIS_WEBSOCKETS", "false", boolean(&s.RedisWebsockets)},
		{"USE_REDIS_EVENT_ORDERING", "false", boolean(&s.RedisEventOrdering)},

		{"REDIS_URL", "", redisURL(&e.url)},
		{"REDIS_HOST", "localhost", host(&p.host)},
		{"REDIS_PORT", "6379", number(&p.port, 1, 65535)},
		{"REDIS_USERNAME", "", text(&p.username, 0)},
		{"REDIS_PASSWORD", "", secret(&p.password)},
		{"REDIS_DB", "0", number(&p.db, 0, maxNumber)},
		{"REDIS_TLS", "false", boolean(&p.tls)},
		{"REDIS_MODE", "single", choice(&s.Redis.Mode, "single", "sentinel", "cluster")},
		{"REDIS_ADDRS", "", addresses(&e.addrs)},
		{"REDIS_MASTER_NAME", "", text(&s.Redis.MasterName, 0)},
		{"REDIS_KEY_PREFIX", "flow", prefix(&s.Redis.Prefix)},
		{"REDIS_SESSION_TTL", "3600", duration(&s.SessionTTL)},
		{"REDIS_OPERATION_TTL", "24h", duration(&s.OperationTTL)},
		{"REDIS_OPERATION_LIMIT", "10000", number(&s.OperationLimit, 1, maxNumber)},
		{"REDIS_TIMEOUT", "500ms", duration(&s.Redis.Timeout)},

		{"COLLAB_OUTAGE", "relay", choice(&s.Outage, flow.OutageRelay, flow.OutageHold, flow.OutageReject)},
		{"COLLAB_JWT_SECRET", "", secret(&s.JWTSecret)},
		{"COLLAB_JWKS_FILE", "", text(&s.JWKSFile, 0)},
		{"COLLAB_ANONYMOUS", "false", boolean(&s.Anonymous)},
		{"COLLAB_ALLOWED_ORIGINS", "", origins(&s.AllowedOrigins)},
		{"COLLAB_ADMIN_TOKEN", "", secret(&s.AdminToken)},
		{"COLLAB_SECRET", "", secrets(&s.Secrets)},

		{"COLLAB_MESSAGE_BYTES", "65536", number(&l.MessageBytes, 1, maxNumber)},
		{"COLLAB_PRESENCE_BYTES", "4096", number(&l.PresenceBytes, 1, maxNumber)},
		{"COLLAB_OPS_PER_SECOND", "50", number(&l.OpsPerSecond, 1, maxNumber)},
		{"COLLAB_EVENTS_PER_SECOND", "50", number(&l.EventsPerSecond, 1, maxNumber)},
		{"COLLAB_PRESENCE_PER_SECOND", "60", number(&l.PresencePerSecond, 1, maxNumber)},
		{"COLLAB_ROOMS", "32", number(&l.Rooms, 1, maxNumber)},
		{"COLLAB_PARTICIPANTS", "1000", number(&l.Participants, 1, maxNumber)},
		{"COLLAB_PENDING", "256", number(&l.Pending, 1, maxNumber)},

		{"COLLAB_HEARTBEAT", "25s", duration(&s.Heartbeat)},
		{"COLLAB_TIMEOUT", "60s", duration(&s.Timeout)},
		{"COLLAB_AUTH_TIMEOUT", "10s", duration(&s.AuthTimeout)},
		{"COLLAB_DRAIN", "15s", duration(&s.Drain)},
		{"COLLAB_GRACE", "2s", duration(&s.Grace)},
		{"COLLAB_PRESENCE_TTL", "15s", duration(&s.PresenceTTL)},
		{"COLLAB_POSITION_CHECK", "5s", duration(&s.PositionCheck)},

		{"COLLAB_INSTANCE", "", text(&s.Instance, 64)},
		{"PORT", "3000", number(&s.Port, 0, 65535)},
	}
}

// parseSettings reads every key and reports all problems together.
func parseSettings(lookup func(name string) string) (Settings, error) {
	var e env
	var problems []error
	set := map[string]bool{}
	for _, k := range e.keys() {
		given := k.trim(lookup(k.name))
		set[k.name] = given != ""
		if given == "" {
			given = k.def
		}
		if given != "" && !k.read(given) {
			problems = append(problems, fmt.Errorf("%s=%s: expected %s", k.name, k.show(given), k.want))
		}
	}
	if len(problems) == 0 {
		problems = e.resolve(set)
	}
	if len(problems) > 0 {
		return Settings{}, fmt.Errorf("read the settings: %w", errors.Join(problems...))
	}
	return e.Settings, nil
}

// resolve settles what several keys decide together.
func (e *env) resolve(set map[string]bool) []error {
	e.resolveRedis(set)
	var problems []error
	conflict := func(bad bool, format string, args ...any) {
		if bad {
			problems = append(problems, fmt.Errorf(format, args...))
		}
	}
	r := e.Redis
	conflict(r.Mode == "sentinel" && r.MasterName == "",
		"REDIS_MASTER_NAME is unset: expected the master's name, because REDIS_MODE is sentinel")
	conflict(r.Mode == "sentinel" && len(e.addrs) == 0,
		"REDIS_ADDRS is unset: expected the sentinels' addresses, because REDIS_MODE is sentinel")
	conflict(r.Mode == "cluster" && r.DB != 0,
		"REDIS_DB=%d: expected 0, because REDIS_MODE is cluster", r.DB)
	conflict(e.JWTSecret != "" && e.JWKSFile != "",
		"COLLAB_JWKS_FILE=%q: expected to be unset, because COLLAB_JWT_SECRET is set", e.JWKSFile)
	conflict(e.Timeout <= e.Heartbeat,
		"COLLAB_TIMEOUT=%v: expected more than COLLAB_HEARTBEAT, which is %v", e.Timeout, e.Heartbeat)
	return problems
}

// readEnvFile reads KEY=value lines. The file does not have to exist.
func readEnvFile(path string) (map[string]string, error) {
	data, err := os.ReadFile(path) //nolint:gosec // the path is the application's own choice
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the settings: %w", err)
	}
	values, err := godotenv.UnmarshalBytes(data)
	if err != nil {
		// The parser's own error quotes the rest of the file, secrets included.
		return nil, fmt.Errorf("read the settings: %s, line %d: expected KEY=value", path, badLine(string(data)))
	}
	return values, nil
}

// badLine returns the number of the line after the longest readable beginning of the file.
func badLine(file string) int {
	lines := strings.SplitAfter(file, "\n")
	for n := len(lines) - 1; n > 0; n-- {
		if _, err := godotenv.Unmarshal(strings.Join(lines[:n], "")); err == nil {
			return n + 1
		}
	}
	return 1
}

func lookupProcess(key string) (string, bool) { return os.LookupEnv(key) }
