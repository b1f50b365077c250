package middleware

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/memx"
	"github.com/fiberflow/flow/redisx"
)

// Open reads the settings, picks the backends, and opens the hub. The caller closes it.
//
// The error is about the settings, and names every key that is wrong. A Redis that is away is none: see the
// package's comment.
func Open(config Config) (*flow.Hub, error) {
	cfg := configDefault(config)
	o := &opening{log: cfg.Logger}
	if err := o.read(cfg); err != nil {
		return nil, err
	}
	verify, err := o.verifier(cfg)
	if err != nil {
		return nil, err
	}
	if verify == nil && cfg.Authenticate == nil && !o.Anonymous {
		o.log.Warn("nobody can come in: no token setting, no Authenticate hook, no COLLAB_ANONYMOUS")
	}
	if err := o.connect(cfg); err != nil {
		return nil, err
	}
	closed := func() {}
	if o.conn != nil {
		closed = o.closeRedis
	}
	hub, err := flow.New(o.hubConfig(cfg, verify, closed))
	if err != nil {
		closed()
		return nil, err
	}
	o.report()
	return hub, nil
}

// opening is what Open gathers on its way to a hub.
type opening struct {
	Settings
	log       *slog.Logger
	keys      *signingKeys
	conn      *redisx.Conn // nil: no subsystem is on Redis
	agreement *agreement   // nil: no other instance needs a key of this one

	sessions flow.SessionStore
	bus      flow.Bus
	ordering ordering
	meter    flow.Meter // nil: no other instance counts with this one
}

// ordering is the subsystem, whose three parts a backend keeps in one place: they are told to be away, and
// a room's are deleted, together.
type ordering interface {
	flow.Log
	flow.Leases
	flow.Cursors
}

// read takes the settings from the code or from the environment, and tells what is odd about them.
func (o *opening) read(cfg Config) error {
	if cfg.Settings != nil {
		o.Settings = *cfg.Settings
	} else {
		settings, err := LoadSettings(cfg)
		if err != nil {
			return err
		}
		o.Settings = settings
	}
	for _, i := range o.ignored {
		o.log.Warn("settings have no effect", "keys", i.keys, "because", i.because)
	}
	if o.Anonymous {
		o.log.Warn("COLLAB_ANONYMOUS is true: everybody may come in without credentials")
	}
	if len(o.Secrets) == 0 {
		o.log.Warn("COLLAB_SECRET is unset: the key that signs resume tokens is drawn at start",
			"shared_through_redis", o.RedisCollaboration)
	}
	if keys := o.shortSecrets(); len(keys) > 0 {
		o.log.Warn("secrets can be guessed: use 32 random bytes for each", "keys", keys)
	}
	if o.trustsEverybody() {
		o.log.Warn("COLLAB_TRUSTED_PROXIES has everybody in it: a client can say any address is its own")
	}
	o.keys = newSigningKeys(o.Secrets)
	return nil
}

func (o *opening) verifier(cfg Config) (func(context.Context, string) (flow.User, error), error) {
	if cfg.VerifyToken == nil {
		return tokenVerifier(o.Settings, o.log)
	}
	if o.JWTSecret != "" || o.JWKSFile != "" {
		o.log.Warn("settings have no effect", "keys", []string{
			"COLLAB_JWT_SECRET", "COLLAB_JWKS_FILE", "COLLAB_JWT_ISSUER", "COLLAB_JWT_AUDIENCE", "COLLAB_JWT_MAX_AGE",
		},
			"because", "the application checks tokens itself")
	}
	return cfg.VerifyToken, nil
}

// connect picks the backend of each subsystem, and reaches for Redis if any is there.
func (o *opening) connect(cfg Config) error {
	o.sessions = memx.NewSessionStore(memx.SessionConfig{SessionTTL: o.SessionTTL, InstanceTTL: o.PresenceTTL})
	o.bus = memx.NewBus()
	o.ordering = memx.NewLog(memx.LogConfig{
		OperationLimit: o.OperationLimit, OperationTTL: o.OperationTTL, SessionTTL: o.SessionTTL,
		MaxBytes: int64(o.LogBytes),
	})
	if !o.UsesRedis() {
		return nil
	}
	conn, err := redisx.Open(context.Background(), o.redisConfig(cfg))
	if err != nil {
		return fmt.Errorf("open redis: %w", err)
	}
	o.conn = conn
	if o.RedisCollaboration {
		o.sessions = redisx.NewSessionStore(conn)
		o.meter = redisx.NewMeter(conn)
	}
	if o.RedisWebsockets {
		o.bus = redisx.NewBus(conn)
	}
	if o.RedisEventOrdering {
		o.ordering = redisx.NewLog(conn)
	}
	o.reach(cfg.Redis != nil)
	return nil
}

