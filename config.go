package flow

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Config is what a [Hub] needs. The three backends are required, everything else has a default.
type Config struct {
	Sessions SessionStore // subsystem collaboration
	Bus      Bus          // subsystem websockets
	Log      Log          // subsystem ordering
	// Leases are those of the Log. Default: none, and locks are [CodeUnavailable].
	Leases Leases
	// Cursors are those of the Log. They are required with OnCommitted, and so are Leases.
	Cursors Cursors

	// Instance names this process among its peers, 1 to 64 bytes. Default: random.
	Instance string
	// Logger receives what operators should know. Default: slog.Default().
	Logger *slog.Logger
	// Secrets returns the keys that sign resume tokens, at least one: the first signs, all verify. It is
	// called often, from many goroutines. Default: one key, drawn at start.
	Secrets func() [][]byte
	// Limits bounds what one client may do. Zero fields take the default.
	Limits Limits
	// Quotas bounds what users, addresses, rooms and the instance may have and do. Zero fields take the
	// default.
	Quotas Quotas
	// Meter shares the buckets of users between instances. Default: none, each has its own.
	Meter Meter

	Heartbeat     time.Duration // between pings to a socket; default 25s
	Timeout       time.Duration // without a sign of life ends a socket; default 60s
	AuthTimeout   time.Duration // for the first auth message; default 10s
	Drain         time.Duration // bound of Close; default 15s
	Grace         time.Duration // before a lost socket's session leaves the list; default 2s
	PresenceTTL   time.Duration // before a silent instance's participants vanish; default 15s
	SessionTTL    time.Duration // how long a session can be resumed; default 1h
	PositionCheck time.Duration // between looks at the logs of open rooms, 10 at a time; default 5s

	// Reductions give rooms their reducers; the first whose pattern matches counts. All instances need
	// the same. Default: none, and snapshots are asked of clients.
	Reductions []Reduction
	// SnapshotEvery is after how many operations a room gets a new snapshot. Default: 500.
	SnapshotEvery int
	// SnapshotBytes bounds a snapshot that a client or the application stores. Default: 4 MiB.
	SnapshotBytes int
	// SnapshotInterval is after what time it gets one, if there was any operation. Default: 5m.
	SnapshotInterval time.Duration

	// Outage says what happens to operations while the log is away. Default: OutageRelay.
	Outage Outage
	// OnDataLoss is told when confirmed operations of a room are gone from the log and this instance
	// cannot restore them; count is how many, as far as it can tell: their authors may still bring some
	// back. It runs on a goroutine of the hub.
	OnDataLoss func(room string, count uint64)

	// Anonymous lets sockets and requests without credentials in, as a user of their own.
	Anonymous bool
	// AllowedOrigins are scheme://host[:port] entries, "*." before the host for sub-domains.
	// Default: the same host only.
	AllowedOrigins []string
	// RequireOrigin refuses requests to the socket that name no Origin. Default: they pass, as native
	// clients send none, and a browser always sends one.
	RequireOrigin bool
	// TrustedProxies are the networks whose X-Forwarded-For is believed. Default: none, and the address
	// of a client is that of its connection.
	TrustedProxies []netip.Prefix
	// AdminToken, as a bearer token, acts as the user "admin" and owner of every room. Default: none.
	AdminToken string

	// Authenticate looks at the application's own credentials. It returns nil and no error when there
	// are none, and the next source decides; an error refuses the client with 401.
	Authenticate func(ctx context.Context, r Request) (*User, error)
	// VerifyToken checks a bearer token. Default: no token is ever good.
	VerifyToken func(ctx context.Context, token string) (User, error)
	// Admin says whether a request may use the admin routes. Default: only AdminToken may.
	Admin func(ctx context.Context, r Request) (bool, error)
	// Authorize says what a user may do in a room. It is called at join, at auth and on every REST
	// request. An *Error refuses with its code; any other error is logged, and the client may try
	// again. Default: everybody is Editor everywhere.
	Authorize func(ctx context.Context, user User, room string) (Access, error)
	// OnOperation is asked before an operation goes to the log, and may replace its data. An error
	// refuses it: [CodeRejected] with the message of an *Error, or with a neutral one; after
	// [CodeUnavailable] the author tries again. It runs on the goroutine that reads the author's socket,
	// which waits. What was taken before is not asked about when it is sent again.
	OnOperation func(ctx context.Context, p *Proposal) error
	// OnCommitted are the consumers of what is confirmed. All instances need the same: what one without a group
	// writes waits for it until the room is open on an instance that has it.
	OnCommitted []Consumer
	// OnRoomOpen is told when this instance begins to serve a room, OnRoomIdle when it has let go of one
	// that nobody used for half a minute, or that was deleted; Close tells of none. Each room's calls come
	// one after the other, on goroutines of the hub; they may use the hub. ctx ends with the hub.
	OnRoomOpen func(ctx context.Context, room string)
	OnRoomIdle func(ctx context.Context, room string)
	// OnJoin is told of a participant of this instance right after it joined, OnLeave when it is gone.
	// They run on the goroutine that caused it and should return soon.
	OnJoin  func(room string, p Participant)
	OnLeave func(room string, p Participant, reason LeaveReason)
	// OnClosed is called once, at the very end of Close: for backends that live as long as the hub.
	OnClosed func()
}

