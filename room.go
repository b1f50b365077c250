package flow

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// roomIdle is how long a room that nobody is in stays open, so that its ring serves those who return.
const roomIdle = 30 * time.Second

// room is one room on this instance: who is here, who is elsewhere, and the recent operations.
type room struct {
	hub   *Hub
	id    string
	ready chan struct{} // closed once the room is open
	tuned chan struct{} // closed once the subscription to the bus stands
	peers *outbox       // presence and events to other instances

	stopBus func()
	stopLog func()
	once    sync.Once // of shut
	tuning  sync.Once // of closing tuned

	groups []*consumerGroup // those that follow the room

	users int       // the hub's lock: calls that are inside, which keep the room open
	idle  time.Time // the hub's lock: when it was last in use

	mu sync.Mutex // guards what follows; before a connection's lock, never after
	standing
	seq       *sequencer
	ring      ring
	document  document
	snapshots snapshots
	members   map[string]*member // by session, those in their grace too
	list      []*member          // those with a connection, streams too
	remote    map[string]*remote // sessions of other instances
	changes   map[string]*change // presence since the last frame
	left      []departure        // since the last frame
	shown     time.Time          // when the last presence frame went out
	window    time.Duration      // that has to pass before the next one
	ticker    *time.Timer        // of the next one; nil before the first
	ticking   bool               // it is due
	due       time.Time          // when
	news      uint64             // counts changes of presence
	contested time.Time          // when another instance's list was last answered with ours
	writing   bool               // work runs
	reading   bool               // a read loop runs
	again     bool               // the read loop must look once more
	stirs     bool               // every tick looks at it
	roster    roster
	reads     uint64        // reads that have begun
	filling   bool          // a read of the log is due because of a hole
	pages     []*sharedPage // of the log, for those who are behind
	looking   bool          // somebody reads for those who join
	next      *look         // what they wait for
	regaining bool          // somebody reads the locks of those who come from elsewhere
	regain    *regain       // what they wait for
	messages  bucket        // operations and events of all members
	joins     bucket
	deleted   bool
	closed    bool
}

// newRoom returns a room that is not listening yet.
func newRoom(h *Hub, id string) *room {
	return &room{
		hub: h, id: id, ready: make(chan struct{}), tuned: make(chan struct{}),
		peers: newOutbox(h, roomTopic(id)), idle: time.Now(),
		standing: standing{told: Live}, seq: newSequencer(h.cfg.Outage, &h.journal),
		ring:      ring{total: &h.ringBytes, keep: h.ringKeep()},
		document:  newDocument(h.cfg.reductionOf(id), &h.documentBytes),
		groups:    h.consumers.of(id),
		snapshots: snapshots{since: time.Now(), turn: make(chan struct{}, 1), total: &h.documentBytes},
		members:   map[string]*member{}, remote: map[string]*remote{}, changes: map[string]*change{},
	}
}

// enter returns the room, opened if need be; exit must follow.
func (h *Hub) enter(id string) (*room, error) {
	h.mu.Lock()
	if h.draining {
		h.mu.Unlock()
		return nil, errDraining()
	}
	r := h.rooms[id]
	opener := r == nil
	if opener && len(h.rooms) >= h.cfg.Quotas.OpenRooms {
		h.mu.Unlock()
		return nil, errBusy("the server has as many rooms open as it may")
	}
	if opener {
		r = newRoom(h, id)
		h.rooms[id] = r
	}
	r.users++
	h.mu.Unlock()
	if opener {
		r.open()
		close(r.ready)
		h.tellRoom("OnRoomOpen", h.cfg.OnRoomOpen, id)
	}
	<-r.ready
	return r, nil
}

// exit ends a call inside the room.
func (r *room) exit() {
	r.hub.mu.Lock()
	defer r.hub.mu.Unlock()
	r.users--
	r.idle = time.Now()
}

// peek returns the room if it is open.
func (h *Hub) peek(id string) *room {
	h.mu.Lock()
	r := h.rooms[id]
	h.mu.Unlock()
	if r != nil {
		<-r.ready
	}
	return r
}

