package redistest_test

import (
	"context"
	"errors"
	"io"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow/internal/redistest"
)

const (
	// patience is how long an answer is waited for that must come.
	patience = time.Minute
	// brief is how long one is waited for that does not come.
	brief = 100 * time.Millisecond
)

// proxied returns a client behind a proxy of its own, and the key that it may use.
func proxied(t *testing.T) (*redistest.Proxy, *redis.Client, string) {
	t.Helper()
	p := redistest.StartProxy(t, shared.Server(t).Addr())
	return p, patient(t, p), redistest.Prefix(t)
}

// patient returns a client behind a proxy. Its WithTimeout is for calls without an answer.
func patient(t *testing.T, p *redistest.Proxy) *redis.Client {
	t.Helper()
	c := redis.NewClient(&redis.Options{
		Addr: p.Addr(), MaxRetries: -1, DialerRetries: 1, ReadTimeout: patience, DisableIdentity: true,
	})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// A silenced connection stays open and dead, a new one works.
func TestProxy_Silence(t *testing.T) {
	p := redistest.StartProxy(t, shared.Server(t).Addr())
	c := patient(t, p)
	sub := c.Subscribe(t.Context(), redistest.Prefix(t))
	defer func() { _ = sub.Close() }()
	if _, err := sub.Receive(t.Context()); err != nil {
		t.Fatalf("Subscribe: %v", err)
	}
	if n := p.SilenceSubscribers(); n != 1 {
		t.Errorf("SilenceSubscribers = %d, want 1", n)
	}
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Errorf("Ping beside a silent subscriber: %v", err)
	}
	p.Silence()
	if err := c.WithTimeout(brief).Ping(t.Context()).Err(); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("Ping on a silent connection = %v, want a timeout", err)
	}
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Errorf("Ping on a new connection: %v", err)
	}
}

// Two dead ends of one connection do not hear of each other.
func TestProxy_Silence_halfOpen(t *testing.T) {
	server := redistest.Start(t)
	p := redistest.StartProxy(t, server.Addr())
	c := patient(t, p)
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Fatalf("Ping: %v", err)
	}
	p.Silence()
	server.Kill(t)
	if err := c.WithTimeout(brief).Ping(t.Context()).Err(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Ping of a server that ended behind a silent connection = %v, want a timeout", err)
	}
}

// What is swallowed on its way there was not executed, what is swallowed on its way back was.
func TestProxy_Inject_swallow(t *testing.T) {
	for _, test := range []struct {
		name   string
		faults redistest.Faults
		want   int64
	}{
		{"requests", redistest.Faults{SwallowRequests: true}, 1},
		{"replies", redistest.Faults{SwallowReplies: true}, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, c, key := proxied(t)
			if err := c.Incr(t.Context(), key).Err(); err != nil {
				t.Fatalf("Incr: %v", err)
			}
			p.Inject(test.faults)
			if err := c.WithTimeout(brief).Incr(t.Context(), key).Err(); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("Incr = %v, want a timeout", err)
			}
			direct := shared.Server(t).Client(t)
			eventually(t, func() bool { n, _ := direct.Get(t.Context(), key).Int64(); return n == test.want })
			p.Lift()
			if n, err := c.Get(t.Context(), key).Int64(); n != test.want || err != nil {
				t.Errorf("Get = %d, %v, want %d", n, err, test.want)
			}
		})
	}
}

// A connection that lost a part of what was said on it does not come back with the rest.
func TestProxy_Lift(t *testing.T) {
	p, c, key := proxied(t)
	sub := c.Subscribe(t.Context(), key)
	defer func() { _ = sub.Close() }()
	if _, err := sub.Receive(t.Context()); err != nil {
		t.Fatalf("Subscribe: %v", err)
	}
	p.Inject(redistest.Faults{SwallowReplies: true})
	if err := shared.Server(t).Client(t).Publish(t.Context(), key, "lost").Err(); err != nil {
		t.Fatalf("Publish: %v", err)
	}
	eventually(t, func() bool { return redistest.Lost(p) == 1 })
	if got, err := sub.ReceiveTimeout(t.Context(), brief); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Receive = %v, %v, want a timeout", got, err)
	}
	p.Lift()
	if got, err := sub.ReceiveTimeout(t.Context(), patience); !errors.Is(err, io.EOF) {
		t.Errorf("Receive after Lift = %v, %v, want the end of the connection", got, err)
	}
}

// Connections that are there go on, new ones are reset.
func TestProxy_Inject_refuse(t *testing.T) {
	p, c, _ := proxied(t)
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Fatalf("Ping: %v", err)
	}
	p.Inject(redistest.Faults{Refuse: true})
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Errorf("Ping on an old connection: %v", err)
	}
	p.Cut()
	for range 2 { // the first may still be on the connection that was cut
		if err := c.Ping(t.Context()).Err(); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) &&
			!errors.Is(err, syscall.EPIPE) {
			t.Errorf("Ping = %v, want a reset", err)
		}
	}
	p.Lift()
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Errorf("Ping after Lift: %v", err)
	}
}

// Either direction can be slow.
func TestProxy_Inject_delay(t *testing.T) {
	const delay = 100 * time.Millisecond
	for name, faults := range map[string]redistest.Faults{
		"requests": {DelayRequests: delay},
		"replies":  {DelayReplies: delay},
	} {
		t.Run(name, func(t *testing.T) {
			p := redistest.StartProxy(t, shared.Server(t).Addr())
			c := redis.NewClient(&redis.Options{Addr: p.Addr(), MaxRetries: -1})
			defer func() { _ = c.Close() }()
			if err := c.Ping(t.Context()).Err(); err != nil {
				t.Fatalf("Ping: %v", err)
			}
			p.Inject(faults)
			started := time.Now()
			if err := c.Ping(t.Context()).Err(); err != nil {
				t.Fatalf("Ping: %v", err)
			}
			if took := time.Since(started); took < delay {
				t.Errorf("Ping took %v, want at least %v", took, delay)
			}
			p.Lift()
			if err := c.Ping(t.Context()).Err(); err != nil {
				t.Errorf("Ping after Lift: %v", err)
			}
		})
	}
}

// A reply can end in the middle.
func TestProxy_Inject_closeAfter(t *testing.T) {
	p, c, key := proxied(t)
	if err := c.Set(t.Context(), key, "a long value", 0).Err(); err != nil {
		t.Fatalf("Set: %v", err)
	}
	p.Inject(redistest.Faults{CloseAfter: 8})
	if got, err := c.Get(t.Context(), key).Result(); !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		t.Errorf("Get = %q, %v, want an end in the middle", got, err)
	}
	p.Lift()
	if got, err := c.Get(t.Context(), key).Result(); got != "a long value" || err != nil {
		t.Errorf("Get after Lift = %q, %v", got, err)
	}
}

// Cut ends all connections, new ones work.
func TestProxy_Cut(t *testing.T) {
	p, c, _ := proxied(t)
	conn := c.Conn()
	defer func() { _ = conn.Close() }()
	if err := conn.Ping(t.Context()).Err(); err != nil {
		t.Fatalf("Ping: %v", err)
	}
	p.Cut()
	if err := conn.Ping(context.WithoutCancel(t.Context())).Err(); err == nil {
		t.Error("Ping works on a connection that was cut")
	}
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Errorf("Ping on a new connection: %v", err)
	}
}
