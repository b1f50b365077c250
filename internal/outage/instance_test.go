package outage_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/golang-jwt/jwt/v5"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/handlers"
	"github.com/fiberflow/flow/middleware"
)

const (
	jwtSecret  = "a secret of the tests, which is long enough"
	adminToken = "let-me-administrate"
	// stopTimeout bounds the end of an instance, which bounds most of that by itself.
	stopTimeout = time.Minute
)

// instance is one running server: an application with the endpoints of flow on a port of its own.
type instance struct {
	base string // URL of the endpoints
	log  *journal
	kill func() // ends it as a crash does; nil for one that runs inside the test
	stop func() // ends such a one in good order
}

// environment returns what an instance reads, all subsystems on the Redis at the address. Changes win.
func environment(redis string, changes map[string]string) map[string]string {
	host, port, _ := strings.Cut(redis, ":")
	env := map[string]string{
		"USE_REDIS_COLLABORATION": "true", "USE_REDIS_WEBSOCKETS": "true", "USE_REDIS_EVENT_ORDERING": "true",
		"REDIS_HOST": host, "REDIS_PORT": port,
		"COLLAB_JWT_SECRET": jwtSecret, "COLLAB_SECRET": "signs resume tokens", "COLLAB_ADMIN_TOKEN": adminToken,
		"COLLAB_DRAIN": "2s", "COLLAB_POSITION_CHECK": "1s", "COLLAB_OPS_PER_SECOND": "1000",
		"COLLAB_GRACE": "500ms", "COLLAB_PRESENCE_TTL": "6s",
		"COLLAB_TIMEOUT": "10m", // some do not read for a while
	}
	maps.Copy(env, changes)
	return env
}

// serve opens an instance; stop ends it in good order.
func serve(getenv func(string) (string, bool), log io.Writer) (addr string, stop func() error, err error) {
	logger := slog.New(slog.NewTextHandler(log, nil))
	hub, err := middleware.Open(middleware.Config{Getenv: getenv, EnvFile: "none", Logger: logger})
	if err != nil {
		return "", nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, fmt.Errorf("listen: %w", err)
	}
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	app.Use("/collab", middleware.New(middleware.Config{Hub: hub}))
	handlers.Register(app.Group("/collab"))
	served := make(chan error, 1)
	go func() { served <- app.Listener(listener) }() // ends with the app
	return listener.Addr().String(), func() error { return shutDown(hub, app, served) }, nil
}

func shutDown(hub *flow.Hub, app *fiber.App, served <-chan error) error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := hub.Close(ctx); err != nil {
		return fmt.Errorf("close the hub: %w", err)
	}
	if err := app.ShutdownWithContext(ctx); err != nil {
		return fmt.Errorf("shut down: %w", err)
	}
	return <-served
}

// startInstance runs an instance inside the test until it ends.
func startInstance(t *testing.T, env map[string]string) *instance {
	t.Helper()
	i := &instance{log: &journal{}}
	getenv := func(key string) (string, bool) { value, ok := env[key]; return value, ok }
	addr, stop, err := serve(getenv, i.log)
	if err != nil {
		t.Fatal(err)
	}
	i.base = "http://" + addr + "/collab"
	i.stop = sync.OnceFunc(func() {
		if err := stop(); err != nil {
			t.Errorf("the instance: %v", err)
		}
	})
	t.Cleanup(i.stop)
	return i
}

// userToken returns a token that names the user.
func userToken(t *testing.T, user string) string {
	t.Helper()
	claims := jwt.MapClaims{"sub": user, "exp": time.Now().Add(time.Hour).Unix()}
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(jwtSecret))
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// journal keeps what an instance logged.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements [io.Writer].
func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

// tail returns the last lines.
func (j *journal) tail(count int) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(j.text.String()), "\n")
	return strings.Join(lines[max(0, len(lines)-count):], "\n")
}
