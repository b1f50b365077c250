package flow

import (
	"container/list"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// ContextKey is where middleware leaves the *Hub in the Fiber context's locals.
const ContextKey = "flow.hub"

// Hub runs the rooms of one instance. All its methods are safe for concurrent use.
type Hub struct {
	cfg       Config
	log       *slog.Logger
	limits    []byte // as welcome shows them
	origins   []origin
	requests  map[string]func(*Conn, *message)
	control   *outbox
	consumers *consumers // nil: the application has none
	stats     counters
	flushers  []*flusher
	crowd     crowd
	quick     bool // the log is an ImmediateLog
	meter     *metering
	rates     [payKinds]int // what the buckets of a payer gain a second

	ringBytes     atomic.Int64
	documentBytes atomic.Int64 // of states and snapshots
	journal       budget
	stirring      stirring
	troubled      atomic.Int64  // rooms that are not live
	troubledAt    atomic.Int64  // Unix nanoseconds, since when there are any
	rights        atomic.Uint64 // how often rights were asked for again
	gaps          atomic.Int64  // of the bus, after which rights were not asked for again yet
	unheard       atomic.Bool   // others may not have heard that rights have changed
	amnesia       atomic.Bool   // the store of sessions may have lost its memory
	state         atomic.Value  // the State that clients were told
	parted        recent        // sessions that ended here
	finished      recent        // likewise, for as long as a token may say that no store knew them
	doubted       atomic.Int64  // Unix nanoseconds, when there were such tokens
	recalls       chan struct{} // holds as many as rings are filled at a time
	repairs       chan struct{} // holds as many as rooms are compared with their logs

	ctx     context.Context // ends when the hub is closed
	cancel  context.CancelFunc
	work    sync.WaitGroup // every goroutine that the hub starts, but for those that write to one connection
	gate    sync.RWMutex   // guards over; no other lock is taken while it is held
	over    bool           // work takes no more goroutines
	stopBus func()
	dirty   chan struct{} // wakes the keeper of sessions
	keeping chan struct{} // holds who writes them

	mu        sync.Mutex // guards what follows; before a room's lock, never after
	draining  bool
	rooms     map[string]*room
	conns     map[*Conn]struct{}
	users     map[string][]*Conn
	empty     chan struct{} // closed when draining and the last connection is gone
	payers    map[string]*payer
	addresses map[netip.Addr]*address // by what they are counted as
	strangers *list.List              // of *Conn, those that have not said who they are, oldest first
	unsaved   map[*member]struct{}    // sessions that the store does not have as they are
	ended     map[string]struct{}     // sessions that the store may still have, and must not
	stalled   map[*member]struct{}    // members that wait for a log that is away
	seen      map[string]time.Time    // when other instances were last heard of
	guard     peerGuard
	asked     map[string]chan struct{}
	healing   bool                 // the log has come back, and some rooms have not caught up with it
	parts     [3]State             // of the subsystems, as was logged
	since     [3]time.Time         // since when they were so
	deleted   map[string]time.Time // when rooms were deleted, for as long as their tombstones stand
	telling   map[string][]func()  // calls of hooks that wait for others of the same room
	closing   chan struct{}        // closed when Close is done
}

// New returns a running hub. It must be ended with Close.
func New(cfg Config) (*Hub, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	limits, err := json.Marshal(cfg.Limits)
	if err != nil {
		return nil, fmt.Errorf("encode limits: %w", err)
	}
	h := &Hub{
		parted: recent{keep: recentFor, most: recentMost}, finished: recent{keep: cfg.SessionTTL, most: doubtMost},
		cfg: cfg, log: cfg.Logger, limits: limits, requests: requests(),
		dirty: make(chan struct{}, 1), keeping: make(chan struct{}, 1),
		rooms: map[string]*room{}, conns: map[*Conn]struct{}{}, users: map[string][]*Conn{},
		empty: make(chan struct{}), meter: newMetering(), rates: newPayerRates(cfg.Quotas),
		payers: map[string]*payer{}, addresses: map[netip.Addr]*address{}, strangers: list.New(),
		unsaved: map[*member]struct{}{},
		ended:   map[string]struct{}{}, stalled: map[*member]struct{}{}, seen: map[string]time.Time{},
		asked: map[string]chan struct{}{}, deleted: map[string]time.Time{}, telling: map[string][]func(){},
		repairs: make(chan struct{}, reconcilers), recalls: make(chan struct{}, 2), closing: make(chan struct{}),
	}
	for _, text := range cfg.AllowedOrigins {
		o, err := parseOrigin(text)
		if err != nil {
			return nil, fmt.Errorf("flow: Config.AllowedOrigins: %w", err)
		}
		h.origins = append(h.origins, o)
	}
	for i, s := range h.Subsystems() {
		h.parts[i], h.since[i] = s.State, s.Since
	}
	h.state.Store(h.State())
	h.ctx, h.cancel = context.WithCancel(context.Background())
	h.stats.started = time.Now()
	h.consumers = newConsumers(h)
	_, h.quick = cfg.Log.(ImmediateLog)
	h.control = newOutbox(h, controlTopic)
	for range runtime.GOMAXPROCS(0) {
		f := newFlusher(h)
		h.flushers = append(h.flushers, f)
		h.work.Go(f.serve) // until Close
	}
	tuned := make(chan struct{})
	h.stopBus = cfg.Bus.Subscribe(controlTopic, h.hear(tuned))
	h.tune(tuned)
	h.work.Go(h.tick)         // until ctx ends
	h.work.Go(h.keepSessions) // until ctx ends
	if cfg.Meter != nil {
		h.work.Go(h.shareSpending) // until ctx ends
	}
	h.consumers.start()
	return h, nil
}

// Instance returns the name of this process among its peers.
func (h *Hub) Instance() string { return h.cfg.Instance }

// Config returns the configuration in force, defaults filled in.
func (h *Hub) Config() Config { return h.cfg }

// Draining reports whether the hub is shutting down.
func (h *Hub) Draining() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.draining
}

