package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/gofiber/fiber/v2"
	recovery "github.com/gofiber/fiber/v2/middleware/recover"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/handlers"
	"github.com/fiberflow/flow/mergepatch"
	"github.com/fiberflow/flow/middleware"
)

// run serves until ctx ends, and returns when everything has been shut down in order: first the hub,
// which says goodbye to every socket, then the app.
func run(ctx context.Context, log *slog.Logger) error {
	settings, err := loadSettings(log)
	if err != nil {
		return err
	}
	listener, err := listen(settings.Port)
	if err != nil {
		return err
	}
	hub, err := middleware.Open(middleware.Config{
		Settings: &settings, Logger: log, Authorize: authorize,
		// What people write on a board is a merge patch, and the server knows the state of each. In other
		// rooms it asks an editor for snapshots.
		Reductions: []flow.Reduction{
			{Rooms: "lobby", Reducer: mergepatch.Reducer{}},
			{Rooms: "board*", Reducer: mergepatch.Reducer{}},
		},
	})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	app := newApp(hub)
	served := make(chan error, 1)
	go func() { // ends with the app, below
		defer close(served)
		served <- app.Listener(listener)
	}()
	fmt.Fprintf(os.Stdout, "The board is at http://localhost:%d\n", listener.Addr().(*net.TCPAddr).Port)

	select {
	case err = <-served:
	case <-ctx.Done():
		log.Info("shutting down")
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), settings.Drain+5*time.Second)
	defer cancel()
	return errors.Join(err, hub.Close(end), app.ShutdownWithContext(end), <-served)
}

// loadSettings reads the environment. Without a way to check tokens nobody could come in, so everybody
// may.
func loadSettings(log *slog.Logger) (middleware.Settings, error) {
	settings, err := middleware.LoadSettings(middleware.Config{Logger: log})
	if err != nil {
		return settings, err
	}
	if settings.JWTSecret == "" && settings.JWKSFile == "" && !settings.Anonymous {
		settings.Anonymous = true
		log.Warn("neither COLLAB_JWT_SECRET nor COLLAB_JWKS_FILE is set: the example takes COLLAB_ANONYMOUS as true")
	}
	return settings, nil
}

// listen takes the port before anything else starts, so that a second instance ends with one clear line.
// TCP needs no probes of its own: requests have timeouts, sockets and streams a heartbeat. Without, a connect
// is four system calls and 2 us cheaper.
func listen(port int) (net.Listener, error) {
	config := net.ListenConfig{KeepAlive: -1}
	listener, err := config.Listen(context.Background(), "tcp", ":"+strconv.Itoa(port))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("port %d is in use by another program: set PORT to a free one", port)
	}
	return listener, err
}

func newApp(hub *flow.Hub) *fiber.App {
	app := fiber.New(fiber.Config{
		AppName:               "flow board",
		DisableStartupMessage: true,
		ErrorHandler:          refuse(hub.Config().Logger),
		ReduceMemoryUsage:     true,             // some 4 KiB less for each idle socket
		ReadTimeout:           10 * time.Second, // for requests; it does not hold for sockets
		IdleTimeout:           time.Minute,
	})
	app.Use(recovery.New())
	app.Use("/collab", middleware.New(middleware.Config{Hub: hub}))
	handlers.Register(app.Group("/collab"))
	registerPages(app)
	return app
}
