package flow

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// What instances tell each other goes through a channel that others can reach as well. So it is read as
// strictly as what clients send, and what goes on to clients is encoded here, of what was understood.
const (
	peerBytes     = 64 << 20 // of one payload
	peerInstances = 1024     // that are known at a time
	peerDepth     = 8        // by how much an envelope is deeper than the message of a client in it
	peerProfile   = 4 << 10  // bytes of a name or a picture
	peerPause     = 250 * time.Millisecond
	strangeTold   = time.Minute
)

var (
	errStrangePayload  = errors.New("not a list of messages in JSON")
	errStrangeSender   = errors.New("too many instances are known already")
	errStrangePresence = errors.New("not a presence message of this room")
	errStrangeEvent    = errors.New("not an event of this room")
)

// peerGuard bounds what strange messages cost.
type peerGuard struct {
	mu       sync.Mutex
	greeting bool      // new instances are being greeted
	again    bool      // and there are more by now
	told     time.Time // when a strange message was logged
	untold   int       // since then
}

// strange tells of a message that no instance would send, once a minute.
func (h *Hub) strange(instance string, why error) {
	h.guard.mu.Lock()
	defer h.guard.mu.Unlock()
	h.guard.untold++
	if now := time.Now(); now.Sub(h.guard.told) >= strangeTold {
		h.log.Warn("ignored messages on the bus that no instance would send", "instance", instance, "why", why,
			"count", h.guard.untold)
		h.guard.told, h.guard.untold = now, 0
	}
}

// greet asks the other instances who is there, because there is a new one. Many that come at once are greeted
// together.
func (h *Hub) greet() {
	h.guard.mu.Lock()
	defer h.guard.mu.Unlock()
	if h.guard.again = true; !h.guard.greeting {
		h.guard.greeting = h.spawn(h.greetAll)
	}
}

func (h *Hub) greetAll() {
	for {
		h.guard.mu.Lock()
		if !h.guard.again {
			h.guard.greeting = false
			h.guard.mu.Unlock()
			return
		}
		h.guard.again = false
		h.guard.mu.Unlock()
		for _, r := range h.openRooms() {
			r.announce(peerSync)
		}
		pause := time.NewTimer(peerPause)
		select {
		case <-pause.C:
		case <-h.ctx.Done():
			pause.Stop()
		}
	}
}

// unpack returns the sender and the messages of a payload; ok is false for what this instance sent itself, and
// for what no instance would send.
func (h *Hub) unpack(payload []byte) (instance string, messages []peerMessage, ok bool) {
	sender, body, _ := bytes.Cut(payload, []byte{'\n'})
	if string(sender) == h.cfg.Instance {
		return "", nil, false
	}
	instance, messages, err := readPayload(payload, sender, body)
	if err == nil && !h.mayKnow(instance) {
		err = errStrangeSender
	}
	if err != nil {
		h.strange(instance, err)
		return "", nil, false
	}
	h.sawInstance(instance)
	return instance, messages, true
}

// readPayload reads what an instance published. The instance is empty when its name is none.
func readPayload(payload, sender, body []byte) (instance string, messages []peerMessage, err error) {
	if len(payload) > peerBytes || !validInstance(string(sender)) {
		return "", nil, errStrangePayload
	}
	s := scanner{src: body}
	if !s.value(-peerDepth) || s.i != len(body) || !utf8.Valid(body) {
		return string(sender), nil, errStrangePayload
	}
	messages, ok := readMessages(body)
	if !ok {
		return string(sender), nil, errStrangePayload
	}
	return string(sender), messages, nil
}

// mayKnow reports whether an instance is known, or may become so.
func (h *Hub) mayKnow(instance string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, known := h.seen[instance]
	return known || len(h.seen) < peerInstances
}

// validInstance reports whether an instance could have this name.
func validInstance(name string) bool {
	return len(name) >= 1 && len(name) <= 64 && utf8.ValidString(name) && !strings.ContainsFunc(name, unicode.IsControl)
}

// validSession reports whether a session could have this id.
func validSession(id string) bool {
	if len(id) < 1 || len(id) > 64 {
		return false
	}
	return !strings.ContainsFunc(id, func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_'
	})
}

// presenceMessage is a presence frame as another instance reads it.
type presenceMessage struct {
	Type   string                     `json:"type"`
	Room   string                     `json:"room"`
	Join   []Participant              `json:"join"`
	Update map[string]json.RawMessage `json:"update"`
	Leave  []struct {
		Session string      `json:"session"`
		Reason  LeaveReason `json:"reason"`
	} `json:"leave"`
}

// readPresence returns what a presence frame says. What of a participant follows from its user is not taken
// from it.
func readPresence(room string, frame []byte) (pm presenceMessage, err error) {
	if err := json.Unmarshal(frame, &pm); err != nil || pm.Type != "presence" || pm.Room != room {
		return pm, errStrangePresence
	}
	for i := range pm.Join {
		p := &pm.Join[i]
		if !validSession(p.Session) || !(User{ID: p.User}).valid() || p.Joined < 0 {
			return pm, errStrangePresence
		}
		if len(p.Profile.Name) > peerProfile || len(p.Profile.Picture) > peerProfile {
			return pm, errStrangePresence
		}
		p.Profile.Color = colorOf(p.User)
		p.Presence = presence(nil).merge(parsePresence(p.Presence)).appendTo(nil)
	}
	for session, patch := range pm.Update {
		if !validSession(session) || len(patch) == 0 || patch[0] != '{' {
			return pm, errStrangePresence
		}
	}
	for _, d := range pm.Leave {
		if !validSession(d.Session) || !d.Reason.known() {
			return pm, errStrangePresence
		}
	}
	return pm, nil
}

// frame encodes the message for members.
func (pm *presenceMessage) frame() *Frame {
	buf := appendField(frameOf("presence"), "room", pm.Room)
	if len(pm.Join) > 0 {
		buf = appendParticipants(appendName(buf, "join"), pm.Join)
	}
	if len(pm.Update) > 0 {
		open := byte('{')
		buf = appendName(buf, "update")
		for session, patch := range pm.Update {
			buf = append(appendString(append(buf, open), session), ':')
			buf, open = parsePresence(patch).appendTo(buf), ','
		}
		buf = append(buf, '}')
	}
	if len(pm.Leave) > 0 {
		left := make([]departure, len(pm.Leave))
		for i, d := range pm.Leave {
			left[i] = departure{d.Session, d.Reason}
		}
		buf = appendDepartures(buf, left)
	}
	return seal("presence", buf)
}

func (l LeaveReason) known() bool {
	switch l {
	case LeaveLeft, LeaveDisconnected, LeaveKicked, LeaveReplaced, LeaveExpired, LeaveShutdown, LeaveForbidden,
		LeaveDeleted:
		return true
	}
	return false
}

// fits reports whether a presence of another instance is not larger than any has. Limits may differ for as long
// as a roll-out lasts, and what the server adds does not count.
func (p presence) fits(limit int) bool {
	const slack = 64 << 10
	size := 0
	for _, key := range p {
		size += len(key.name) + len(key.value) + len(":,")
	}
	return size <= 4*limit+slack
}
