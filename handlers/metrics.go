package handlers

import (
	"runtime"
	"runtime/debug"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/fiberflow/flow"
)

func (e *endpoints) metrics(r *request) error { return e.scrape(r.c) }

// newScrapeHandler adds the hub's metrics to the registry, and returns what shows the registry.
func (e *endpoints) newScrapeHandler() fiber.Handler {
	registry := e.config.Registry
	if err := registry.Register(newCollector(e.hub.Load)); err != nil {
		e.config.Logger.Error("the metrics of flow are in the registry already", "error", err)
	}
	return adaptor.HTTPHandler(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
}

// collector reads the hub when somebody scrapes. It keeps no numbers of its own.
type collector struct {
	hub func() *flow.Hub // nil before the first request

	numbers   []number
	up        *prometheus.Desc
	state     *prometheus.Desc
	latency   *prometheus.Desc
	consumed  *prometheus.Desc
	failures  *prometheus.Desc
	buildInfo prometheus.Metric
}

// number is a metric that is one number of the hub's statistics.
type number struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	of   func(flow.Stats) float64
}

func newCollector(hub func() *flow.Hub) *collector {
	c := &collector{
		hub: hub,
		up: prometheus.NewDesc("flow_subsystem_up",
			"1 while the subsystem works as configured.", []string{"subsystem", "backend"}, nil),
		state: prometheus.NewDesc("flow_subsystem_state",
			"1 for the state that the subsystem is in.", []string{"subsystem", "state"}, nil),
		latency: prometheus.NewDesc("flow_operation_latency_seconds",
			"From receipt of an operation to its place in the log, since the start; quantile 1 is the longest.",
			[]string{"quantile"}, nil),
		consumed: prometheus.NewDesc("flow_consumed_operations_total",
			"Operations that a group of consumers has handled on this instance.", []string{"group"}, nil),
		failures: prometheus.NewDesc("flow_consumer_failures_total",
			"Errors and panics of a group of consumers on this instance.", []string{"group"}, nil),
		buildInfo: buildInfo(),
	}
	c.addNumbers()
	return c
}

// addNumbers lists what is one number each.
func (c *collector) addNumbers() {
	gauge := func(name, help string, of func(flow.Stats) float64) {
		c.numbers = append(c.numbers, number{prometheus.NewDesc(name, help, nil, nil), prometheus.GaugeValue, of})
	}
	counter := func(name, help string, of func(flow.Stats) int64) {
		value := func(s flow.Stats) float64 { return float64(of(s)) }
		c.numbers = append(c.numbers, number{prometheus.NewDesc(name, help, nil, nil), prometheus.CounterValue, value})
	}
	gauge("flow_connections", "Sockets and streams that are connected.",
		func(s flow.Stats) float64 { return float64(s.Connections) })
	gauge("flow_rooms", "Rooms that are open on this instance.",
		func(s flow.Stats) float64 { return float64(s.Rooms) })
	gauge("flow_sessions", "Sessions that are joined on this instance.",
		func(s flow.Stats) float64 { return float64(s.Sessions) })
	gauge("flow_journal_operations", "Operations that wait in memory until their logs take them.",
		func(s flow.Stats) float64 { return float64(s.Journal) })
	gauge("flow_start_time_seconds", "When the hub was opened, in Unix time.",
		func(s flow.Stats) float64 { return float64(s.Started.UnixMilli()) / 1000 })
	counter("flow_operations_total", "Operations of this instance's clients that were confirmed.",
		func(s flow.Stats) int64 { return s.Operations })
	counter("flow_nacks_total", "Operations that were not taken.",
		func(s flow.Stats) int64 { return s.Nacks })
	counter("flow_queued_total", "Answers to authors that their operations are in memory only.",
		func(s flow.Stats) int64 { return s.Queued })
	counter("flow_reconciles_total",
		"Rooms that were compared with their logs, because these had been away or did not match.",
		func(s flow.Stats) int64 { return s.Reconciles })
	counter("flow_data_loss_total",
		"Confirmed operations, at most, that logs have lost and that this instance could not restore.",
		func(s flow.Stats) int64 { return s.DataLoss })
	counter("flow_events_total", "Events that were published.",
		func(s flow.Stats) int64 { return s.Events })
	counter("flow_presence_total", "Presence messages that were received.",
		func(s flow.Stats) int64 { return s.Presence })
	counter("flow_frames_delivered_total", "Frames that were handed to connections.",
		func(s flow.Stats) int64 { return s.Delivered })
	counter("flow_frames_encoded_total", "Frames that were encoded for many connections at once.",
		func(s flow.Stats) int64 { return s.Encoded })
	counter("flow_appends_total", "Batches that were appended to logs.",
		func(s flow.Stats) int64 { return s.Appends })
	counter("flow_snapshots_total", "Snapshots that were stored by way of this instance.",
		func(s flow.Stats) int64 { return s.Snapshots })
	counter("flow_snapshot_overruns_total", "Snapshots that are void because nobody made a newer one in time.",
		func(s flow.Stats) int64 { return s.Overruns })
	counter("flow_reducer_failures_total", "Operations that reducers refused, or that had no effect on a state.",
		func(s flow.Stats) int64 { return s.ReducerFailures })
	counter("flow_bus_lost_total", "Messages to other instances that the bus did not take.",
		func(s flow.Stats) int64 { return s.BusLost })
}

// Describe implements [prometheus.Collector].
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, n := range c.numbers {
		ch <- n.desc
	}
	ch <- c.up
	ch <- c.state
	ch <- c.latency
	ch <- c.consumed
	ch <- c.failures
	ch <- c.buildInfo.Desc()
}

// Collect implements [prometheus.Collector].
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	ch <- c.buildInfo
	hub := c.hub()
	if hub == nil {
		return
	}
	stats := hub.Stats()
	for _, n := range c.numbers {
		ch <- prometheus.MustNewConstMetric(n.desc, n.kind, n.of(stats))
	}
	for _, g := range stats.Consumers {
		ch <- prometheus.MustNewConstMetric(c.consumed, prometheus.CounterValue, float64(g.Operations), g.Group)
		ch <- prometheus.MustNewConstMetric(c.failures, prometheus.CounterValue, float64(g.Failures), g.Group)
	}
	for quantile, d := range map[string]time.Duration{
		"0.5": stats.Latency.P50, "0.99": stats.Latency.P99, "1": stats.Latency.Max,
	} {
		ch <- prometheus.MustNewConstMetric(c.latency, prometheus.GaugeValue, d.Seconds(), quantile)
	}
	for _, s := range hub.Subsystems() {
		ch <- prometheus.MustNewConstMetric(c.up, prometheus.GaugeValue, one(s.State == flow.Live), s.Name, s.Backend)
		for _, state := range []flow.State{flow.Live, flow.Degraded, flow.Recovering} {
			is := one(s.State == state)
			ch <- prometheus.MustNewConstMetric(c.state, prometheus.GaugeValue, is, s.Name, string(state))
		}
	}
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// buildInfo returns the metric that names the version of this module and of Go.
func buildInfo() prometheus.Metric {
	const module = "github.com/fiberflow/flow"
	version := "(devel)"
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Path == module && info.Main.Version != "" {
			version = info.Main.Version
		}
		for _, dep := range info.Deps {
			if dep.Path == module {
				version = dep.Version
			}
		}
	}
	desc := prometheus.NewDesc("flow_build_info", "1, labelled with versions.", []string{"version", "go"}, nil)
	return prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, 1, version, runtime.Version())
}
