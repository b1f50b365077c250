package middleware

import (
	"github.com/gofiber/fiber/v2"

	"github.com/fiberflow/flow"
)

// New returns a handler that puts the hub into the Fiber context, under [flow.ContextKey].
//
// Without Config.Hub it opens one, as [Open] does. Package handlers closes that when the app shuts down; an
// application that uses the hub without those handlers opens it itself. A constructor of middleware
// cannot return an error: if the hub cannot be opened, that is logged, and the handler answers every
// request with 500. Call Open for the error.
func New(config ...Config) fiber.Handler {
	cfg := configDefault(config...)
	hub := cfg.Hub
	if hub == nil {
		opened, err := Open(cfg)
		if err != nil {
			cfg.Logger.Error("collaboration cannot start, every request will be refused", "error", err)
			return refuse(cfg, err)
		}
		hub = opened
	}
	return func(c *fiber.Ctx) error {
		if cfg.Next == nil || !cfg.Next(c) {
			c.Locals(flow.ContextKey, hub)
		}
		return c.Next()
	}
}

// refuse answers as the contract asks. The error stays in the log: it is about the server's insides.
func refuse(cfg Config, err error) fiber.Handler {
	body := fiber.Map{"error": fiber.Map{
		"code": flow.CodeInternal, "message": "collaboration could not start, the server's log says why",
	}}
	return func(c *fiber.Ctx) error {
		if cfg.Next != nil && cfg.Next(c) {
			return c.Next()
		}
		cfg.Logger.Error("collaboration did not start, request refused", "path", c.Path(), "error", err)
		return c.Status(flow.CodeInternal.Status()).JSON(body)
	}
}
