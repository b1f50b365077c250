package handlers

import (
	"encoding/json"
	"net/netip"

	"github.com/gofiber/fiber/v2"

	"github.com/fiberflow/flow"
)

// livePath is asked by who restarts the process when no answer comes: no limit may stand before it.
const livePath = "/health/live"

// addressOf returns where a request comes from. It does not ask Fiber, which believes any client when the
// application has set a proxy header: the peer of the connection counts, and what trusted proxies say.
func addressOf(c *fiber.Ctx, hub *flow.Hub) netip.Addr {
	var forwarded []string
	for _, line := range c.Request().Header.PeekAll(fiber.HeaderXForwardedFor) {
		forwarded = append(forwarded, string(line))
	}
	return hub.ClientAddress(c.Context().RemoteIP().String(), forwarded)
}

// remote returns the address as applications see it; "" for one that nobody knows.
func (r *request) remote() string {
	if !r.from.IsValid() {
		return ""
	}
	return r.from.String()
}

// pay takes operations or events from what the user may send and the room may take.
func (r *request) pay(data ...json.RawMessage) error {
	bytes := 0
	for _, d := range data {
		bytes += len(d)
	}
	return r.hub.AllowMessages(r.client(&r.user), r.room, len(data), bytes)
}

// client returns who makes the request.
func (r *request) client(user *flow.User) flow.Client {
	return flow.Client{User: user, Address: r.from}
}
