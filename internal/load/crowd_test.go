package load_test

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/handlers"
	"github.com/fiberflow/flow/internal/load"
	"github.com/fiberflow/flow/memx"
)

// serve runs a hub in memory until the test ends.
func serve(t *testing.T) (hub *flow.Hub, addr string) {
	t.Helper()
	hub, err := flow.New(flow.Config{
		Sessions: memx.NewSessionStore(memx.SessionConfig{}), Bus: memx.NewBus(), Log: memx.NewLog(memx.LogConfig{}),
		Anonymous: true, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	handlers.Register(app.Group("/collab"), handlers.Config{Hub: hub})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- app.Listener(listener) }() // ends with the shutdown below
	t.Cleanup(func() {
		if err := hub.Close(context.Background()); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := app.ShutdownWithTimeout(10 * time.Second); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("Listener: %v", err)
		}
	})
	return hub, listener.Addr().String()
}

// gather connects a small crowd that is gone before its server.
func gather(t *testing.T, config load.Config) *load.Crowd {
	t.Helper()
	crowd, err := load.Gather(t.Context(), config)
	if err != nil {
		t.Fatalf("Gather: %v", err)
	}
	t.Cleanup(crowd.Close)
	if err := crowd.Settle(t.Context()); err != nil {
		t.Fatalf("Settle: %v", err)
	}
	return crowd
}

// Every operation is sent when it is due, counted once at each member of its room, and known to the
// server; the next run counts from zero. I1, I2
func TestCrowd_Operate(t *testing.T) {
	hub, addr := serve(t)
	crowd := gather(t, load.Config{Addrs: []string{addr}, Users: 12, Rooms: 3})
	for round := int64(1); round <= 2; round++ {
		report, err := crowd.Operate(t.Context(), load.Pace{PerSecond: 20, For: 250 * time.Millisecond})
		if err != nil {
			t.Fatalf("Operate: %v", err)
		}
		if report.Sent != 12*5 || report.Expected != 12*5*4 || report.Received != report.Expected {
			t.Errorf("sent %d, received %d of %d, want 60 sent and 240 received",
				report.Sent, report.Received, report.Expected)
		}
		if n := hub.Stats().Operations; n != round*report.Sent {
			t.Errorf("the server counts %d operations, want %d", n, round*report.Sent)
		}
		if age := report.Age; age.Quantile(0.5) <= 0 || age.Quantile(0.5) > age.Max() || age.Max() > report.Took {
			t.Errorf("age p50 %v, max %v, in a run of %v", age.Quantile(0.5), age.Max(), report.Took)
		}
	}
}

// A server that goes away in the middle is an error of the run, not a good figure.
func TestCrowd_Err(t *testing.T) {
	hub, addr := serve(t)
	crowd := gather(t, load.Config{Addrs: []string{addr}, Users: 2, Rooms: 1})
	if err := hub.Close(t.Context()); err != nil {
		t.Fatalf("Close: %v", err)
	}
	if _, err := crowd.Operate(t.Context(), load.Pace{PerSecond: 10, For: 300 * time.Millisecond}); err == nil {
		t.Error("Operate = nil after the server was closed")
	}
	if crowd.Err() == nil {
		t.Error("Err = nil after the server was closed")
	}
}

// A crowd is bounded, and stays on this machine.
func TestGather_Bounds(t *testing.T) {
	for name, config := range map[string]load.Config{
		"nobody":         {Addrs: []string{"127.0.0.1:1"}, Rooms: 1},
		"too many":       {Addrs: []string{"127.0.0.1:1"}, Users: 10_001, Rooms: 1},
		"no room":        {Addrs: []string{"127.0.0.1:1"}, Users: 1},
		"unequal rooms":  {Addrs: []string{"127.0.0.1:1"}, Users: 3, Rooms: 2},
		"no address":     {Users: 1, Rooms: 1},
		"other machine":  {Addrs: []string{"192.0.2.1:80"}, Users: 1, Rooms: 1},
		"nobody listens": {Addrs: []string{"127.0.0.1:1"}, Users: 1, Rooms: 1},
	} {
		t.Run(name, func(t *testing.T) {
			if crowd, err := load.Gather(t.Context(), config); err == nil {
				crowd.Close()
				t.Errorf("Gather(%+v) = nil", config)
			}
		})
	}
}
