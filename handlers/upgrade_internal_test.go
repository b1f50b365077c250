package handlers

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"

	fasthttpws "github.com/fasthttp/websocket"
	"github.com/gofiber/fiber/v2"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/memx"
)

// Between the check before the upgrade and the socket itself others may take the last place, or the server
// may begin to go: then the socket ends with a bye and the code of the contract.
func TestSocket_Upgrade_refusedAfter(t *testing.T) {
	for why, quotas := range map[flow.Bye]flow.Quotas{
		flow.ByeOverloaded:  {Sockets: 1},
		flow.ByeRateLimited: {UserSockets: 1},
		flow.ByeShutdown:    {},
	} {
		t.Run(string(why), func(t *testing.T) {
			config := flow.Config{
				Sessions: memx.NewSessionStore(memx.SessionConfig{}), Bus: memx.NewBus(),
				Log: memx.NewLog(memx.LogConfig{}), Logger: slog.New(slog.DiscardHandler), Quotas: quotas,
			}
			hub, err := flow.New(config)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := hub.Close(context.Background()); err != nil {
					t.Errorf("closing the hub: %v", err)
				}
			})
			e := newEndpoints(configDefault(Config{Hub: hub}))
			app := fiber.New(fiber.Config{DisableStartupMessage: true})
			app.Get("/ws", func(c *fiber.Ctx) error {
				client := flow.Client{User: &flow.User{ID: "ann"}}
				shake := &handshake{hub: hub, client: client, chunk: largeBuffer}
				return takeOver(c, false, func(conn net.Conn, hello func() []byte) { e.runSocket(conn, hello, shake) })
			})
			address := serveApp(t, app)
			first := dialApp(t, address)
			if _, text, err := first.ReadMessage(); err != nil || !strings.Contains(string(text), "welcome") {
				t.Fatalf("read %q, %v", text, err)
			}
			if why == flow.ByeShutdown {
				if err := hub.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			second := dialApp(t, address)
			if err := second.WriteMessage(fasthttpws.TextMessage, []byte(`{"type":"ping"}`)); err != nil {
				t.Fatal(err)
			}
			_, text, err := second.ReadMessage()
			if err != nil || !strings.Contains(string(text), `"code":"`+string(why)+`"`) {
				t.Fatalf("read %q, %v", text, err)
			}
			if _, text, err := second.ReadMessage(); !fasthttpws.IsCloseError(err, why.CloseCode()) {
				t.Errorf("read %q, %v", text, err)
			}
		})
	}
}
