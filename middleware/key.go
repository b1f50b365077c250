package middleware

import (
	"fmt"
	"math"
	"slices"

	"github.com/fiberflow/flow"
)

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

// keys lists every key of the contract (protocol section 4), bound to the fields of e. This file is the
// one place that knows them; .env.example and the documents are held against it.
func (e *env) keys() []key {
	return slices.Concat(e.redisKeys(), e.accessKeys(), e.limitKeys(), e.quotaKeys(), e.timeKeys(), e.processKeys())
}

func (e *env) redisKeys() []key {
	s, p := &e.Settings, &e.place
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
	}
}

func (e *env) accessKeys() []key {
	s := &e.Settings
	return []key{
		{"COLLAB_JWT_SECRET", "", secret(&s.JWTSecret)},
		{"COLLAB_JWKS_FILE", "", text(&s.JWKSFile, 0)},
		{"COLLAB_JWT_ISSUER", "", text(&s.JWTIssuer, 0)},
		{"COLLAB_JWT_AUDIENCE", "", text(&s.JWTAudience, 0)},
		{"COLLAB_JWT_MAX_AGE", "", duration(&s.JWTMaxAge)},
		{"COLLAB_ANONYMOUS", "false", boolean(&s.Anonymous)},
		{"COLLAB_ALLOWED_ORIGINS", "", origins(&s.AllowedOrigins)},
		{"COLLAB_ALLOW_MISSING_ORIGIN", "true", opposite(&s.RequireOrigin)},
		{"COLLAB_TRUSTED_PROXIES", "", networks(&s.TrustedProxies)},
		{"COLLAB_ADMIN_TOKEN", "", secret(&s.AdminToken)},
		{"COLLAB_SECRET", "", secrets(&s.Secrets)},
	}
}

func (e *env) limitKeys() []key {
	l := &e.Limits
	return []key{
		{"COLLAB_MESSAGE_BYTES", "65536", number(&l.MessageBytes, 1, maxNumber)},
		{"COLLAB_PRESENCE_BYTES", "4096", number(&l.PresenceBytes, 1, maxNumber)},
		{"COLLAB_OPS_PER_SECOND", "50", number(&l.OpsPerSecond, 1, maxNumber)},
		{"COLLAB_EVENTS_PER_SECOND", "50", number(&l.EventsPerSecond, 1, maxNumber)},
		{"COLLAB_PRESENCE_PER_SECOND", "60", number(&l.PresencePerSecond, 1, maxNumber)},
		{"COLLAB_ROOMS", "32", number(&l.Rooms, 1, maxNumber)},
		{"COLLAB_PARTICIPANTS", "1000", number(&l.Participants, 1, maxNumber)},
		{"COLLAB_PENDING", "256", number(&l.Pending, 1, maxNumber)},
	}
}

// quotaKeys have no default here where it follows from other settings: the hub knows how.
func (e *env) quotaKeys() []key {
	q := &e.Quotas
	return []key{
		{"COLLAB_SOCKETS", "100000", number(&q.Sockets, 1, maxNumber)},
		{"COLLAB_USER_SOCKETS", "10000", number(&q.UserSockets, 1, maxNumber)},
		{"COLLAB_ADDRESS_SOCKETS", "1000", number(&q.AddressSockets, 1, maxNumber)},
		{"COLLAB_UNAUTHENTICATED", "10000", number(&q.Unauthenticated, 1, maxNumber)},
		{"COLLAB_OPEN_ROOMS", "100000", number(&q.OpenRooms, 1, maxNumber)},
		{"COLLAB_SOCKET_BYTES_PER_SECOND", "", number(&q.SocketBytesPerSecond, 1, maxNumber)},
		{"COLLAB_USER_MESSAGES_PER_SECOND", "", number(&q.UserMessagesPerSecond, 1, maxNumber)},
		{"COLLAB_USER_BYTES_PER_SECOND", "", number(&q.UserBytesPerSecond, 1, maxNumber)},
		{"COLLAB_USER_JOINS_PER_SECOND", "1000", number(&q.UserJoinsPerSecond, 1, maxNumber)},
		{"COLLAB_USER_REQUESTS_PER_SECOND", "100", number(&q.UserRequestsPerSecond, 1, maxNumber)},
		{"COLLAB_ADDRESS_REQUESTS_PER_SECOND", "500", number(&q.AddressRequestsPerSecond, 1, maxNumber)},
		{"COLLAB_ROOM_MESSAGES_PER_SECOND", "", number(&q.RoomMessagesPerSecond, 1, maxNumber)},
		{"COLLAB_ROOM_JOINS_PER_SECOND", "1000", number(&q.RoomJoinsPerSecond, 1, maxNumber)},
		{"COLLAB_LOG_BYTES", "1073741824", number(&e.LogBytes, 1, math.MaxInt)},
	}
}

func (e *env) timeKeys() []key {
	s := &e.Settings
	return []key{
		{"COLLAB_HEARTBEAT", "25s", duration(&s.Heartbeat)},
		{"COLLAB_TIMEOUT", "60s", duration(&s.Timeout)},
		{"COLLAB_AUTH_TIMEOUT", "10s", duration(&s.AuthTimeout)},
		{"COLLAB_DRAIN", "15s", duration(&s.Drain)},
		{"COLLAB_GRACE", "2s", duration(&s.Grace)},
		{"COLLAB_PRESENCE_TTL", "15s", duration(&s.PresenceTTL)},
		{"COLLAB_POSITION_CHECK", "5s", duration(&s.PositionCheck)},
	}
}

func (e *env) processKeys() []key {
	return []key{
		{"COLLAB_INSTANCE", "", text(&e.Instance, 64)},
		{"PORT", "3000", number(&e.Port, 0, 65535)},
	}
}

// resolve settles what several keys decide together.
func (e *env) resolve(set map[string]bool) []error {
	e.resolveRedis(set)
	e.resolveTokens(set)
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

// resolveTokens warns of what is asked of tokens that nobody can check.
func (e *env) resolveTokens(set map[string]bool) {
	if e.JWTSecret != "" || e.JWKSFile != "" {
		return
	}
	var keys []string
	for _, name := range []string{"COLLAB_JWT_ISSUER", "COLLAB_JWT_AUDIENCE", "COLLAB_JWT_MAX_AGE"} {
		if set[name] {
			keys = append(keys, name)
		}
	}
	if len(keys) > 0 {
		e.ignored = append(e.ignored, ignored{keys, "neither COLLAB_JWT_SECRET nor COLLAB_JWKS_FILE is set"})
	}
}
