package handlers

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strings"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"github.com/fiberflow/flow"
)

// errNoHub is for the log of who mounts the endpoints.
var errNoHub = errors.New("no hub to serve: mount middleware.New() before these routes, or set handlers.Config.Hub")

// request is one HTTP request on its way through an endpoint.
type request struct {
	c    *fiber.Ctx
	hub  *flow.Hub
	from netip.Addr
	user flow.User // who asks; zero on public routes, and on admin routes an admin
	room string    // of the path, valid; "" on routes without
}

// serve returns the Fiber handler of a route. It handles every error by itself.
func (e *endpoints) serve(r route) fiber.Handler {
	return func(c *fiber.Ctx) error {
		if e.config.Next != nil && e.config.Next(c) {
			return c.Next()
		}
		if r.path != socketPath {
			guard(c)
		}
		if err := e.call(r, c); err != nil {
			guard(c)
			e.refuse(c, err)
		}
		return nil
	}
}

// guard sets the headers of every answer with a content; an upgrade has none, and costs 2 us less without.
func guard(c *fiber.Ctx) {
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	// What a visitor's cookies open is no picture and no script for pages of other sites.
	c.Set(fiber.HeaderCrossOriginResourcePolicy, "same-origin")
	c.Set(fiber.HeaderCacheControl, "no-store")
}

// call runs the route's handler, if the request may use it. A panic is an error of the server.
func (e *endpoints) call(r route, c *fiber.Ctx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	hub, err := e.find(c)
	if err != nil {
		return err
	}
	req := &request{c: c, hub: hub, from: addressOf(c, hub)}
	if r.path != livePath {
		if err := hub.AllowAddress(req.from); err != nil {
			return err
		}
	}
	if err := req.admit(r.access); err != nil {
		return err
	}
	return r.handle(req)
}

// find returns the hub that the request is for.
func (e *endpoints) find(c *fiber.Ctx) (*flow.Hub, error) {
	if e.config.Hub != nil {
		return e.config.Hub, nil
	}
	hub, _ := c.Locals(flow.ContextKey).(*flow.Hub)
	if hub == nil {
		return nil, errNoHub
	}
	if e.hub.Load() != hub {
		e.hub.Store(hub)
	}
	return hub, nil
}

// admit lets the request pass when the one who asks has the access, and fills in user and room.
func (r *request) admit(a access) error {
	if a == public {
		return nil
	}
	if err := r.checkOrigin(); err != nil {
		return err
	}
	if err := r.authenticate(a); err != nil {
		return err
	}
	if r.c.Params("room") == "" && a.least() == flow.None {
		return nil
	}
	room, err := r.param("room")
	if err != nil || !flow.ValidRoom(room) {
		return flow.Errorf(flow.CodeInvalidRoom, "this cannot be the id of a room")
	}
	r.room = room
	if a == admin || r.user.Admin {
		return nil
	}
	return r.hub.Require(r.context(), r.user, room, a.least())
}

// checkOrigin refuses changes that a page of another site makes with the cookies of its visitor.
// Credentials in a header are not sent by accident.
func (r *request) checkOrigin() error {
	switch r.c.Method() {
	case fiber.MethodGet, fiber.MethodHead:
		return nil
	}
	if r.c.Get(fiber.HeaderAuthorization) != "" || r.originAllowed() {
		return nil
	}
	return flow.Errorf(flow.CodeForbidden, "the origin is not allowed")
}

// authenticate finds out who asks, and takes one request from what the user may make.
func (r *request) authenticate(a access) error {
	identity := r.identity()
	switch a {
	case admin, ownerOrAdmin, selfOrAdmin:
		err := r.hub.RequireAdmin(r.context(), identity)
		if err == nil {
			r.user = flow.User{ID: "admin", Admin: true}
			return nil
		}
		if a == admin {
			return err
		}
	}
	user, err := r.hub.Identify(r.context(), identity)
	if err != nil {
		return err
	}
	if user == nil {
		return flow.Errorf(flow.CodeUnauthenticated, "credentials are required")
	}
	if err := r.hub.AllowRequest(r.client(user)); err != nil {
		return err
	}
	r.user = *user
	if a != selfOrAdmin {
		return nil
	}
	if self, err := r.param("user"); err != nil || self != user.ID {
		return flow.Errorf(flow.CodeForbidden, "only an admin may look at others")
	}
	return nil
}

// identity returns what authentication may look at. What it hands out is copied: Fiber uses the memory
// of a request again.
func (r *request) identity() flow.Request {
	c := r.c
	return flow.Request{
		Header: func(name string) string { return strings.Clone(c.Get(name)) },
		Cookie: func(name string) string { return strings.Clone(c.Cookies(name)) },
		Local:  func(key string) any { return c.Locals(key) },
		Remote: r.remote(),
	}
}

// originAllowed reports whether the page that makes the request, if any, may.
func (r *request) originAllowed() bool {
	var origins []string
	for _, o := range r.c.Request().Header.PeekAll(fiber.HeaderOrigin) {
		origins = append(origins, string(o))
	}
	return r.hub.AllowOrigin(origins, strings.Clone(r.c.Hostname()), r.c.Protocol() == "https")
}

// context returns the context that the application gave the request.
func (r *request) context() context.Context { return r.c.UserContext() }

// param returns a copy of a parameter of the path, percent-decoded once.
func (r *request) param(name string) (string, error) {
	raw := strings.Clone(r.c.Params(name))
	if !strings.Contains(raw, "%") || r.c.App().Config().UnescapePath {
		return raw, nil
	}
	value, err := url.PathUnescape(raw)
	if err != nil {
		return "", flow.Errorf(flow.CodeInvalidMessage, "the path has a broken percent-encoding")
	}
	return value, nil
}

// pathUser returns the user id in the path.
func (r *request) pathUser() (string, error) {
	user, err := r.param("user")
	if err != nil {
		return "", err
	}
	if len(user) < 1 || len(user) > 255 || !utf8.ValidString(user) || strings.ContainsRune(user, 0) {
		return "", flow.Errorf(flow.CodeInvalidMessage, "this cannot be the id of a user")
	}
	return user, nil
}
