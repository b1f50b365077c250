package redisx

import (
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// newClient opens a client of the kind that the mode asks for. go-redis' defaults let a call hang for
// ten seconds and repeat commands that may have been executed; here every wait has the one bound, and
// nothing is repeated, but by a Cluster's client, which asks another node until time is up: all
// commands that it gets may be executed twice.
func newClient(c Config) redis.UniversalClient {
	o := redis.UniversalOptions{
		Addrs: c.Addrs, MasterName: c.MasterName,
		Username: c.Username, Password: c.Password, DB: c.DB,
		Dialer: dialer(c.TLS, c.Timeout),

		MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true,
		DialTimeout: c.Timeout, ReadTimeout: c.Timeout, WriteTimeout: c.Timeout, PoolTimeout: c.Timeout,

		PipelinePoolSize: -1, // one pool for all: its connections are what is watched
		// Neither is known to the versions of Redis we support; each would be one more command for
		// every connection.
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	switch c.Mode {
	case Sentinel:
		return redis.NewFailoverClient(o.Failover())
	case Cluster:
		options := o.Cluster()
		options.DisableRoutingPolicies = true // they cost a COMMAND, and every key here is plain
		return redis.NewClusterClient(options)
	default:
		return redis.NewClient(o.Simple())
	}
}

// addrOf says where a client connects to, for logs.
func addrOf(c Config) string {
	switch client := c.Client.(type) {
	case nil:
		return strings.Join(c.Addrs, ",")
	case *redis.Client:
		return client.Options().Addr
	case *redis.ClusterClient:
		return strings.Join(client.Options().Addrs, ",")
	default:
		return "the application's client"
	}
}
