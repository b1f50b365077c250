package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/handlers"
	"github.com/fiberflow/flow/middleware"
)

// run serves until ctx ends. The hub is closed before the database: what it hands over is written.
func run(ctx context.Context, args []string, log *slog.Logger) error {
	flags := flag.NewFlagSet("archive", flag.ContinueOnError)
	file := flags.String("file", "archive.db", "the SQLite file to write to")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	settings, err := middleware.LoadSettings()
	if err != nil {
		return err
	}
	archive, err := openArchive(ctx, *file)
	if err != nil {
		return err
	}
	return errors.Join(serve(ctx, settings, archive, log), archive.close())
}

// serve mounts flow on an app, with the archive as a consumer.
func serve(ctx context.Context, settings middleware.Settings, archive *archive, log *slog.Logger) error {
	listener, err := net.Listen("tcp", ":"+strconv.Itoa(settings.Port))
	if err != nil {
		return err
	}
	hub, err := middleware.Open(middleware.Config{
		Settings: &settings, Logger: log,
		OnCommitted: []flow.Consumer{{Group: "archive", Handle: archive.write}},
	})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	app := fiber.New(fiber.Config{DisableStartupMessage: true, ReadTimeout: 10 * time.Second})
	app.Use("/collab", middleware.New(middleware.Config{Hub: hub}))
	handlers.Register(app.Group("/collab"))

	served := make(chan error, 1)
	go func() { // ends with the app, below
		defer close(served)
		served <- app.Listener(listener)
	}()
	fmt.Fprintf(os.Stdout, "Serving at http://localhost:%d\n", listener.Addr().(*net.TCPAddr).Port)
	select {
	case err = <-served:
	case <-ctx.Done():
		log.Info("shutting down")
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), settings.Drain+5*time.Second)
	defer cancel()
	return errors.Join(err, hub.Close(end), app.ShutdownWithContext(end), <-served)
}
