package redisx

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
)

// Why nothing is asked of Redis.
var (
	errClosed = errors.New("redisx: the connection is closed")
	errAway   = errors.New("redisx: redis is away")
)

// Conn is a client of Redis, and what the backends on it share. All methods are safe for concurrent use.
type Conn struct {
	config  Config
	client  redis.UniversalClient
	owned   bool                 // we opened the client, and close it
	cluster *redis.ClusterClient // the client, if it is that of a Cluster
	charted atomic.Pointer[[]string]
	key     keys
	// base looks at Redis until a backend does.
	base *subsystem
	// sessions is what the backends of the subsystem collaboration share, made by the first.
	sessions *subsystem
	shared   sync.Once

	// ctx ends when the Conn is closed; it is the parent of what runs in the background.
	ctx        context.Context //nolint:containedctx // the lifetime of our own goroutines
	cancel     context.CancelFunc
	mu         sync.Mutex // guards wg.Add against Wait
	closed     bool
	subsystems []*subsystem
	wg         sync.WaitGroup
}

// Open returns a connection, after a first look at Redis that is bounded by ctx and the timeout.
// The only errors are those of the configuration: a Redis that is away leaves the Conn degraded and
// looking for it. [Conn.Ping] tells why.
func Open(ctx context.Context, config Config) (*Conn, error) {
	config = config.withDefaults()
	if err := config.validate(); err != nil {
		return nil, err
	}
	c := &Conn{config: config, client: config.Client, key: keys{prefix: config.Prefix}}
	if c.client == nil {
		c.client, c.owned = newClient(config), true
	}
	c.cluster, _ = c.client.(*redis.ClusterClient)
	// Not the caller's: what runs in the background outlives this call.
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	c.base = newSubsystem(c, "", &proof{
		script: redis.NewScript(proveConnSource), names: proofNames, channel: proofChannel,
	}, false)
	if err := c.Ping(ctx); err != nil && givenUp(ctx) {
		// The caller left before Redis could answer, so nothing is known: suspect the worst.
		c.base.whole.trip(0, inDoubt, "no answer yet", err)
	}
	return c, nil
}

// adopt counts a subsystem as one of the Conn's, and reports whether there is something to inherit.
func (c *Conn) adopt(s *subsystem) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.name == "" {
		return false
	}
	c.subsystems = append(c.subsystems, s)
	if len(c.subsystems) == 1 {
		c.base.whole.retire()
	}
	return true
}

// serving returns the subsystems whose states are the Conn's.
func (c *Conn) serving() []*subsystem {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.subsystems) == 0 {
		return []*subsystem{c.base}
	}
	return slices.Clip(c.subsystems)
}

// servesSome reports whether any node of a Cluster is known to serve.
func (c *Conn) servesSome() bool {
	return slices.ContainsFunc(c.serving(), func(s *subsystem) bool { return s.spread && s.anyLive() != nil })
}

// Close ends what runs in the background, waits for it, and closes the client if Open made it. Calls
// then answer [flow.CodeUnavailable]. It may be called twice.
func (c *Conn) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		c.wg.Wait()
		return nil
	}
	c.closed = true
	c.mu.Unlock()

	c.base.close()
	for _, s := range c.serving() {
		s.close()
	}
	c.cancel()
	c.wg.Wait()
	if !c.owned {
		return nil
	}
	return c.client.Close()
}

// Addr says where Redis is, for logs.
func (c *Conn) Addr() string { return addrOf(c.config) }

// Health is the worst that any backend on the Conn knows about Redis; before the first is made, what the
// Conn does. It does no I/O.
func (c *Conn) Health() flow.Health {
	var all []flow.Health
	for _, s := range c.serving() {
		all = append(all, s.health())
	}
	return worst(all)
}

// Ping has Redis prove to every backend on the Conn that it works, whatever their states, and sets them by
// it; before the first is made, to the Conn. The error says in words for a log line where Redis is
// expected and what is wrong; no password is in it.
func (c *Conn) Ping(ctx context.Context) error {
	if c.ctx.Err() != nil {
		return errClosed
	}
	var mu sync.Mutex
	var failed error
	var running sync.WaitGroup
	for _, s := range c.serving() {
		for _, b := range s.all() {
			running.Go(func() {
				err := s.ping(ctx, b)
				if err == nil || errors.Is(err, errLeft) {
					return
				}
				kind, reason := c.classOf(err)
				mu.Lock()
				defer mu.Unlock()
				failed = fmt.Errorf("redis at %s, %s: %s", s.healthOf(b).Address, kind, reason)
			})
		}
	}
	running.Wait()
	return failed
}

// background starts a goroutine that Close waits for. It must end when c.ctx does. After Close nothing
// is started, and the result is false.
func (c *Conn) background(f func()) (started bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.wg.Go(f)
	}
	return !c.closed
}

// classOf is [classOf] for what this Conn can do: only a Cluster client can follow a moved key.
func (c *Conn) classOf(err error) (class, string) {
	kind, reason := classOf(err)
	if kind == moving && c.cluster == nil {
		return configuration, reason + " (the server belongs to a cluster)"
	}
	return kind, reason
}
