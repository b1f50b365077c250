package main

import (
	"embed"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/etag"
	"github.com/gofiber/fiber/v2/middleware/filesystem"

	"github.com/fiberflow/flow"
)

// web holds the page, its style and its modules.
//
//go:embed web
var web embed.FS

// policy lets the page load from this server only, and run nothing that stands in the markup. No script can make
// markup of a text either.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; " +
	"trusted-types 'none'"

// registerPages serves the board of a room at /board/<room>, and that of ?room= or a default one at /.
func registerPages(app *fiber.App) {
	tag := etag.New()
	app.Use(secure) // what is not there, too
	app.Get("/", tag, index)
	app.Get("/board/:room", tag, func(c *fiber.Ctx) error {
		if !flow.ValidRoom(c.Params("room")) {
			return fiber.NewError(fiber.StatusNotFound, "there is no board with such a name")
		}
		return index(c)
	})
	app.Use("/web", tag, filesystem.New(filesystem.Config{Root: http.FS(web), PathPrefix: "web"}))
}

func secure(c *fiber.Ctx) error {
	protect(c)
	return c.Next()
}

// protect tells the browser what a page may do, and who may use it.
func protect(c *fiber.Ctx) {
	c.Set(fiber.HeaderContentSecurityPolicy, policy)
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	c.Set(fiber.HeaderXFrameOptions, "DENY")         // for browsers that do not know frame-ancestors
	c.Set(fiber.HeaderReferrerPolicy, "no-referrer") // an address may be all that keeps a board private
	c.Set("Cross-Origin-Opener-Policy", "same-origin")
	c.Set(fiber.HeaderCrossOriginResourcePolicy, "same-origin")
	c.Set(fiber.HeaderCacheControl, "no-cache")
}

// refuse answers for errors and for what is not there, also where a request was so broken that no route was looked
// for. Only what was written for clients is told, the rest is logged.
func refuse(log *slog.Logger) fiber.ErrorHandler {
	return func(c *fiber.Ctx, err error) error {
		protect(c)
		status, text := fiber.StatusInternalServerError, "something went wrong on the server"
		if told, ok := errors.AsType[*fiber.Error](err); ok {
			status, text = told.Code, told.Message
		} else {
			log.Error("a page failed", "path", strings.Clone(c.Path()), "error", err)
		}
		c.Set(fiber.HeaderContentType, fiber.MIMETextPlainCharsetUTF8)
		return c.Status(status).SendString(text)
	}
}

func index(c *fiber.Ctx) error { return filesystem.SendFile(c, http.FS(web), "web/index.html") }
