package flow

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// The names of the subsystems.
const (
	subsystemCollaboration = "collaboration"
	subsystemWebsockets    = "websockets"
	subsystemOrdering      = "ordering"
)

// backendMemory is the name of a backend that nobody else shares.
const backendMemory = "memory"

// Subsystem is one of the three, and how it serves.
type Subsystem struct {
	Name string // collaboration, websockets or ordering
	Health
}

// Subsystems returns the three in the order collaboration, websockets, ordering. Ordering recovers while
// any room has not caught up with its log.
func (h *Hub) Subsystems() [3]Subsystem {
	all := [3]Subsystem{
		{subsystemCollaboration, h.cfg.Sessions.Health()},
		{subsystemWebsockets, h.cfg.Bus.Health()},
		{subsystemOrdering, h.cfg.Log.Health("")},
	}
	if ordering := &all[2]; ordering.State == Live && h.troubled.Load() > 0 {
		ordering.State, ordering.Since = Recovering, time.Unix(0, h.troubledAt.Load())
	}
	return all
}

// State returns the worst state of the three subsystems.
func (h *Hub) State() State {
	worst := Live
	for _, s := range h.Subsystems() {
		worst = worse(worst, s.State)
	}
	return worst
}

// worse returns the worse of two states.
func worse(a, b State) State {
	if a == Degraded || b == Live {
		return a
	}
	return b
}

// durability says what an operation that is confirmed now survives.
func (h *Hub) durability() string {
	return h.cfg.Log.Health("").Backend
}

// Stats are the figures of one instance. Those that are not "now" only grow.
type Stats struct {
	Instance    string
	Started     time.Time
	Connections int64 // sockets and streams now
	Rooms       int64 // open now
	Sessions    int64 // joined here now
	Operations  int64 // confirmed, of sessions of this instance
	Events      int64 // published here
	Presence    int64 // presence messages received
	Nacks       int64
	Queued      int64 // answers to authors that their operations are in memory only
	Journal     int64 // operations that wait for their logs now
	DataLoss    int64 // confirmed operations that logs have lost and that could not be restored, as far as known
	Reconciles  int64 // times that a room was compared with its log
	Delivered   int64 // frames handed to connections
	Encoded     int64 // broadcast frames encoded
	Appends     int64 // batches sent to the log
	Snapshots   int64 // stored by way of this instance
	Overruns    int64 // snapshots that became void because nobody made a newer one, as far as known
	// ReducerFailures counts operations that reducers refused or that had no effect on a state.
	ReducerFailures int64
	BusLost         int64 // messages to other instances that the bus did not take
	Latency         Latency
	Consumers       []GroupStats // in the order of Config.OnCommitted
}

// Latency tells how long operations took from their receipt to their place in the log. The values
// are upper bounds, at most a quarter above the truth.
type Latency struct{ P50, P99, Max time.Duration }

// counters are the figures as they are counted.
type counters struct {
	started         time.Time
	connections     atomic.Int64
	sessions        atomic.Int64
	operations      atomic.Int64
	events          atomic.Int64
	presence        atomic.Int64
	nacks           atomic.Int64
	queued          atomic.Int64
	lost            atomic.Int64
	reconciles      atomic.Int64
	delivered       atomic.Int64
	encoded         atomic.Int64
	appends         atomic.Int64
	busLost         atomic.Int64
	snapshots       atomic.Int64
	overruns        atomic.Int64
	reducerFailures atomic.Int64
	latency         histogram
}

// Stats returns the figures of this instance.
func (h *Hub) Stats() Stats {
	h.mu.Lock()
	rooms := len(h.rooms)
	h.mu.Unlock()
	c := &h.stats
	return Stats{
		Instance: h.cfg.Instance, Started: c.started, Rooms: int64(rooms),
		Connections: c.connections.Load(), Sessions: c.sessions.Load(), Operations: c.operations.Load(),
		Events: c.events.Load(), Presence: c.presence.Load(), Nacks: c.nacks.Load(),
		Queued: c.queued.Load(), Journal: h.journal.ops.Load(), DataLoss: c.lost.Load(),
		Reconciles: c.reconciles.Load(),
		Delivered:  c.delivered.Load(), Encoded: c.encoded.Load(), Appends: c.appends.Load(),
		Snapshots: c.snapshots.Load(), Overruns: c.overruns.Load(), ReducerFailures: c.reducerFailures.Load(),
		BusLost: c.busLost.Load(), Latency: c.latency.read(), Consumers: h.consumers.stats(),
	}
}

// histogram counts durations in buckets of four to a doubling, from a microsecond on. It never
// forgets, so its quantiles are those since the start.
type histogram struct {
	buckets [128]atomic.Int64
	top     atomic.Int64 // the longest, in nanoseconds
}

func (h *histogram) add(d time.Duration) {
	h.buckets[bucketOf(d)].Add(1)
	for {
		top := h.top.Load()
		if int64(d) <= top || h.top.CompareAndSwap(top, int64(d)) {
			return
		}
	}
}

// bucketOf returns 4·log2 of the microseconds, by their highest bit and the two below it.
func bucketOf(d time.Duration) int {
	us := uint64(max(4, d.Microseconds()))
	top := bits.Len64(us) - 1
	return min(127, (top-2)*4+int(us>>(top-2)&3))
}

// boundOf returns the end of a bucket.
func boundOf(bucket int) time.Duration {
	return time.Duration(4+bucket%4+1) << (bucket / 4) * time.Microsecond
}

func (h *histogram) read() Latency {
	var counts [128]int64
	total := int64(0)
	for i := range counts {
		counts[i] = h.buckets[i].Load()
		total += counts[i]
	}
	longest := time.Duration(h.top.Load())
	return Latency{
		P50: quantile(counts[:], total, 0.5, longest), P99: quantile(counts[:], total, 0.99, longest), Max: longest,
	}
}

func quantile(counts []int64, total int64, q float64, longest time.Duration) time.Duration {
	need := int64(float64(total)*q + 0.5)
	for i, seen := 0, int64(0); i < len(counts) && total > 0; i++ {
		if seen += counts[i]; seen >= max(1, need) {
			return min(boundOf(i), longest)
		}
	}
	return 0
}
