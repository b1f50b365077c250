package outage_test

import (
	"fmt"
	"slices"
	"time"
)

// onState notes a change of how the server serves, as told with joined, welcome or by itself. What is told
// of all rooms and what is told of this one stand side by side; the worse of them holds.
func (m *model) onState(msg message) {
	if msg.State != "live" && msg.State != "degraded" && msg.State != "recovering" {
		m.breach("protocol", "%s with state %q", msg.Type, msg.State)
		return
	}
	if msg.Type == "state" && msg.Scope != "all" && msg.Scope != "instance" {
		m.breach("protocol", "state with scope %q", msg.Scope)
	}
	switch {
	case msg.Type == "welcome":
		m.server, m.inRoom, m.ahead = msg.State, "live", ""
	case msg.Type == "joined" && msg.State == m.server:
		m.inRoom, m.ahead = "live", ""
	case msg.Type == "joined": // of all rooms perhaps, which the server is about to tell
		m.inRoom, m.ahead = msg.State, msg.State
	case msg.Room != "":
		m.inRoom, m.ahead = msg.State, ""
	default:
		if m.ahead == msg.State {
			m.inRoom = "live"
		}
		m.server, m.ahead = msg.State, ""
	}
	m.state = worse(m.server, m.inRoom)
	if msg.Type == "state" {
		m.states = append(m.states, fmt.Sprint(msg.Room, msg.State))
		return
	}
	m.troubled = m.troubled || msg.State != "live"
}

// worse returns the worse of two states.
func worse(a, b string) string {
	order := []string{"", "live", "recovering", "degraded"}
	if slices.Index(order, a) > slices.Index(order, b) {
		return a
	}
	return b
}

func (m *model) onError(msg message) {
	if msg.ID != m.join || m.join == "" {
		m.breach("protocol", "error without a question: %s %s", msg.Code, msg.Message)
		return
	}
	m.ledger.answered(answerJoin, m.now.Sub(m.joinSent), m.name)
	m.join = ""
	switch msg.Code {
	case "unavailable", "rate_limited", "internal":
		wait := time.Duration(msg.RetryAfter) * time.Millisecond
		if wait <= 0 {
			wait = retryPause
		}
		m.joinAt = m.now.Add(wait)
		m.ledger.nack("join " + msg.Code)
	case "room_deleted":
		m.end()
	case "stale_session": // what is pending may be in the log or not: nobody can tell for sure
		m.breach("I7", "the session %s cannot be resumed", m.session)
		m.giveUp()
		m.session, m.resume, m.n, m.kept, m.joinAt = "", "", 0, nil, m.now
	default:
		m.breach("I7", "join was refused: %s %s", msg.Code, msg.Message)
		m.joinAt = m.now.Add(retryPause)
	}
}

func (m *model) onLeft(msg message) {
	if msg.Reason != "deleted" {
		m.breach("I7", "left %s", msg.Reason)
	}
	m.end()
}

// end is that of the room, and of the session with it.
func (m *model) end() {
	m.giveUp()
	m.kept, m.joined, m.deleted = nil, false, true
}

func (m *model) giveUp() {
	ids := make([]opID, len(m.pending))
	for i, o := range m.pending {
		ids[i] = opID{m.session, o.n}
	}
	m.ledger.drop(ids)
	m.pending = nil
}

func (m *model) onBye(msg message) {
	m.bye = msg.Code
	if msg.Code != "shutdown" {
		m.breach("protocol", "bye %s", msg.Code)
	}
}

func (m *model) onPresence(msg message) {
	if msg.Reset || m.people == nil {
		m.people = map[string]bool{}
	}
	for _, p := range msg.Join {
		m.people[p.Session] = true
	}
	for _, p := range msg.Leave {
		delete(m.people, p.Session)
	}
}
