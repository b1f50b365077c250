package middleware_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/middleware"
)

// ask requests a path behind the middleware; the route there tells the hub's instance.
func ask(t *testing.T, path string, handler fiber.Handler) (status int, body string) {
	t.Helper()
	app := fiber.New()
	app.Use(handler)
	app.Get("/*", func(c *fiber.Ctx) error {
		hub, ok := c.Locals(flow.ContextKey).(*flow.Hub)
		if !ok {
			return c.SendString("no hub")
		}
		return c.SendString(hub.Instance())
	})
	answer, err := app.Test(httptest.NewRequest(http.MethodGet, path, http.NoBody), -1)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func TestNew(t *testing.T) {
	// A hub that is passed in is found in the Fiber context.
	t.Run("hub of the application", func(t *testing.T) {
		cfg := environment{"COLLAB_INSTANCE": "mine"}.config(t)
		hub := open(t, cfg)
		if _, got := ask(t, "/", middleware.New(middleware.Config{Hub: hub})); got != "mine" {
			t.Errorf("the route saw %q, want the hub", got)
		}
	})

	// Without one, a hub is opened from the settings, and works.
	t.Run("hub of its own", func(t *testing.T) {
		cfg := environment{"COLLAB_INSTANCE": "opened"}.config(t)
		var hub *flow.Hub
		opened := middleware.New(cfg)
		ask(t, "/", func(c *fiber.Ctx) error {
			err := opened(c)
			hub, _ = c.Locals(flow.ContextKey).(*flow.Hub)
			return err
		})
		if hub == nil || hub.Instance() != "opened" {
			t.Fatalf("hub = %v, want one named opened", hub)
		}
		if err := hub.Close(t.Context()); err != nil {
			t.Errorf("Close: %v", err)
		}
	})

	// What Next skips goes on without a hub, also when there is none.
	t.Run("next", func(t *testing.T) {
		skip := func(c *fiber.Ctx) bool { return c.Path() == "/skipped" }
		hub := open(t, environment{"COLLAB_INSTANCE": "mine"}.config(t))
		handler := middleware.New(middleware.Config{Hub: hub, Next: skip})
		if _, got := ask(t, "/skipped", handler); got != "no hub" {
			t.Errorf("a skipped route saw %q", got)
		}
		if _, got := ask(t, "/other", handler); got != "mine" {
			t.Errorf("another route saw %q, want the hub", got)
		}

		cfg := environment{"PORT": "x"}.config(t)
		cfg.Next = skip
		broken := middleware.New(cfg)
		if status, _ := ask(t, "/skipped", broken); status != http.StatusOK {
			t.Errorf("a skipped route answered %d behind a broken middleware", status)
		}
	})
}

// With settings that cannot be read, every request gets 500 and nothing of the settings, and the log
// names the key, when the handler is made and at every request.
func TestNew_Broken(t *testing.T) {
	var log book
	cfg := environment{"COLLAB_ROOMS": "many", "COLLAB_SECRET": "hunter2"}.config(t)
	cfg.Logger = log.logger()
	handler := middleware.New(cfg)
	made := log.entry(t, "collaboration cannot start, every request will be refused")
	if text, _ := made["error"].(string); !strings.Contains(text, `COLLAB_ROOMS="many"`) {
		t.Errorf("logged %v, want COLLAB_ROOMS named", made)
	}

	status, text := ask(t, "/rooms", handler)
	var told struct {
		Error struct{ Code, Message string }
	}
	if err := json.Unmarshal([]byte(text), &told); err != nil {
		t.Fatalf("answer %q: %v", text, err)
	}
	if status != http.StatusInternalServerError || told.Error.Code != "internal" || told.Error.Message == "" {
		t.Errorf("answer = %d %s, want 500 with code internal", status, text)
	}
	if strings.Contains(text, "COLLAB") {
		t.Errorf("answer %q tells about the settings", text)
	}
	asked := log.entry(t, "collaboration did not start, request refused")
	if asked["path"] != "/rooms" || strings.Contains(log.text(), "hunter2") {
		t.Errorf("logged %v", asked)
	}
}