// Limits bounds what one client may do. They are told to every client in welcome.
type Limits struct {
	MessageBytes      int `json:"messageBytes"`      // one message; default 65536
	PresenceBytes     int `json:"presenceBytes"`     // a session's merged presence; default 4096
	OpsPerSecond      int `json:"opsPerSecond"`      // of a session, burst twice that; default 50
	EventsPerSecond   int `json:"eventsPerSecond"`   // of a session, burst twice that; default 50
	PresencePerSecond int `json:"presencePerSecond"` // of a session, burst twice that; default 60
	Rooms             int `json:"rooms"`             // joined by one socket; default 32
	Participants      int `json:"participants"`      // of one room; default 1000
	Pending           int `json:"pending"`           // unconfirmed operations of a session; default 256
}

// String tells nothing but the instance: secrets must not be printed by accident.
func (c Config) String() string { return "flow.Config of " + c.Instance }

// GoString returns what String returns.
func (c Config) GoString() string { return c.String() }

// LogValue returns what String returns.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// withDefaults returns c with every unset field filled in.
func (c Config) withDefaults() Config {
	if c.Instance == "" {
		c.Instance = newID()
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Secrets == nil {
		drawn := [][]byte{[]byte(rand.Text())}
		c.Secrets = func() [][]byte { return drawn }
	}
	if c.Authorize == nil {
		c.Authorize = func(context.Context, User, string) (Access, error) { return Editor, nil }
	}
	c.Outage = or(c.Outage, OutageRelay)
	c.SnapshotEvery = or(c.SnapshotEvery, 500)
	c.SnapshotBytes = or(c.SnapshotBytes, 4<<20)
	c.SnapshotInterval = or(c.SnapshotInterval, 5*time.Minute)
	c.Reductions = slices.Clone(c.Reductions)
	for i := range c.Reductions {
		c.Reductions[i].MaxBytes = or(c.Reductions[i].MaxBytes, maxState)
	}
	c.Limits = c.Limits.withDefaults()
	c.Quotas = c.Quotas.withDefaults(c.Limits)
	c.Heartbeat = or(c.Heartbeat, 25*time.Second)
	c.Timeout = or(c.Timeout, 60*time.Second)
	c.AuthTimeout = or(c.AuthTimeout, 10*time.Second)
	c.Drain = or(c.Drain, 15*time.Second)
	c.Grace = or(c.Grace, 2*time.Second)
	c.PresenceTTL = or(c.PresenceTTL, 15*time.Second)
	c.SessionTTL = or(c.SessionTTL, time.Hour)
	c.PositionCheck = or(c.PositionCheck, 5*time.Second)
	return c
}

func (l Limits) withDefaults() Limits {
	return Limits{
		MessageBytes:      or(l.MessageBytes, 65536),
		PresenceBytes:     or(l.PresenceBytes, 4096),
		OpsPerSecond:      or(l.OpsPerSecond, 50),
		EventsPerSecond:   or(l.EventsPerSecond, 50),
		PresencePerSecond: or(l.PresencePerSecond, 60),
		Rooms:             or(l.Rooms, 32),
		Participants:      or(l.Participants, 1000),
		Pending:           or(l.Pending, 256),
	}
}

// validate names the first field that cannot work.
func (c Config) validate() error {
	if c.Sessions == nil || c.Bus == nil || c.Log == nil {
		return errors.New("flow: Config.Sessions, Config.Bus and Config.Log are required")
	}
	if len(c.Instance) > 64 {
		return fmt.Errorf("flow: Config.Instance has %d bytes, at most 64 are allowed", len(c.Instance))
	}
	if strings.ContainsFunc(c.Instance, unicode.IsControl) { // a line feed ends it on the bus
		return fmt.Errorf("flow: Config.Instance is %q, it must not have control characters", c.Instance)
	}
	if keys := c.Secrets(); len(keys) == 0 || len(keys[0]) == 0 {
		return errors.New("flow: Config.Secrets returned no key to sign with")
	}
	if c.Outage != OutageRelay && c.Outage != OutageHold && c.Outage != OutageReject {
		return fmt.Errorf("flow: Config.Outage is %q, expected relay, hold or reject", c.Outage)
	}
	for name, d := range map[string]time.Duration{
		"Heartbeat": c.Heartbeat, "Timeout": c.Timeout, "AuthTimeout": c.AuthTimeout, "Drain": c.Drain,
		"Grace": c.Grace, "PresenceTTL": c.PresenceTTL, "SessionTTL": c.SessionTTL, "PositionCheck": c.PositionCheck,
		"SnapshotInterval": c.SnapshotInterval,
	} {
		if d < 0 {
			return fmt.Errorf("flow: Config.%s is %v, expected a positive duration", name, d)
		}
	}
	snapshots := map[string]int{"SnapshotEvery": c.SnapshotEvery, "SnapshotBytes": c.SnapshotBytes}
	if err := atLeastOne("Config", snapshots); err != nil {
		return err
	}
	if err := c.validateConsumers(); err != nil {
		return err
	}
	for _, r := range c.Reductions {
		if err := r.validate(); err != nil {
			return fmt.Errorf("flow: Config.Reductions: %w", err)
		}
	}
	for _, o := range c.AllowedOrigins {
		if _, err := parseOrigin(o); err != nil {
			return fmt.Errorf("flow: Config.AllowedOrigins: %w", err)
		}
	}
	return errors.Join(c.Limits.validate(), c.Quotas.validate())
}

func (c Config) validateConsumers() error {
	if len(c.OnCommitted) > 0 && (c.Leases == nil || c.Cursors == nil) {
		return errors.New("flow: Config.OnCommitted needs Config.Leases and Config.Cursors")
	}
	groups := map[string]bool{}
	for _, consumer := range c.OnCommitted {
		if err := consumer.validate(); err != nil {
			return fmt.Errorf("flow: Config.OnCommitted: %w", err)
		}
		if groups[consumer.Group] {
			return fmt.Errorf("flow: Config.OnCommitted has two consumers of group %q", consumer.Group)
		}
		groups[consumer.Group] = true
	}
	return nil
}

func (l Limits) validate() error {
	return atLeastOne("Config.Limits", map[string]int{
		"MessageBytes": l.MessageBytes, "PresenceBytes": l.PresenceBytes, "OpsPerSecond": l.OpsPerSecond,
		"EventsPerSecond": l.EventsPerSecond, "PresencePerSecond": l.PresencePerSecond, "Rooms": l.Rooms,
		"Participants": l.Participants, "Pending": l.Pending,
	})
}

// atLeastOne names a field whose value is less than that.
func atLeastOne(parent string, fields map[string]int) error {
	for name, v := range fields {
		if v < 1 {
			return fmt.Errorf("flow: %s.%s is %d, expected at least 1", parent, name, v)
		}
	}
	return nil
}

// or returns v, or the default when v is zero.
func or[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}
