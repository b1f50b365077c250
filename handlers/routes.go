package handlers

import (
	"sync/atomic"

	"github.com/gofiber/fiber/v2"

	"github.com/fiberflow/flow"
)

// Register adds the endpoints to an app, a group or a sub-app. The paths are relative to it.
func Register(router fiber.Router, config ...Config) {
	e := newEndpoints(configDefault(config...))
	e.drain.attach(router)
	for _, r := range e.routes() {
		if r.method == fiber.MethodGet {
			router.Get(r.path, e.serve(r)) // answers HEAD, too
			continue
		}
		router.Add(r.method, r.path, e.serve(r))
	}
}

// socketPath is where sockets are opened.
const socketPath = "/ws"

// access is what a route asks of the one who calls it.
type access uint8

const (
	public       access = iota // nothing, or the handler asks by itself
	viewer                     // of the room in the path; so are editor and owner
	editor                     //
	owner                      //
	admin                      // of the hub
	ownerOrAdmin               //
	selfOrAdmin                // the user in the path
)

// least returns the access to the room in the path that the route asks for; None on other routes.
func (a access) least() flow.Access {
	switch a {
	case viewer:
		return flow.Viewer
	case editor:
		return flow.Editor
	case owner, ownerOrAdmin:
		return flow.Owner
	default:
		return flow.None
	}
}

// route is one line of the contract's table.
type route struct {
	method, path string
	access       access
	handle       func(*request) error
}

// routes returns the table of all routes.
func (e *endpoints) routes() []route {
	const get, post, put, del = fiber.MethodGet, fiber.MethodPost, fiber.MethodPut, fiber.MethodDelete
	return []route{
		{get, socketPath, public, e.upgrade}, // the first message may say who it is

		{get, livePath, public, e.live},
		{get, "/health/ready", public, e.ready},
		{get, "/health", admin, e.health},
		{get, "/metrics", admin, e.metrics},
		{get, "/stats", admin, e.stats},

		{get, "/rooms", admin, e.rooms},
		{get, "/rooms/:room", admin, e.room},
		{del, "/rooms/:room", ownerOrAdmin, e.deleteRoom},
		{get, "/rooms/:room/participants", viewer, e.participants},
		{get, "/rooms/:room/operations", viewer, e.operations},
		{post, "/rooms/:room/operations", editor, e.submit},
		{get, "/rooms/:room/snapshot", viewer, e.snapshot},
		{put, "/rooms/:room/snapshot", editor, e.saveSnapshot},
		{get, "/rooms/:room/state", viewer, e.state},
		{post, "/rooms/:room/restore", owner, e.restore},
		{get, "/rooms/:room/locks", viewer, e.locks},
		{post, "/rooms/:room/events", editor, e.publish},
		{get, "/rooms/:room/stream", viewer, e.stream},
		{del, "/rooms/:room/sessions/:session", owner, e.kick},

		{get, "/users/:user/sessions", selfOrAdmin, e.userSessions},
		{del, "/users/:user/sessions", admin, e.kickUser},
		{post, "/users/:user/events", admin, e.publishUser},

		{get, "/client.js", public, e.client.script},
		{get, "/client.d.ts", public, e.client.types},
		{get, "/dashboard", public, e.dashboard.page}, // asks for an admin by itself
		{get, "/dashboard.js", public, e.dashboard.script},
		{get, "/dashboard.css", public, e.dashboard.style},
	}
}

// endpoints is one registration: what its routes share.
type endpoints struct {
	config    Config
	hub       atomic.Pointer[flow.Hub] // the last one served, for metrics and shutdown
	drain     *drain
	buffers   *buffers
	attempts  *attempts
	stage     stage
	scrape    fiber.Handler
	rates     rates
	client    clientFiles
	dashboard dashboardFiles
}

func newEndpoints(config Config) *endpoints {
	e := &endpoints{
		config: config, buffers: newBuffers(), attempts: newAttempts(),
		client: newClientFiles(), dashboard: newDashboardFiles(),
	}
	if config.Hub != nil {
		e.hub.Store(config.Hub)
	}
	e.drain = newDrain(e.hub.Load, config.Logger)
	e.scrape = e.newScrapeHandler()
	return e
}