// spawn runs f on a goroutine that Close waits for; false once the hub is closed.
func (h *Hub) spawn(f func()) bool {
	h.gate.RLock()
	defer h.gate.RUnlock()
	if h.over {
		return false
	}
	h.work.Go(func() {
		defer h.recovered("a goroutine of the hub")
		f()
	})
	return true
}

// recovered logs a panic in place of the end of the process. It is to be deferred.
func (h *Hub) recovered(where string) {
	if p := recover(); p != nil {
		h.logPanic(p, where)
	}
}

// logPanic tells of a panic that harms nobody else, and where it was. It is for the function that recovers.
func (h *Hub) logPanic(p any, where string, args ...any) {
	args = append([]any{"in", where}, args...)
	h.log.Error("panic", append(args, "panic", p, "stack", string(debug.Stack()))...)
}

// askHook calls a hook of the application that answers. One that panics has failed.
func askHook[T any](h *Hub, name string, hook func() (T, error)) (answer T, err error) {
	defer func() {
		if p := recover(); p != nil {
			h.logPanic(p, "a hook", "hook", name)
			err = errors.New("the " + name + " hook panicked")
		}
	}()
	return hook()
}

// hook calls a hook of the application. One that panics is logged, and harms nobody else.
func (h *Hub) hook(name string, f func()) {
	defer func() {
		if p := recover(); p != nil {
			h.logPanic(p, "a hook", "hook", name)
		}
	}()
	f()
}

// tellRoom calls a hook about a room, after those that were called before.
func (h *Hub) tellRoom(name string, hook func(context.Context, string), room string) {
	if hook == nil {
		return
	}
	call := func() { h.hook(name, func() { hook(h.ctx, room) }) }
	h.mu.Lock()
	defer h.mu.Unlock()
	waiting, busy := h.telling[room]
	if h.telling[room] = append(waiting, call); !busy {
		h.spawn(func() { h.tellOn(room) })
	}
}

// tellOn calls the hooks about a room that wait, until none does.
func (h *Hub) tellOn(room string) {
	for {
		h.mu.Lock()
		waiting := h.telling[room]
		if len(waiting) == 0 {
			delete(h.telling, room)
			h.mu.Unlock()
			return
		}
		h.telling[room] = waiting[1:]
		h.mu.Unlock()
		waiting[0]()
	}
}

func (h *Hub) addConn(c *Conn) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.admitLocked(c.client()); err != nil {
		return err
	}
	h.countLocked(c)
	h.conns[c] = struct{}{}
	h.stats.connections.Add(1)
	if c.user != nil {
		h.indexLocked(c, c.user.ID)
	}
	return nil
}

func (h *Hub) removeConn(c *Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if _, ok := h.conns[c]; !ok {
		return
	}
	delete(h.conns, c)
	h.uncountLocked(c)
	h.stats.connections.Add(-1)
	if c.user != nil {
		h.unindexLocked(c, c.user.ID)
	}
	if h.draining && len(h.conns) == 0 {
		close(h.empty)
	}
}

// indexLocked notes whose socket or stream it is.
func (h *Hub) indexLocked(c *Conn, user string) {
	h.users[user] = append(h.users[user], c)
}

func (h *Hub) unindexLocked(c *Conn, user string) {
	conns := h.users[user]
	at := slices.Index(conns, c)
	switch {
	case at < 0:
	case len(conns) == 1:
		delete(h.users, user)
	default:
		h.users[user] = slices.Delete(conns, at, at+1)
	}
}

// endRoom ends every membership of a room that was deleted, and closes it.
func (h *Hub) endRoom(r *room) {
	h.mu.Lock()
	if h.rooms[r.id] == r {
		delete(h.rooms, r.id)
		h.mu.Unlock()
		r.shut()
		h.tellRoom("OnRoomIdle", h.cfg.OnRoomIdle, r.id)
	} else {
		h.mu.Unlock()
	}
	r.mu.Lock()
	members := append([]*member(nil), r.list...)
	for _, m := range r.members {
		if m.conn == nil {
			members = append(members, m)
		}
	}
	r.mu.Unlock()
	for _, m := range members {
		m.end(LeaveDeleted)
	}
}

func errDraining() *Error {
	return &Error{Code: CodeUnavailable, Message: "the server is shutting down", RetryAfter: time.Second}
}

// anyFlusher returns who writes to a connection.
func (h *Hub) anyFlusher() *flusher { return h.flushers[rand.IntN(len(h.flushers))] }
