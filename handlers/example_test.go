package handlers_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/handlers"
	"github.com/fiberflow/flow/memx"
)

// An application that opened its hub itself mounts the endpoints under a path of its choice.
func ExampleRegister() {
	hub, err := flow.New(flow.Config{
		Sessions:  memx.NewSessionStore(memx.SessionConfig{}),
		Bus:       memx.NewBus(),
		Log:       memx.NewLog(memx.LogConfig{}),
		Anonymous: true,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer hub.Close(context.Background()) //nolint:errcheck // the program ends

	app := fiber.New()
	app.Get("/", func(c *fiber.Ctx) error { return c.SendString("the application's own page") })
	handlers.Register(app.Group("/collab"), handlers.Config{Hub: hub})

	body := `{"operations":[{"data":{"title":"Hello"}}]}`
	request := httptest.NewRequest(http.MethodPost, "/collab/rooms/board/operations", strings.NewReader(body))
	response, err := app.Test(request, -1)
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := io.ReadAll(response.Body)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(response.StatusCode, strings.Count(string(text), `"seq":1`))
	// Output: 201 1
}