// open starts to listen, and learns where the log ends. If the log is away, the head is learnt when
// it is back.
func (r *room) open() {
	r.since = r.hub.cfg.Log.Health(r.id).Since // nobody else uses the room before it is ready
	page, err := r.hub.cfg.Log.Read(r.hub.ctx, r.id, Query{Unchecked: true})
	switch code := ErrorCode(err); {
	case code == CodeRoomDeleted:
		r.deleted = true
	case r.hub.risen(r.hub.ctx, r.id):
		r.deleted = true
	case code == "" || code == CodeTrimmed:
		r.seq.restart(page.Head)
		r.ring.rewind(page.Head)
		r.restored, r.floor = page.Restored, page.Base.Seq
		r.broken = time.Now().Add(-max(0, time.Since(time.UnixMilli(page.Restored)))) // clocks may differ
		r.snapshots.learnLocked(page.Snapshot)
	default:
		r.failLocked(err)
	}
	if r.phase == phaseLive && !r.deleted {
		if err := r.mark(); err != nil {
			r.failLocked(err)
		}
	}
	r.stopBus = r.hub.cfg.Bus.Subscribe(roomTopic(r.id), r.heard)
	r.stopLog = r.hub.cfg.Log.Follow(r.id, r.fed)
	r.mu.Lock()
	r.recallLocked()
	r.appendedLocked()
	r.mu.Unlock()
	r.hub.tune(r.tuned) // who has joined misses nothing that others say
}

// shut stops listening. The room is out of the hub's table.
func (r *room) shut() {
	r.once.Do(func() {
		r.stopBus()
		r.stopLog()
		r.mu.Lock()
		defer r.mu.Unlock()
		r.ring.close()
		r.document.drop()
		r.snapshots.dropLocked()
		r.phaseLocked(phaseLive)
		r.closed = true
	})
}

// unused reports whether nobody is in the room and nothing is under way. While its log is away, its ring may
// be the last copy.
func (r *room) unused() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	empty := len(r.members) == 0 && len(r.list) == 0 && !r.writing && !r.reading
	kept := r.phase != phaseLive && len(r.ring.entries) > 0
	return empty && (r.deleted || !kept && !r.seq.busy())
}

// isDeleted reports whether the room was deleted. It is closed soon, and its id may be opened anew.
func (r *room) isDeleted() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.deleted
}

func errDeleted() *Error { return Errorf(CodeRoomDeleted, "the room was deleted") }

// listLocked makes a member with a connection a receiver of the room's frames.
func (r *room) listLocked(m *member) {
	if !slices.Contains(r.list, m) {
		r.list = append(r.list, m)
	}
}

func (r *room) unlistLocked(m *member) {
	if i := slices.Index(r.list, m); i >= 0 {
		last := len(r.list) - 1
		r.list[i], r.list[last] = r.list[last], nil
		r.list = r.list[:last]
	}
}

// drop takes a member out if that is right, and returns what it was; ok is false when it was out
// already, or must stay.
func (r *room) drop(m *member, reason LeaveReason, right func() bool) (c *Conn, p Participant, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m.gone || !right() {
		return nil, p, false
	}
	c, p = m.conn, m.participant()
	m.gone, m.conn = true, nil
	m.ended = reason != LeaveReplaced && reason != LeaveDisconnected
	r.unlistLocked(m)
	if m.session == "" {
		return c, p, true
	}
	r.forgetLocked(m)
	delete(r.changes, m.session) // elsewhere there may be newer ones
	if m.ended {                 // whoever had it before may not have heard yet that it moved here
		delete(r.remote, m.session)
		r.hub.noteOver(m.session)
	}
	away := reason == LeaveDisconnected && r.remote[m.session] != nil
	if reason != LeaveReplaced && !away { // else the session lives on elsewhere, and is announced from there
		r.leftLocked(m.session, reason)
	}
	return c, p, true
}

// forgetLocked takes a session out of the room's tables.
func (r *room) forgetLocked(m *member) {
	delete(r.members, m.session)
	r.rosterChangedLocked()
	r.seq.forget(m.session)
	r.hub.stats.sessions.Add(-1)
}

// opened reports whether the room is not just being opened.
func (r *room) opened() bool {
	select {
	case <-r.ready:
		return true
	default:
		return false
	}
}

// everybody returns the sessions of this instance.
func (r *room) everybody() []*member {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.members))
}
