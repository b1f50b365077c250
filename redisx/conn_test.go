package redisx_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/redistest"
	"github.com/fiberflow/flow/redisx"
)

// A Redis that is away at the start is no error: the connection is degraded, says where it looked and
// why, answers at once, and goes live when Redis appears. go-redis stays silent about it.
func TestOpen_Away(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Stop(t)
	var log journal
	conn := open(t, redisx.Config{Addrs: []string{server.Addr()}, Logger: log.logger()})
	if h := conn.Health(); h.State != flow.Degraded || !h.LastProof.IsZero() || h.Backend != "redis" ||
		h.Address != conn.Addr() || h.Reason == "" {
		t.Errorf("Health = %+v, want degraded without a proof", h)
	}
	err := conn.Ping(t.Context())
	if err == nil || !strings.Contains(err.Error(), server.Addr()) || !strings.Contains(err.Error(), "refused") {
		t.Errorf("Ping = %v, want address and reason", err)
	}
	ordering, bus, sessions := redisx.NewLog(conn), redisx.NewBus(conn), redisx.NewSessionStore(conn)
	_, err = ordering.Append(t.Context(), "room", flow.Batch{})
	wantCode(t, err, flow.CodeUnavailable)
	wantCode(t, bus.Publish(t.Context(), "topic", nil), flow.CodeUnavailable)
	_, err = sessions.Get(t.Context(), "id")
	wantCode(t, err, flow.CodeUnavailable)

	server.Restart(t)
	eventuallyIs(t, conn, flow.Live)
	confirm(t, ordering, "room", "a", 1)
	if conn.Health().LastProof.IsZero() {
		t.Error("live, and never proved")
	}
	for _, s := range []string{"collaboration", "websockets", "ordering"} {
		eventually(t, s+" is back", func() bool { return log.count("redis is back", "subsystem="+s) == 1 })
	}
	if n := log.count("redis is"); n != 3 {
		t.Errorf("%d lines, want one for each subsystem:\n%s", n, &log)
	}
	if n := chatter.count(server.Addr()); n != 0 {
		t.Errorf("go-redis wrote %d lines about %s:\n%s", n, server.Addr(), &chatter)
	}
}

// When Redis hangs, the first call ends with the timeout and all others in no time, until Redis answers
// again; each change is logged once (I8).
func TestConn_Hung(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var log journal
	conn := open(t, redisx.Config{Addrs: []string{server.Addr()}, Timeout: 2 * time.Second, Logger: log.logger()})
	ordering := redisx.NewLog(conn)
	confirm(t, ordering, "room", "a", 1)

	began := time.Now()
	server.Pause(t)
	promptly(t, "the first call", func(ctx context.Context) {
		_, err := ordering.Append(ctx, "room", flow.Batch{Operations: []flow.Operation{op("a", 2)}})
		wantCode(t, err, flow.CodeUnavailable)
		if flow.ErrorRetryAfter(err) == 0 {
			t.Error("no word on when to retry")
		}
	})
	promptly(t, "a thousand calls that do not wait", func(ctx context.Context) {
		for range 1000 {
			_, err := ordering.Read(ctx, "room", flow.Query{})
			wantCode(t, err, flow.CodeUnavailable)
		}
	})
	if h := conn.Health(); h.State != flow.Degraded || h.Since.Before(began) {
		t.Errorf("Health = %+v", h)
	}

	server.Resume(t)
	eventuallyIs(t, conn, flow.Live)
	// The append that got no answer was executed or not; its number tells.
	answers, err := ordering.Append(t.Context(), "room", flow.Batch{Operations: []flow.Operation{op("a", 2)}})
	if err != nil || answers[0].Last != 2 {
		t.Errorf("Append again = %+v, %v", answers, err)
	}
	if away, back := log.count("redis is away"), log.count("redis is back"); away != 1 || back != 1 {
		t.Errorf("%d lines that it is away, %d that it is back:\n%s", away, back, &log)
	}
}

