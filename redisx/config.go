package redisx

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
)

// Mode says what kind of Redis the addresses belong to.
type Mode string

// The modes of a connection.
const (
	Single   Mode = "single"   // one server
	Sentinel Mode = "sentinel" // Sentinels, which know the master
	Cluster  Mode = "cluster"  // nodes of a Redis Cluster
)

// Config says where Redis is and how it is used. The zero value is a server on localhost:6379.
type Config struct {
	// Client, if set, is used instead of opening one: the connection settings below are ignored, it
	// is not changed, and it stays open. A call that its timeouts let wait longer than Timeout is
	// left behind, and ends when they do; its retries may publish a message twice.
	Client redis.UniversalClient

	// Mode decides what Addrs mean, not their number. Default: Single.
	Mode Mode
	// Addrs are host:port of the server, of the Sentinels, or of some nodes of the Cluster. Default:
	// localhost:6379, in mode Sentinel localhost:26379.
	Addrs []string
	// MasterName is what the Sentinels call the master. Required in mode Sentinel.
	MasterName string
	// Username and Password, if set, are sent on every connection to Redis.
	Username, Password string
	// DB is the number of the database; a Cluster has only 0.
	DB int
	// TLS, if set, is spoken on every connection.
	TLS *tls.Config

	// Prefix begins every key. Default: flow.
	Prefix string
	// Timeout bounds every call. Default: 500ms.
	Timeout time.Duration

	// SessionTTL is how long an untouched session is kept. Default: 1h.
	SessionTTL time.Duration
	// InstanceTTL is how long an untouched instance is taken as alive. Default: 15s.
	InstanceTTL time.Duration
	// OperationTTL is how long a room's log lives after it was last written to, or a 128th less. Default: 24h.
	OperationTTL time.Duration
	// OperationLimit is how many operations a room keeps; see [flow.TrimFirst]. Default: 10,000.
	OperationLimit int
	// TombstoneTTL is how long a deleted room answers so. Default: 10min.
	TombstoneTTL time.Duration
	// KeyTTL is how long [flow.Batch.Key] makes a batch idempotent. Default: 24h.
	KeyTTL time.Duration
	// Settle is how long a log takes nothing new after a restore; negative: not at all. All instances
	// must agree on it, and only tests have a reason to change it. Default: [flow.SettleWindow].
	Settle time.Duration

	// Logger is told when Redis goes away and comes back. Default: slog.Default().
	Logger *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Mode == "" {
		c.Mode = Single
	}
	if len(c.Addrs) == 0 {
		c.Addrs = []string{"localhost:6379"}
		if c.Mode == Sentinel {
			c.Addrs = []string{"localhost:26379"}
		}
	}
	if c.Prefix == "" {
		c.Prefix = "flow"
	}
	if c.OperationLimit == 0 {
		c.OperationLimit = 10_000
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	for _, d := range []struct {
		value    *time.Duration
		fallback time.Duration
	}{
		{&c.Timeout, 500 * time.Millisecond},
		{&c.SessionTTL, time.Hour},
		{&c.InstanceTTL, 15 * time.Second},
		{&c.OperationTTL, 24 * time.Hour},
		{&c.TombstoneTTL, 10 * time.Minute},
		{&c.KeyTTL, 24 * time.Hour},
		{&c.Settle, flow.SettleWindow},
	} {
		if *d.value == 0 {
			*d.value = d.fallback
		}
	}
	return c
}

// validate names the first setting that cannot work, never its value where that may be secret.
func (c Config) validate() error {
	if _, ok := c.Client.(*redis.Ring); ok {
		return errors.New("redisx: a redis.Ring has no place where a channel and a script meet: use a Cluster")
	}
	switch c.Mode {
	case Single:
		if len(c.Addrs) > 1 && c.Client == nil {
			return fmt.Errorf("redisx: %d addresses in mode single, expected one (or mode cluster)", len(c.Addrs))
		}
	case Sentinel:
		if c.MasterName == "" && c.Client == nil {
			return errors.New("redisx: the name of the master is missing, mode sentinel needs it")
		}
	case Cluster:
		if c.DB != 0 && c.Client == nil {
			return fmt.Errorf("redisx: database %d in mode cluster, which has only 0", c.DB)
		}
	default:
		return fmt.Errorf("redisx: mode %q, expected single, sentinel or cluster", c.Mode)
	}
	if c.DB < 0 {
		return fmt.Errorf("redisx: database %d, expected 0 or more", c.DB)
	}
	// Braces would take the place of the rooms' hash tags.
	if !regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/~-]{0,63}$`).MatchString(c.Prefix) {
		return fmt.Errorf("redisx: key prefix %q, expected 1 to 64 letters, digits and ._:/~-", c.Prefix)
	}
	if c.OperationLimit < 1 {
		return fmt.Errorf("redisx: operation limit %d, expected at least 1", c.OperationLimit)
	}
	return c.validateDurations()
}

func (c Config) validateDurations() error {
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"timeout", c.Timeout},
		{"session TTL", c.SessionTTL},
		{"instance TTL", c.InstanceTTL},
		{"operation TTL", c.OperationTTL},
		{"tombstone TTL", c.TombstoneTTL},
		{"key TTL", c.KeyTTL},
	} {
		if d.value < time.Millisecond {
			return fmt.Errorf("redisx: %s %v, expected at least 1ms", d.name, d.value)
		}
	}
	return nil
}
