package handlers_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/compress"
	"github.com/gofiber/fiber/v2/middleware/etag"
	"github.com/gofiber/fiber/v2/middleware/logger"
	recovery "github.com/gofiber/fiber/v2/middleware/recover"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/handlers"
)

// The endpoints work wherever they are mounted, with the hub of the config or that of the context.
func TestRegister_mounts(t *testing.T) {
	mounts := map[string]options{
		"app": {prefix: "/", mount: func(app *fiber.App, c handlers.Config) { handlers.Register(app, c) }},
		"group": {
			prefix: "/api/v1/collab",
			mount: func(app *fiber.App, c handlers.Config) {
				handlers.Register(app.Group("/api").Group("/v1/collab"), c)
			},
		},
		"sub-app, registered first": {
			prefix: "/collab",
			mount: func(app *fiber.App, c handlers.Config) {
				sub := fiber.New()
				handlers.Register(sub, c)
				app.Mount("/collab", sub)
			},
		},
		"sub-app, mounted first": {
			prefix: "/collab",
			mount: func(app *fiber.App, c handlers.Config) {
				sub := fiber.New()
				app.Mount("/collab", sub)
				handlers.Register(sub, c)
			},
		},
		"sub-app in a sub-app": {
			prefix: "/outer/collab",
			mount: func(app *fiber.App, c handlers.Config) {
				outer, inner := fiber.New(), fiber.New()
				handlers.Register(inner, c)
				outer.Mount("/collab", inner)
				app.Mount("/outer", outer)
			},
		},
		"hub from the context": {
			prefix: "/collab",
			mount: func(app *fiber.App, c handlers.Config) {
				app.Use("/collab", func(ctx *fiber.Ctx) error {
					ctx.Locals(flow.ContextKey, c.Hub)
					return ctx.Next()
				})
				handlers.Register(app.Group("/collab"))
			},
		},
	}
	for name, o := range mounts {
		t.Run(name, func(t *testing.T) {
			o.fiber.ErrorHandler = func(*fiber.Ctx, error) error { return errors.New("the host's handler") }
			s := start(t, o)
			s.base = strings.TrimSuffix(s.base, "/")
			s.checkAll(t)
		})
	}
}

// How the host configures Fiber changes nothing that the contract promises.
func TestRegister_hostConfigs(t *testing.T) {
	for name, config := range map[string]fiber.Config{
		"ReduceMemoryUsage": {ReduceMemoryUsage: true},
		"Immutable":         {Immutable: true},
		"StreamRequestBody": {StreamRequestBody: true},
		"strict":            {CaseSensitive: true, StrictRouting: true},
		"DisableKeepalive":  {DisableKeepalive: true},
		"UnescapePath":      {UnescapePath: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, options{fiber: config})
			s.checkAll(t)
			large := `{"name":"n","data":"` + strings.Repeat("x", 1<<17) + `"}`
			s.call(t, http.MethodPost, "/rooms/r/events", "as-ann", large).wantCode(t, flow.CodeTooLarge)
			chunked := struct{ io.Reader }{strings.NewReader(large)} // of no known length
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.base+"/rooms/r/events", chunked)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Authorization", "Bearer as-ann")
			response, err := s.http.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			readReply(t, response).wantCode(t, flow.CodeTooLarge)
		})
	}
}

// checkAll uses the endpoints of each kind once.
func (s *server) checkAll(t *testing.T) {
	t.Helper()
	s.call(t, http.MethodGet, "/health/ready", "", "").wantStatus(t, http.StatusOK)
	s.call(t, http.MethodGet, "/rooms/r/snapshot", "as-ann", "").wantCode(t, flow.CodeNotFound)
	s.call(t, http.MethodGet, "/client.js", "", "").wantStatus(t, http.StatusOK)
	s.call(t, http.MethodGet, "/metrics", adminToken, "").wantStatus(t, http.StatusOK)

	stream := s.stream(t, "/rooms/r/stream", "as-reader")
	stream.await(t, "joined")
	ws := s.join(t, "as-ann", "r")
	ws.send(t, `{"type":"op","room":"r","n":1,"data":{"a":1}}`)
	ws.await(t, "op")
	stream.await(t, "op")
	s.call(t, http.MethodPost, "/rooms/r/operations", "as-bob", `{"operations":[{"data":2}]}`).
		wantStatus(t, http.StatusCreated)
	ws.await(t, "op")
	stream.await(t, "op")
}

// The host's own routes and middleware work as before, and the endpoints do among them.
func TestRegister_besideTheHost(t *testing.T) {
	var lines bytes.Buffer
	s := start(t, options{
		fiber: fiber.Config{ETag: true, ErrorHandler: func(c *fiber.Ctx, err error) error {
			return c.Status(http.StatusTeapot).SendString("host: " + err.Error())
		}},
		mount: func(app *fiber.App, c handlers.Config) {
			app.Use(logger.New(logger.Config{Output: &lines, Format: "${status} ${path}\n"}))
			app.Use(recovery.New(), etag.New(), compress.New(), func(c *fiber.Ctx) error {
				err := c.Next()
				c.Set("X-Host", "was here")
				return err
			})
			app.Get("/before", func(c *fiber.Ctx) error { return c.SendString("before") })
			handlers.Register(app.Group("/collab"), c)
			app.Get("/collab/own", func(c *fiber.Ctx) error { return c.SendString("own") })
			app.Get("/after", func(*fiber.Ctx) error { panic("the host's panic") })
		},
	})
	s.checkAll(t)
	root := *s
	root.base = "http://" + s.addr
	for path, want := range map[string]string{
		"/before": "before", "/collab/own": "own", "/after": "host: the host's panic",
		"/collab/nothing": "host: Cannot GET /collab/nothing",
	} {
		if got := string(root.call(t, http.MethodGet, path, "", "").body); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	root.call(t, http.MethodPost, "/collab/ws", "", "").wantStatus(t, http.StatusTeapot)

	compressed := s.call(t, http.MethodGet, "/client.js", "", "", "Accept-Encoding", "br")
	if compressed.header.Get("Content-Encoding") != "br" || compressed.header.Get("ETag") == "" {
		t.Errorf("headers %v", compressed.header)
	}
	tag := s.call(t, http.MethodGet, "/client.js", "", "").header.Get("ETag")
	s.call(t, http.MethodGet, "/client.js", "", "", "If-None-Match", tag).wantStatus(t, http.StatusNotModified)
	stream := s.stream(t, "/rooms/r/stream", "as-ann", "Accept-Encoding", "gzip")
	stream.await(t, "joined")
	if stream.header.Get("Content-Encoding") != "" || stream.header.Get("X-Host") != "was here" {
		t.Errorf("stream headers %v", stream.header)
	}
	if !strings.Contains(lines.String(), "101 /collab/ws") {
		t.Errorf("log lines:\n%s", lines.String())
	}
}
