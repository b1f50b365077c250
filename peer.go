package flow

import (
	"slices"
	"sync"
	"time"
)

// controlTopic is the bus topic that every instance listens to.
const controlTopic = "hub"

// roomTopic is the bus topic of a room, which instances listen to that have it open.
func roomTopic(room string) string { return "room." + room }

// The kinds of messages between instances.
const (
	peerPresence = "presence" // Frame: what changed in the sender's part of a room
	peerList     = "list"     // Frame: the sender's whole part of a room
	peerSync     = "sync"     // Frame as list; the others answer with theirs
	peerEvent    = "event"    // Frame to a room, or to Session, or to User in it
	peerUser     = "user"     // Frame to User, wherever connected
	peerKick     = "kick"     // Session of Room ends
	peerKickUser = "kickuser" // all sessions of User end
	peerRights   = "rights"   // what User, or everybody in Room, may do is asked again; "" is all
	peerTake     = "take"     // Session of Room is at the sender now
	peerHave     = "have"     // whoever has Session of Room answers Ask
	peerOver     = "over"     // whoever knows that Session has ended answers Ask
	peerBeat     = "beat"     // the sender lives
	peerGone     = "gone"     // the sender shuts down
	peerAck      = "ack"      // answers Ask
)

// peerMessage is one message between instances.
type peerMessage struct {
	Kind    string
	Room    string
	Session string
	User    string
	Ask     string // who did it answers with an ack that has the same Ask
	Frame   []byte // JSON
}

// appendTo appends the message; the frame goes in as it is.
func (m peerMessage) appendTo(buf []byte) []byte {
	buf = appendString(append(buf, `{"k":`...), m.Kind)
	buf = appendOptional(buf, "room", m.Room)
	buf = appendOptional(buf, "session", m.Session)
	buf = appendOptional(buf, "user", m.User)
	buf = appendOptional(buf, "ask", m.Ask)
	if m.Frame != nil {
		buf = appendRaw(buf, "frame", m.Frame)
	}
	return append(buf, '}')
}

// outboxLimit bounds what waits for a slow bus; beyond it the oldest messages are lost, as a bus may
// lose any, and the next list makes presence right again.
const outboxLimit = 1024

// outbox publishes messages on one topic in order, without making its callers wait: what gathers while
// a publish is under way goes together in the next.
type outbox struct {
	hub   *Hub
	topic string
	local LocalBus // nil for a bus of another kind

	mu      sync.Mutex
	queue   []peerMessage
	sending bool
	lost    bool // messages, since lossy was asked
}

func newOutbox(h *Hub, topic string) *outbox {
	local, _ := h.cfg.Bus.(LocalBus)
	return &outbox{hub: h, topic: topic, local: local}
}

// send queues a message. It may be called with a room's lock held.
func (o *outbox) send(m peerMessage) {
	if o.local != nil && o.local.Listeners(o.topic) < 2 {
		return // nobody but this instance
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.queue) >= outboxLimit {
		o.hub.lostRights(o.queue[:1])
		o.queue, o.lost = o.queue[1:], true
	}
	if m.Kind == peerList || m.Kind == peerSync {
		m.Kind = o.supersedeLocked(m.Kind)
	}
	o.queue = append(o.queue, m)
	if !o.sending {
		o.sending = o.hub.spawn(o.drain)
	}
}

// supersedeLocked drops the lists that wait, which a newer one makes needless, so that nobody who asks often gets
// many. It returns the kind of the newer one: what was asked stays asked.
func (o *outbox) supersedeLocked(kind string) string {
	o.queue = slices.DeleteFunc(o.queue, func(m peerMessage) bool {
		if m.Kind == peerSync {
			kind = peerSync
		}
		return m.Kind == peerList || m.Kind == peerSync
	})
	return kind
}

func (o *outbox) drain() {
	for {
		o.mu.Lock()
		if len(o.queue) == 0 {
			o.queue, o.sending = nil, false
			o.mu.Unlock()
			return
		}
		queue := o.queue
		o.queue = nil
		o.mu.Unlock()
		buf := append([]byte(o.hub.cfg.Instance), '\n', '[')
		for i, m := range queue {
			if i > 0 {
				buf = append(buf, ',')
			}
			buf = m.appendTo(buf)
		}
		if err := o.hub.cfg.Bus.Publish(o.hub.ctx, o.topic, append(buf, ']')); err != nil {
			o.hub.stats.busLost.Add(int64(len(queue)))
			o.lose()
			o.hub.lostRights(queue)
		}
	}
}

// lose notes that the others may not have heard everything.
func (o *outbox) lose() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lost = true
}

// lossy reports whether messages were lost since it was last asked.
func (o *outbox) lossy() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	lost := o.lost
	o.lost = false
	return lost
}

