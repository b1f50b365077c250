package main

import (
	"embed"
	"net/http"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/etag"
	"github.com/gofiber/fiber/v2/middleware/filesystem"

	"github.com/fiberflow/flow"
)

// web holds the page, its style and its modules.
//
//go:embed web
var web embed.FS

// policy lets the page load from this server only, and run nothing that stands in the markup.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// registerPages serves the board of a room at /board/<room>, and that of ?room= or a default one at /.
func registerPages(app *fiber.App) {
	tag := etag.New()
	app.Get("/", secure, tag, index)
	app.Get("/board/:room", secure, tag, func(c *fiber.Ctx) error {
		if !flow.ValidRoom(c.Params("room")) {
			return fiber.NewError(fiber.StatusNotFound, "there is no board with such a name")
		}
		return index(c)
	})
	app.Use("/web", secure, tag, filesystem.New(filesystem.Config{Root: http.FS(web), PathPrefix: "web"}))
}

func secure(c *fiber.Ctx) error {
	c.Set(fiber.HeaderContentSecurityPolicy, policy)
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	c.Set(fiber.HeaderReferrerPolicy, "no-referrer") // an address may be all that keeps a board private
	c.Set(fiber.HeaderCacheControl, "no-cache")
	return c.Next()
}

func index(c *fiber.Ctx) error { return filesystem.SendFile(c, http.FS(web), "web/index.html") }