// reach looks whether Redis is there, and tells. One that is away is the business of each backend, which
// looks for it by itself.
func (o *opening) reach(borrowed bool) {
	place := []any{"addr", o.conn.Addr(), "prefix", o.Redis.Prefix}
	if !borrowed {
		place = append(place, "mode", o.Redis.Mode, "db", o.Redis.DB, "tls", o.Redis.TLS)
	}
	if err := o.ask(); err != nil {
		o.log.Warn("redis cannot be reached, going on in memory until it answers",
			append(place, "reason", err.Error())...)
	} else {
		o.log.Info("redis connected", place...)
	}
	if o.RedisCollaboration && len(o.Secrets) == 0 {
		o.agreement = &agreement{conn: o.conn, keys: o.keys, log: o.log}
		o.agreement.start()
	}
}

// ask returns why Redis does not answer; nil when it does.
func (o *opening) ask() error {
	if o.conn.Health().State == flow.Live {
		return nil
	}
	return o.conn.Ping(context.Background())
}

// closeRedis runs when the hub has ended.
func (o *opening) closeRedis() {
	if o.agreement != nil {
		o.agreement.stop()
	}
	if err := o.conn.Close(); err != nil {
		o.log.Warn("closing redis failed", "error", err)
	}
}

func (o *opening) hubConfig(
	cfg Config, verify func(context.Context, string) (flow.User, error), closed func(),
) flow.Config {
	return flow.Config{
		Sessions: o.sessions, Bus: o.bus, Log: o.ordering, Leases: o.ordering, Cursors: o.ordering,
		Instance: o.instance(), Logger: o.log, Secrets: o.keys.all, Limits: o.Limits,
		Heartbeat: o.Heartbeat, Timeout: o.Timeout, AuthTimeout: o.AuthTimeout, Drain: o.Drain, Grace: o.Grace,
		PresenceTTL: o.PresenceTTL, SessionTTL: o.SessionTTL, PositionCheck: o.PositionCheck,
		Outage: o.Outage, Anonymous: o.Anonymous, AllowedOrigins: o.AllowedOrigins, RequireOrigin: o.RequireOrigin,
		TrustedProxies: o.TrustedProxies, AdminToken: string(o.AdminToken), Quotas: o.Quotas, Meter: o.meter,
		Reductions: cfg.Reductions, SnapshotEvery: o.snapshotEvery(cfg), SnapshotInterval: cfg.SnapshotInterval,
		Authenticate: cfg.Authenticate, VerifyToken: verify, Admin: cfg.Admin, Authorize: cfg.Authorize,
		OnOperation: cfg.OnOperation, OnCommitted: cfg.OnCommitted, OnRoomOpen: cfg.OnRoomOpen,
		OnRoomIdle: cfg.OnRoomIdle, OnJoin: cfg.OnJoin, OnLeave: cfg.OnLeave, OnDataLoss: cfg.OnDataLoss,
		OnClosed: closed,
	}
}

// snapshotEvery has a log that keeps few operations get a new snapshot before it has forgotten those
// after the last.
func (o *opening) snapshotEvery(cfg Config) int {
	if cfg.SnapshotEvery != 0 || o.OperationLimit == 0 {
		return cfg.SnapshotEvery
	}
	return min(max(o.OperationLimit/2, 1), 500)
}

// instance keeps the children of a prefork apart: they all read the same COLLAB_INSTANCE.
func (o *opening) instance() string {
	if o.Instance == "" || !fiber.IsChild() {
		return o.Instance
	}
	pid := strconv.Itoa(os.Getpid())
	name := o.Instance[:min(len(o.Instance), 63-len(pid))]
	return strings.ToValidUTF8(name, "") + "-" + pid
}

// report says which backend serves each subsystem.
func (o *opening) report() {
	var inMemory []string
	for _, s := range []flow.Subsystem{
		{Name: "collaboration", Health: o.sessions.Health()},
		{Name: "websockets", Health: o.bus.Health()},
		{Name: "ordering", Health: o.ordering.Health("")},
	} {
		o.log.Info("subsystem ready", "subsystem", s.Name, "backend", s.Backend, "state", string(s.State))
		if s.Backend == "memory" {
			inMemory = append(inMemory, s.Name)
		}
	}
	if len(inMemory) > 0 && fiber.IsChild() {
		o.log.Warn("prefork runs several processes, and what is in memory is not shared between them",
			"in_memory", inMemory)
	}
}
