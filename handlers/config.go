package handlers

import (
	"log/slog"

	"github.com/gofiber/fiber/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/fiberflow/flow"
)

// Config says how the endpoints are served. The zero value is ready to use.
type Config struct {
	// Hub is what the endpoints serve. Default: the hub that middleware put into the Fiber context under
	// [flow.ContextKey], one and the same for all requests.
	Hub *flow.Hub
	// Next skips an endpoint, in favour of the application's next handler, when it returns true.
	// Default: nil, none is skipped.
	Next func(c *fiber.Ctx) bool
	// Logger receives the causes of errors that clients are not told. Default: the hub's.
	Logger *slog.Logger
	// Registry is shown by GET /metrics; the metrics of flow are added to it. Default: a registry of
	// its own, with those of Go and the process.
	Registry *prometheus.Registry
}

// configDefault returns the given config with every unset field filled in.
func configDefault(config ...Config) Config {
	var c Config
	if len(config) > 0 {
		c = config[0]
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
		if c.Hub != nil {
			c.Logger = c.Hub.Config().Logger
		}
	}
	if c.Registry == nil {
		c.Registry = prometheus.NewRegistry()
		c.Registry.MustRegister(
			collectors.NewGoCollector(),
			collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		)
	}
	return c
}
