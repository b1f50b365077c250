package middleware_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/gofiber/fiber/v2"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/handlers"
	"github.com/fiberflow/flow/middleware"
)

// Two lines give an app rooms, sessions, presence, events and an ordered log: in memory, or on Redis
// when the environment says so.
func Example() {
	app := fiber.New()
	app.Use(middleware.New())
	handlers.Register(app)

	// An application would call app.Listen(":3000") here.
	answer, err := app.Test(httptest.NewRequest(http.MethodGet, "/health/ready", http.NoBody), -1)
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = answer.Body.Close()
	fmt.Println(answer.Status)

	_ = app.Shutdown() // closes the hub
	// Output: 200 OK
}

// An application that speaks to the hub itself opens it first: that also brings the error of a setting
// that cannot be read.
func ExampleOpen() {
	ctx := context.Background()
	hub, err := middleware.Open(middleware.Config{
		Authorize: func(_ context.Context, user flow.User, room string) (flow.Access, error) {
			if room == "office" || user.ID == "ann" {
				return flow.Editor, nil
			}
			return flow.None, nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = hub.Close(ctx) }()

	app := fiber.New()
	app.Use("/collab", middleware.New(middleware.Config{Hub: hub}))
	handlers.Register(app.Group("/collab"))

	placed, err := hub.Submit(ctx, "office", flow.User{ID: "clock"}, "", []byte(`{"time":"12:00"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("operation", placed.Operations[0].Seq)
	// Output: operation 1
}

// The settings can be read on their own, and handed to Open when the application has looked at them.
func ExampleLoadSettings() {
	environment := map[string]string{"PORT": "8080", "COLLAB_GRACE": "500ms"}
	lookup := func(key string) (string, bool) {
		value, ok := environment[key]
		return value, ok
	}
	settings, err := middleware.LoadSettings(middleware.Config{Getenv: lookup})
	fmt.Println(settings.Port, settings.Grace, settings.Redis.Addrs, err)

	environment["COLLAB_ROOMS"] = "many"
	_, err = middleware.LoadSettings(middleware.Config{Getenv: lookup})
	fmt.Println(err)
	// Output:
	// 8080 500ms [localhost:6379] <nil>
	// read the settings: COLLAB_ROOMS="many": expected a whole number from 1 to 2147483647
}
