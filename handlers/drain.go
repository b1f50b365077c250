package handlers

import (
	"context"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/fiberflow/flow"
)

// server is the running server behind a request.
type server struct {
	app  *fiber.App      // the outermost one, which is shut down
	done <-chan struct{} // closed when it begins to shut down; nil when nobody can tell
}

// serverOf must be called before the request's context is given back.
func serverOf(c *fiber.Ctx) server {
	return server{app: c.App(), done: c.Context().Done()}
}

// stopping reports whether the server has begun to shut down.
func (s server) stopping() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// drain closes the hub when the server that serves it shuts down: at once, through the channel that
// fasthttp closes first, and again through a hook that keeps Fiber's Shutdown waiting for the end.
type drain struct {
	hub func() *flow.Hub // what the hook closes; nil before the first request

	mu       sync.Mutex
	attached map[*fiber.App]bool
	watches  map[watchKey]*watch
}

type watchKey struct {
	hub  *flow.Hub
	done <-chan struct{}
}

// watch is one goroutine for all sockets and streams of a hub and a server.
type watch struct {
	connections int
	left        chan struct{} // closed when the last of them has left
}

func newDrain(hub func() *flow.Hub) *drain {
	return &drain{hub: hub, attached: make(map[*fiber.App]bool), watches: make(map[watchKey]*watch)}
}

// attach makes the app's shutdown wait for the hub. The hooks of a mounted app never run, so it goes on
// to the app that it is mounted on.
func (d *drain) attach(app *fiber.App) {
	if !d.first(app) {
		return
	}
	app.Hooks().OnShutdown(d.shutdown)
	app.Hooks().OnMount(func(parent *fiber.App) error {
		d.attach(parent)
		return nil
	})
}

// attachLate does the same for the app behind a group, which is known with the first connection only.
func (d *drain) attachLate(app *fiber.App) {
	if !d.first(app) {
		return
	}
	// The hook needs a lock that a Shutdown holds while it waits for requests, this one included. So it
	// waits on a goroutine of its own, which belongs to the app and ends as soon as the lock is free.
	go app.Hooks().OnShutdown(d.shutdown)
}

func (d *drain) first(app *fiber.App) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.attached[app] {
		return false
	}
	d.attached[app] = true
	return true
}

func (d *drain) shutdown() error {
	if hub := d.hub(); hub != nil {
		return closeHub(hub)
	}
	return nil
}

// enter is called for every connection, and the function that it returns after it.
func (d *drain) enter(hub *flow.Hub, s server) (leave func()) {
	d.attachLate(s.app)
	if s.done == nil {
		return func() {}
	}
	key := watchKey{hub, s.done}
	d.mu.Lock()
	defer d.mu.Unlock()
	w := d.watches[key]
	if w == nil {
		w = &watch{left: make(chan struct{})}
		d.watches[key] = w
		go w.run(key) // owned by the connections: ends with the last of them, or after the server's end
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

func (w *watch) run(key watchKey) {
	select {
	case <-key.done:
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
