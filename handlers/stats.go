package handlers

import (
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/fiberflow/flow"
)

// statsView is what one instance does; durations are milliseconds.
type statsView struct {
	Instance    string                     `json:"instance"`
	Uptime      int64                      `json:"uptime"`
	Connections int64                      `json:"connections"`
	Rooms       int64                      `json:"rooms"`
	Sessions    int64                      `json:"sessions"`
	Ops         int64                      `json:"ops"`
	Queued      int64                      `json:"queued"`     // answers that operations are in memory only
	Journal     int64                      `json:"journal"`    // operations that wait for their logs now
	DataLoss    int64                      `json:"dataLoss"`   // confirmed operations, at most, that are gone
	Reconciles  int64                      `json:"reconciles"` // of rooms with their logs
	Snapshots   int64                      `json:"snapshots"`  // stored by way of this instance
	Rates       ratesView                  `json:"rates"`
	Latency     latencyView                `json:"latency"`
	Subsystems  map[string]subsystemDetail `json:"subsystems"`
}

// ratesView is how often things happen, per second.
type ratesView struct {
	Ops       float64 `json:"ops"`
	Events    float64 `json:"events"`
	Presence  float64 `json:"presence"`
	Nacks     float64 `json:"nacks"`
	Delivered float64 `json:"delivered"`
}

// latencyView is how long operations took from receipt to their place in the log, since the start.
type latencyView struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

func (e *endpoints) stats(r *request) error {
	s := r.hub.Stats()
	now := time.Now()
	return r.answer(fiber.StatusOK, statsView{
		Instance:    s.Instance,
		Uptime:      now.Sub(s.Started).Milliseconds(),
		Connections: s.Connections,
		Rooms:       s.Rooms,
		Sessions:    s.Sessions,
		Ops:         s.Operations,
		Queued:      s.Queued,
		Journal:     s.Journal,
		DataLoss:    s.DataLoss,
		Reconciles:  s.Reconciles,
		Snapshots:   s.Snapshots,
		Rates:       e.rates.at(now, s),
		Latency:     latencyView{milliseconds(s.Latency.P50), milliseconds(s.Latency.P99), milliseconds(s.Latency.Max)},
		Subsystems:  subsystemDetails(r.hub),
	})
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// rates turns counters into rates without a goroutine: it remembers an earlier reading, of at least a
// second ago, and so shows the time since somebody looked last.
type rates struct {
	mu           sync.Mutex
	older, newer reading
}

type reading struct {
	at    time.Time
	stats flow.Stats
}

func (r *rates) at(now time.Time, s flow.Stats) ratesView {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.newer.stats.Instance != s.Instance {
		start := reading{at: s.Started, stats: flow.Stats{Instance: s.Instance}}
		r.older, r.newer = start, start
	}
	if now.Sub(r.newer.at) >= time.Second {
		r.older, r.newer = r.newer, reading{at: now, stats: s}
	}
	past := r.older.stats
	seconds := max(now.Sub(r.older.at).Seconds(), 0.001)
	per := func(now, then int64) float64 {
		if now < then { // two readers overtook each other
			return 0
		}
		return float64(int64(float64(now-then)/seconds*100)) / 100
	}
	return ratesView{
		Ops:       per(s.Operations, past.Operations),
		Events:    per(s.Events, past.Events),
		Presence:  per(s.Presence, past.Presence),
		Nacks:     per(s.Nacks, past.Nacks),
		Delivered: per(s.Delivered, past.Delivered),
	}
}
