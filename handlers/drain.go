package handlers

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/fiberflow/flow"
)

// server is closed when the server behind a request begins to shut down; nil when nobody can tell.
type server <-chan struct{}

// serverOf must be called before the request's context is given back.
func serverOf(c *fiber.Ctx) server { return c.Context().Done() }

// stopping reports whether the server has begun to shut down.
func (s server) stopping() bool {
	select {
	case <-s:
		return true
	default:
		return false
	}
}

// drain closes the hub when the server that serves it shuts down: at once, through the channel that
// fasthttp closes first, and again through a hook that keeps Fiber's Shutdown waiting for the end.
type drain struct {
	hub    func() *flow.Hub // what the hook closes; nil before the first request
	logger *slog.Logger

	mu      sync.Mutex
	watches map[watchKey]*watch
}

type watchKey struct {
	hub    *flow.Hub
	server server
}

// watch is one goroutine for all sockets and streams of a hub and a server.
type watch struct {
	connections int
	left        chan struct{} // closed when the last of them has left
}

func newDrain(hub func() *flow.Hub, logger *slog.Logger) *drain {
	return &drain{hub: hub, logger: logger, watches: make(map[watchKey]*watch)}
}

// attach makes the shutdown of the router's app wait for the hub. A group does not say whose it is, but
// what is mounted on it is told: so an app without routes is.
func (d *drain) attach(router fiber.Router) {
	if app, ok := router.(*fiber.App); ok {
		d.attachApp(app)
		return
	}
	probe := fiber.New()
	probe.Hooks().OnMount(func(app *fiber.App) error {
		d.attachApp(app)
		return nil
	})
	router.Mount("/.flow", probe)
}

// attachApp goes on to the app that this one will be mounted on: the hooks of a mounted app never run.
func (d *drain) attachApp(app *fiber.App) {
	app.Server().SecureErrorLogMessage = true // or it logs requests that it cannot read, tokens included
	app.Hooks().OnShutdown(d.shutdown)
	app.Hooks().OnMount(func(parent *fiber.App) error {
		d.attachApp(parent)
		return nil
	})
}

func (d *drain) shutdown() error {
	if hub := d.hub(); hub != nil {
		return closeHub(hub)
	}
	return nil
}

// enter is called for every connection, and the function that it returns after it.
func (d *drain) enter(hub *flow.Hub, s server) (leave func()) {
	if s == nil {
		return func() {}
	}
	key := watchKey{hub, s}
	d.mu.Lock()
	defer d.mu.Unlock()
	w := d.watches[key]
	if w == nil {
		w = &watch{left: make(chan struct{})}
		d.watches[key] = w
		go w.run(key, d.logger) // owned by the connections: ends with the last of them, or after the server's end
	}
	w.connections++
	return func() { d.leave(key, w) }
}

func (d *drain) leave(key watchKey, w *watch) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if w.connections--; w.connections == 0 {
		delete(d.watches, key)
		close(w.left)
	}
}

func (w *watch) run(key watchKey, logger *slog.Logger) {
	defer func() {
		if p := recover(); p != nil { // nobody else would catch it here
			logger.Error("closing the hub panicked", "error", panicError(p))
		}
	}()
	select {
	case <-key.server:
		_ = closeHub(key.hub) // the one who waits for the hub sees the error
	case <-w.left:
	}
}

// closeHub closes the hub, which bounds that by itself; the margin is for a hub that does not.
func closeHub(hub *flow.Hub) error {
	ctx, cancel := context.WithTimeout(context.Background(), hub.Config().Drain+time.Second)
	defer cancel()
	return hub.Close(ctx)
}