// heard takes a message on the room's topic.
func (r *room) heard(d Delivery) {
	if d.Gap {
		r.tuning.Do(func() { close(r.tuned) })
		r.announce(peerSync)
		return
	}
	defer r.hub.recovered("a message from another instance")
	instance, messages, ok := r.hub.unpack(d.Payload)
	if !ok {
		return
	}
	asked := false
	for _, m := range messages {
		switch m.Kind {
		case peerPresence:
			r.heardPresence(instance, m.Frame)
		case peerList, peerSync:
			r.heardList(instance, m.Frame)
			asked = asked || m.Kind == peerSync
		case peerEvent:
			r.heardEvent(instance, m)
		}
	}
	if asked {
		r.announce(peerList)
	}
}

// heardEvent passes an event of another instance on.
func (r *room) heardEvent(instance string, m peerMessage) {
	f, err := readEvent(r.id, m.Frame)
	if err != nil {
		r.hub.strange(instance, err)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deliverEventLocked(f, Target{Session: m.Session, User: m.User}, nil)
}

// announce tells the other instances who is here.
func (r *room) announce(kind string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.peers.send(peerMessage{Kind: kind, Frame: r.ownLocked()})
}

// tunePatience bounds the wait for a subscription to stand.
const tunePatience = 250 * time.Millisecond

// tune waits until a subscription stands. A bus that is away is not waited for.
func (h *Hub) tune(tuned <-chan struct{}) {
	if h.cfg.Bus.Health().State != Live {
		return
	}
	limit := time.NewTimer(tunePatience)
	defer limit.Stop()
	select {
	case <-tuned:
	case <-limit.C:
	}
}

// hear returns what takes deliveries of the control topic. It closes tuned at the first.
func (h *Hub) hear(tuned chan struct{}) func(Delivery) {
	var once sync.Once
	return func(d Delivery) {
		first := false
		once.Do(func() {
			first = true
			close(tuned)
		})
		switch {
		case !d.Gap:
			h.heard(d.Payload)
		case !first:
			h.reauthorizeAfterGap()
		}
	}
}

// peerErrand is a message without a frame.
type peerErrand struct{ kind, room, session, user, ask string }

// heard takes a message on the control topic.
func (h *Hub) heard(payload []byte) {
	defer h.recovered("a message from another instance")
	instance, messages, ok := h.unpack(payload)
	if !ok {
		return
	}
	done := make(map[peerErrand]bool) // the same again in one payload is nobody's wish
	for _, m := range messages {
		e := peerErrand{m.Kind, m.Room, m.Session, m.User, m.Ask}
		if m.Frame == nil && done[e] {
			continue
		}
		done[e] = true
		switch m.Kind {
		case peerUser:
			f, err := readEvent("", m.Frame)
			if err != nil {
				h.strange(instance, err)
				continue
			}
			h.deliverUser(f, m.User)
		case peerKick:
			h.spawn(func() { h.heardKick(m) })
		case peerKickUser:
			h.spawn(func() { h.kickHere(m.User) })
		case peerRights:
			h.spawn(func() { _ = h.reauthorizeHere(h.ctx, m.User, m.Room) }) // it has logged what it could not do
		case peerTake:
			h.spawn(func() { h.heardTake(m) })
		case peerHave:
			h.spawn(func() { h.heardHave(m) })
		case peerOver:
			if h.finished.has(m.Session) {
				h.control.send(peerMessage{Kind: peerAck, Ask: m.Ask})
			}
		case peerGone:
			h.bury(instance, LeaveShutdown)
		case peerAck:
			h.acked(m.Ask)
		}
	}
}

// heardKick ends a session that is here, and tells the instance that asked.
func (h *Hub) heardKick(m peerMessage) {
	if h.kickMember(m.Room, m.Session) {
		h.control.send(peerMessage{Kind: peerAck, Ask: m.Ask})
	}
}

// heardHave tells another instance that a session is here, which the store does not know.
func (h *Hub) heardHave(m peerMessage) {
	if r := h.peek(m.Room); r != nil && r.find(m.Session) != nil {
		h.control.send(peerMessage{Kind: peerAck, Ask: m.Ask})
	}
}

// heardTake ends this instance's part in a session that another one has resumed.
func (h *Hub) heardTake(m peerMessage) {
	if h.parted.has(m.Session) { // it was resumed before the store had forgotten it
		h.control.send(peerMessage{Kind: peerKick, Room: m.Room, Session: m.Session})
		return
	}
	r := h.peek(m.Room)
	if r == nil {
		return
	}
	mem := r.find(m.Session)
	if mem == nil {
		return
	}
	s, err := h.cfg.Sessions.Get(h.ctx, m.Session)
	if err == nil && s.Instance == h.cfg.Instance {
		return // the message is old: the session has come back here since
	}
	mem.end(LeaveReplaced)
}

// find returns a session of this instance.
func (r *room) find(session string) *member {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.members[session]
}
