package middleware

import (
	"net/netip"
	"slices"
	"time"

	"github.com/fiberflow/flow"
)

// Settings is what the environment says: one field for every key, named beside it, with the default
// that [LoadSettings] fills in. An application may change them before it hands them to [Open], or write
// them as code: a field that is zero, other than Port, then means what an unset key means.
type Settings struct {
	RedisCollaboration bool // USE_REDIS_COLLABORATION; false: sessions in memory
	RedisWebsockets    bool // USE_REDIS_WEBSOCKETS; false: events stay on their instance
	RedisEventOrdering bool // USE_REDIS_EVENT_ORDERING; false: the log in memory

	Redis RedisSettings

	// These three hold for both backends, whatever their names say.

	SessionTTL     time.Duration // REDIS_SESSION_TTL; 1h
	OperationTTL   time.Duration // REDIS_OPERATION_TTL; 24h
	OperationLimit int           // REDIS_OPERATION_LIMIT; 10000 operations a room

	Outage flow.Outage // COLLAB_OUTAGE; relay

	JWTSecret   Secret        // COLLAB_JWT_SECRET; no HS256 tokens
	JWKSFile    string        // COLLAB_JWKS_FILE; no RS256, ES256 and EdDSA tokens
	JWTIssuer   string        // COLLAB_JWT_ISSUER, claim iss of every token; not looked at
	JWTAudience string        // COLLAB_JWT_AUDIENCE, which is in claim aud of every token; not looked at
	JWTMaxAge   time.Duration // COLLAB_JWT_MAX_AGE, how far away exp may be; anything
	Anonymous   bool          // COLLAB_ANONYMOUS; false

	AllowedOrigins []string // COLLAB_ALLOWED_ORIGINS; the same host only
	// RequireOrigin is the opposite of COLLAB_ALLOW_MISSING_ORIGIN, so that settings which were written
	// as code mean without it what an environment means without the key; false: who sends no Origin,
	// as native clients do and no browser does, may connect.
	RequireOrigin  bool
	TrustedProxies []netip.Prefix // COLLAB_TRUSTED_PROXIES, whose X-Forwarded-For is believed; none
	AdminToken     Secret         // COLLAB_ADMIN_TOKEN; none
	Secrets        []Secret       // COLLAB_SECRET; drawn at start

	Limits   flow.Limits // COLLAB_MESSAGE_BYTES and the seven beside it
	Quotas   flow.Quotas // COLLAB_SOCKETS and the twelve beside it
	LogBytes int         // COLLAB_LOG_BYTES that the log in memory may hold; 1 GiB

	Heartbeat     time.Duration // COLLAB_HEARTBEAT; 25s
	Timeout       time.Duration // COLLAB_TIMEOUT; 60s
	AuthTimeout   time.Duration // COLLAB_AUTH_TIMEOUT; 10s
	Drain         time.Duration // COLLAB_DRAIN; 15s
	Grace         time.Duration // COLLAB_GRACE; 2s
	PresenceTTL   time.Duration // COLLAB_PRESENCE_TTL; 15s
	PositionCheck time.Duration // COLLAB_POSITION_CHECK; 5s

	Instance string // COLLAB_INSTANCE; random
	Port     int    // PORT; 3000. For the application: nothing here listens

	ignored []ignored
}

// ignored are keys that are set and have no effect.
type ignored struct {
	keys    []string
	because string
}

// RedisSettings says where Redis is and how to speak to it. REDIS_URL, when set, has already won over
// the keys that it covers.
type RedisSettings struct {
	Mode       string   // REDIS_MODE; single, or sentinel, or cluster
	Addrs      []string // REDIS_ADDRS, else REDIS_URL, else REDIS_HOST and REDIS_PORT; localhost:6379
	MasterName string   // REDIS_MASTER_NAME; with sentinel
	Username   string   // REDIS_USERNAME; none
	Password   Secret   // REDIS_PASSWORD; none
	DB         int      // REDIS_DB; 0
	TLS        bool     // REDIS_TLS, or a rediss:// URL; false

	Prefix  string        // REDIS_KEY_PREFIX; flow
	Timeout time.Duration // REDIS_TIMEOUT of one command; 500ms
}

// UsesRedis reports whether any subsystem is asked to be on Redis.
func (s Settings) UsesRedis() bool {
	return s.RedisCollaboration || s.RedisWebsockets || s.RedisEventOrdering
}

// shortSecrets returns the keys whose secrets somebody could find by trying.
func (s Settings) shortSecrets() []string {
	const least = 16
	short := func(secret Secret) bool { return secret != "" && len(secret) < least }
	var keys []string
	if slices.ContainsFunc(s.Secrets, short) {
		keys = append(keys, "COLLAB_SECRET")
	}
	if short(s.JWTSecret) {
		keys = append(keys, "COLLAB_JWT_SECRET")
	}
	if short(s.AdminToken) {
		keys = append(keys, "COLLAB_ADMIN_TOKEN")
	}
	return keys
}

// trustsEverybody reports whether every address counts as a proxy's.
func (s Settings) trustsEverybody() bool {
	return slices.ContainsFunc(s.TrustedProxies, func(p netip.Prefix) bool { return p.Bits() == 0 })
}
