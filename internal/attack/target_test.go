package attack_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/handlers"
	"github.com/fiberflow/flow/internal/attack"
	"github.com/fiberflow/flow/memx"
)

// serve runs a hub in memory with narrow limits until the test ends, so that a gentle flood is one. Neighbours
// write a quarter of what they may: on a busy machine their operations come in heaps.
func serve(t *testing.T) attack.Target {
	t.Helper()
	hub, err := flow.New(flow.Config{
		Sessions: memx.NewSessionStore(memx.SessionConfig{}), Bus: memx.NewBus(), Log: memx.NewLog(memx.LogConfig{}),
		Logger:         slog.New(slog.DiscardHandler),
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
		VerifyToken: func(_ context.Context, token string) (flow.User, error) {
			if token == "" {
				return flow.User{}, errors.New("nobody")
			}
			return flow.User{ID: token}, nil
		},
		Limits: flow.Limits{OpsPerSecond: 20, EventsPerSecond: 6, PresencePerSecond: 6, Pending: 16},
		Quotas: flow.Quotas{
			UserSockets: 8, AddressSockets: 12, Unauthenticated: 6, SocketBytesPerSecond: 100 << 10,
			UserJoinsPerSecond: 5, UserRequestsPerSecond: 5, AddressRequestsPerSecond: 5,
		},
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
	go func() { served <- app.Listener(narrow{listener}) }() // ends with the shutdown below
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
	return attack.Target{Addr: listener.Addr().String(), Token: func(user string) string { return user }}
}

// narrow gives connections small buffers, so that who does not read is noticed soon.
type narrow struct{ net.Listener }

func (n narrow) Accept() (net.Conn, error) {
	conn, err := n.Listener.Accept()
	if tcp, ok := conn.(*net.TCPConn); ok && err == nil {
		err = tcp.SetWriteBuffer(16 << 10)
	}
	return conn, err
}