// One slow command opens nothing, and neither does a caller that gives up (I13).
func TestConn_Slow(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Set("enable-debug-command", "yes"))
	conn := open(t, redisx.Config{Addrs: []string{server.Addr()}})
	ordering := redisx.NewLog(conn)
	confirm(t, ordering, "room", "a", 1)

	slow := make(chan error, 1)
	client := server.Client(t)
	go func() { slow <- client.Do(context.WithoutCancel(t.Context()), "debug", "sleep", "0.3").Err() }()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var err error
	for err == nil { // until one meets the sleep
		_, err = ordering.Read(ctx, "room", flow.Query{})
	}
	wantCode(t, err, flow.CodeUnavailable)
	confirm(t, ordering, "room", "a", 2)
	if err := <-slow; err != nil {
		t.Errorf("sleep: %v", err)
	}
	if h := conn.Health(); h.State != flow.Live {
		t.Errorf("Health = %+v, want live", h)
	}
}

// An instance that has nothing to ask notices an outage all the same.
func TestConn_Idle(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	conn := open(t, redisx.Config{Addrs: []string{server.Addr()}, Timeout: 500 * time.Millisecond})
	server.Pause(t)
	eventuallyIs(t, conn, flow.Degraded)
	server.Resume(t)
	eventuallyIs(t, conn, flow.Live)
}

// A Redis that refuses the password is an outage with one loud line; the password is in none. It ends
// when the password becomes the right one.
func TestConn_Password(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.Password("other"))
	var log journal
	conn := open(t, redisx.Config{Addrs: []string{server.Addr()}, Password: "s3cret", Logger: log.logger()})
	for range 3 {
		err := conn.Ping(t.Context())
		text := fmt.Sprint(err)
		if !strings.Contains(text, "configuration") || !strings.Contains(text, "WRONGPASS") {
			t.Errorf("Ping = %v, want the class and WRONGPASS", err)
		}
		if strings.Contains(text, "s3cret") {
			t.Errorf("Ping tells the password: %v", err)
		}
	}
	_, err := redisx.NewLog(conn).Append(t.Context(), "room", flow.Batch{})
	wantCode(t, err, flow.CodeUnavailable)
	if n := log.count("level=ERROR", "WRONGPASS", server.Addr()); n != 1 {
		t.Errorf("%d loud lines, want 1:\n%s", n, &log)
	}
	if err := server.Client(t).ConfigSet(t.Context(), "requirepass", "s3cret").Err(); err != nil {
		t.Fatalf("set the password: %v", err)
	}
	eventuallyIs(t, conn, flow.Live)
	if strings.Contains(log.String(), "s3cret") {
		t.Errorf("the log tells the password:\n%s", &log)
	}
}

// A user without the rights we need, a missing password, and a client of the wrong kind are loud too.
func TestConn_Refused(t *testing.T) {
	t.Parallel()
	reader := redistest.User("reader", "pw", "~*", "&*", "+@read", "+ping")
	server := redistest.Start(t, redistest.Password("pw"), reader)
	for _, c := range []struct {
		name   string
		config redisx.Config
		says   string
	}{
		{"no password", redisx.Config{}, "NOAUTH"},
		{"unknown user", redisx.Config{Username: "nobody", Password: "pw"}, "WRONGPASS"},
		{"no rights", redisx.Config{Username: "reader", Password: "pw"}, "NOPERM"},
		{"no such database", redisx.Config{Password: "pw", DB: 99}, "DB index"},
		{"no cluster", redisx.Config{Password: "pw", Mode: redisx.Cluster}, "cluster support disabled"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log journal
			c.config.Addrs, c.config.Logger = []string{server.Addr()}, log.logger()
			conn := open(t, c.config)
			if h := conn.Health(); h.State != flow.Degraded {
				t.Errorf("Health = %+v, want degraded", h)
			}
			if n := log.count("level=ERROR", c.says); n != 1 {
				t.Errorf("%d loud lines with %q, want 1:\n%s", n, c.says, &log)
			}
		})
	}
}

// A server that answers but may not write is away, until it may again.
func TestConn_OutOfMemory(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	conn := open(t, redisx.Config{Addrs: []string{server.Addr()}})
	ordering := redisx.NewLog(conn)
	confirm(t, ordering, "room", "a", 1)
	limit(t, server, "1")
	_, err := ordering.Append(t.Context(), "room", flow.Batch{Operations: []flow.Operation{op("a", 2)}})
	wantCode(t, err, flow.CodeUnavailable)
	eventuallyIs(t, conn, flow.Degraded)
	limit(t, server, "0")
	eventuallyIs(t, conn, flow.Live)
	if p := confirm(t, ordering, "room", "a", 2); p.Seq != 2 {
		t.Errorf("seq %d, want 2: the refused append must not have been executed", p.Seq)
	}
}

