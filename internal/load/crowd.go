package load

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxUsers = 10_000
	maxRooms = 10_000
	// dialers is how many clients connect at the same time.
	dialers = 32
	// quiet is how long nobody hears anything before a crowd has settled.
	quiet = 250 * time.Millisecond
	// settleTimeout bounds the waits of a crowd for the server.
	settleTimeout = 15 * time.Second
	pollEvery     = 2 * time.Millisecond
)

// Config says how large a crowd is. Rooms are new ones, with a name that nobody used before.
type Config struct {
	// Addrs are host:port of the instances, with 127.0.0.1 as host. The members of a room are dealt out
	// to them in turn.
	Addrs []string
	// Path of the socket. Default "/collab/ws".
	Path string
	// Users come in equal numbers to the rooms, at most 10,000 of each. All are anonymous.
	Users, Rooms int
}

// Crowd is the users of some rooms, all connected. Its methods are for one goroutine at a time.
type Crowd struct {
	config  Config
	began   time.Time // the zero of the times in what clients say
	rooms   []*room
	clients []*client
	readers sync.WaitGroup

	frames atomic.Int64              // text frames received
	ages   atomic.Pointer[Histogram] // of what is received now
	phase  atomic.Pointer[Phase]     // of an outage; nil before the first
	visits atomic.Int64

	mu     sync.Mutex // guards what follows
	faults int
	first  error
}

// room is a room of the crowd.
type room struct {
	id      string
	members []*client
}

// written returns how many operations its members have sent, all of which are to be in its log.
func (r *room) written() (total uint64) {
	for _, user := range r.members {
		user.out.Lock()
		total += user.n
		user.out.Unlock()
	}
	return total
}

// Gather connects a crowd and joins everybody to their rooms. It must be ended with Close.
func Gather(ctx context.Context, config Config) (*Crowd, error) {
	if err := config.validate(); err != nil {
		return nil, err
	}
	if config.Path == "" {
		config.Path = "/collab/ws"
	}
	c := &Crowd{config: config, began: time.Now()}
	c.ages.Store(&Histogram{})
	prefix := "load-" + strings.ToLower(rand.Text()[:10]) + "-"
	for i := range config.Rooms {
		c.rooms = append(c.rooms, &room{id: prefix + strconv.Itoa(i)})
	}
	for i := range config.Users {
		r := c.rooms[i%len(c.rooms)]
		user := newClient(c, r, config.Addrs[len(r.members)%len(config.Addrs)])
		r.members = append(r.members, user)
		c.clients = append(c.clients, user)
	}
	if err := c.join(ctx, c.clients); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c Config) validate() error {
	if c.Users < 1 || c.Users > maxUsers || c.Rooms < 1 || c.Rooms > maxRooms || c.Users%c.Rooms != 0 {
		return fmt.Errorf("load: %d users in %d rooms", c.Users, c.Rooms)
	}
	if len(c.Addrs) == 0 {
		return errors.New("load: no address")
	}
	for _, addr := range c.Addrs {
		if host, _, err := net.SplitHostPort(addr); err != nil || host != "127.0.0.1" {
			return fmt.Errorf("load: %q is not 127.0.0.1:port", addr)
		}
	}
	return nil
}

// join connects clients and joins them to their rooms, some at a time, and returns the first error.
func (c *Crowd) join(ctx context.Context, clients []*client) error {
	queue := make(chan *client, len(clients))
	for _, user := range clients {
		queue <- user
	}
	close(queue)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var group sync.WaitGroup
	for range dialers { // until the queue is empty, or somebody failed
		group.Go(func() {
			for user := range queue {
				if err := user.join(ctx); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	group.Wait()
	return context.Cause(ctx)
}

// Close ends all connections, without a word, and returns when nobody reads any more. It may be called
// twice.
func (c *Crowd) Close() {
	for _, user := range c.clients {
		user.leaving.Store(true)
	}
	for _, user := range c.clients {
		user.close()
	}
	c.readers.Wait()
}

// Settle waits until nobody has received anything for a quarter of a second: until everybody is known
// to everybody, and everything that was said has been heard.
func (c *Crowd) Settle(ctx context.Context) error {
	heard, since := c.frames.Load(), time.Now()
	return c.await(ctx, "quiet", func() bool {
		if now := c.frames.Load(); now != heard {
			heard, since = now, time.Now()
		}
		return time.Since(since) >= quiet
	})
}

// await polls until ok, and then returns the faults so far as an error.
func (c *Crowd) await(ctx context.Context, what string, ok func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, settleTimeout, fmt.Errorf("load: waiting for %s took too long", what))
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for !ok() && ctx.Err() == nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	return errors.Join(c.Err(), context.Cause(ctx))
}

// now is the time that clients write into what they say.
func (c *Crowd) now() time.Duration { return time.Since(c.began) }

// aged counts the age of something received. text begins with the moment when it was sent.
func (c *Crowd) aged(text []byte) {
	sent, _ := leadingNumber(text)
	c.ages.Load().Add(c.now() - time.Duration(sent))
}

// fault notes that something was not as it should be. The first one is kept.
func (c *Crowd) fault(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults++
	if c.first == nil {
		c.first = fmt.Errorf(format, args...)
	}
}

// Err returns what went wrong so far, nil when nothing did.
func (c *Crowd) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.first == nil {
		return nil
	}
	return fmt.Errorf("load: %d faults, the first: %w", c.faults, c.first)
}
