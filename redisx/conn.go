package redisx

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
)

// errClosed is why a closed Conn answers nothing.
var errClosed = errors.New("redisx: the connection is closed")

// Conn is a client of Redis that knows whether Redis works. All methods are safe for concurrent use.
type Conn struct {
	config  Config
	client  redis.UniversalClient
	owned   bool // we opened the client, and close it
	cluster bool
	key     keys
	breaker *breaker
	prove   *redis.Script
	doubt   chan struct{} // asks for a look at Redis now; holds one

	// ctx ends when the Conn is closed; it is the parent of what runs in the background.
	ctx    context.Context //nolint:containedctx // the lifetime of our own goroutines
	cancel context.CancelFunc
	mu     sync.Mutex // guards wg.Add against Wait
	closed bool
	wg     sync.WaitGroup
}

// Open returns a connection, after a first look at Redis that is bounded by ctx and the timeout.
// The only errors are those of the configuration: a Redis that is away leaves the Conn degraded and
// looking for it. [Conn.Ping] tells why.
func Open(ctx context.Context, config Config) (*Conn, error) {
	config = config.withDefaults()
	if err := config.validate(); err != nil {
		return nil, err
	}
	c := &Conn{
		config: config, client: config.Client,
		key: keys{prefix: config.Prefix}, prove: redis.NewScript(probeSource), doubt: make(chan struct{}, 1),
	}
	if c.client == nil {
		c.client, c.owned = newClient(config), true
	}
	_, c.cluster = c.client.(*redis.ClusterClient)
	c.breaker = newBreaker(config.Logger, addrOf(config))
	// Not the caller's: what runs in the background outlives this call.
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := c.Ping(ctx); err != nil && givenUp(ctx) {
		// The caller left before Redis could answer, so nothing is known: suspect the worst.
		c.breaker.trip(0, inDoubt, "no answer yet", err)
	}
	// Ends when the Conn is closed; Close waits for it.
	c.background(c.watch)
	return c, nil
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

	c.breaker.close()
	c.cancel()
	c.wg.Wait()
	if !c.owned {
		return nil
	}
	return c.client.Close()
}

// Addr says where Redis is, for logs.
func (c *Conn) Addr() string { return c.breaker.addr }

// Health reports whether Redis serves. It does no I/O.
func (c *Conn) Health() flow.Health {
	s := c.breaker.now.Load()
	return flow.Health{
		Backend: "redis", State: s.state, Since: s.since, LastProof: c.breaker.lastProof(),
		Address: c.Addr(), Reason: s.reason,
	}
}

// Ping asks Redis for an answer and a write, whatever the state, and sets the state by it. The error
// says in words for a log line where Redis is expected and what is wrong; no password is in it.
func (c *Conn) Ping(ctx context.Context) error {
	term := c.breaker.now.Load().term
	err := c.probe(ctx)
	if err == nil {
		c.breaker.restore()
		return nil
	}
	kind, reason := c.classOf(err)
	c.judge(ctx, term, err)
	return fmt.Errorf("redis at %s, %s: %s", c.Addr(), kind, reason)
}

// background starts a goroutine that Close waits for. It must end when c.ctx does. After Close nothing
// is started.
func (c *Conn) background(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.wg.Go(f)
	}
}

// classOf is [classOf] for what this Conn can do: only a Cluster client can follow a moved key.
func (c *Conn) classOf(err error) (class, string) {
	kind, reason := classOf(err)
	if kind == moving && !c.cluster {
		return configuration, reason + " (the server belongs to a cluster)"
	}
	return kind, reason
}

// judge draws the conclusions from the outcome of a call that began in the given term. A caller that
// gave up has proved nothing.
func (c *Conn) judge(ctx context.Context, term uint64, err error) {
	kind, reason := c.classOf(err)
	switch {
	case !kind.opens():
		c.breaker.proved()
	case !givenUp(ctx):
		c.breaker.trip(term, kind, reason, err)
	}
}

// givenUp reports whether the caller does not wait any more. A deadline reaches the socket a moment
// before it reaches ctx.
func givenUp(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ctx.Err() != nil || (ok && !time.Now().Before(deadline))
}