func limit(t *testing.T, server *redistest.Server, bytes string) {
	t.Helper()
	if err := server.Client(t).ConfigSet(t.Context(), "maxmemory", bytes).Err(); err != nil {
		t.Fatalf("set maxmemory: %v", err)
	}
}

// A borrowed client is bounded like our own, though it would wait for minutes; it is not changed, and
// stays open and usable.
func TestConn_Borrowed(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), ReadTimeout: 2 * time.Minute})
	defer func() { _ = client.Close() }()
	before := *client.Options()
	conn := open(t, redisx.Config{Client: client, Timeout: time.Second})
	ordering := redisx.NewLog(conn)
	eventually(t, "it works", func() bool { // at once, unless the machine is busy
		_, err := ordering.Append(t.Context(), "room", flow.Batch{Operations: []flow.Operation{op("a", 1)}})
		return err == nil
	})

	server.Pause(t)
	promptly(t, "the call", func(ctx context.Context) {
		_, err := ordering.Read(ctx, "room", flow.Query{})
		wantCode(t, err, flow.CodeUnavailable)
	})
	server.Resume(t)
	eventuallyIs(t, conn, flow.Live)

	if err := conn.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Errorf("the client after Close: %v", err)
	}
	after := client.Options()
	if after.ReadTimeout != before.ReadTimeout || after.MaxRetries != before.MaxRetries || after.Addr != conn.Addr() {
		t.Errorf("options changed from %+v to %+v", before, *after)
	}
}

// Close ends everything and may be called twice; what is asked afterwards is unavailable at once, and a
// subscription made then is never told anything.
func TestConn_Close(t *testing.T) {
	conn := open(t, redisx.Config{})
	ordering, bus, sessions := redisx.NewLog(conn), redisx.NewBus(conn), redisx.NewSessionStore(conn)
	stop := bus.Subscribe("topic", func(flow.Delivery) {})
	defer stop()
	for range 2 {
		if err := conn.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	_, err := ordering.Read(t.Context(), "room", flow.Query{})
	wantCode(t, err, flow.CodeUnavailable)
	wantCode(t, bus.Publish(t.Context(), "topic", nil), flow.CodeUnavailable)
	_, err = sessions.Touch(t.Context(), "i", nil)
	wantCode(t, err, flow.CodeUnavailable)
	if conn.Ping(t.Context()) == nil {
		t.Error("Ping of a closed connection answers")
	}
	if h := conn.Health(); h.State != flow.Degraded {
		t.Errorf("Health = %+v, want degraded", h)
	}
	ordering.Follow("room", func(flow.Feed) { t.Error("told after Close") })()
}

// A hung Redis does not hold up Close, also with subscriptions and calls under way (I10).
func TestConn_CloseHung(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	conn := open(t, redisx.Config{Addrs: []string{server.Addr()}, Timeout: time.Second})
	ordering, bus := redisx.NewLog(conn), redisx.NewBus(conn)
	follow(t, ordering, "room")
	t.Cleanup(bus.Subscribe("topic", func(flow.Delivery) {}))
	server.Pause(t)
	waiting := make(chan error, 2)
	go func() { waiting <- bus.Publish(context.WithoutCancel(t.Context()), "topic", nil) }()
	go func() {
		_, err := ordering.Append(context.WithoutCancel(t.Context()), "room", flow.Batch{})
		waiting <- err
	}()
	promptly(t, "Close", func(context.Context) {
		if err := conn.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	for range 2 {
		wantCode(t, <-waiting, flow.CodeUnavailable)
	}
}

// Of many candidates one secret wins, and everybody gets that one.
func TestSharedSecret(t *testing.T) {
	prefix := redistest.Prefix(t)
	first, err := redisx.SharedSecret(t.Context(), open(t, redisx.Config{Prefix: prefix}), []byte("one\x00\xff"))
	if err != nil || string(first) != "one\x00\xff" {
		t.Fatalf("SharedSecret = %q, %v", first, err)
	}
	second, err := redisx.SharedSecret(t.Context(), open(t, redisx.Config{Prefix: prefix}), []byte("two"))
	if err != nil || string(second) != string(first) {
		t.Errorf("SharedSecret of another = %q, %v, want %q", second, err, first)
	}
}
