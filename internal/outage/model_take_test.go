package outage_test

import (
	"slices"
	"time"

	"github.com/fiberflow/flow"
)

// take acts on one message of the server.
func (m *model) take(msg message) {
	if msg.Room != "" && msg.Room != m.room {
		m.breach("I6", "a message of another room: %+v", msg)
		return
	}
	switch msg.Type {
	case "joined":
		m.onJoined(msg)
	case "error":
		m.onError(msg)
	case "welcome", "state":
		m.onState(msg)
	case "bye":
		m.onBye(msg)
	case "ok", "pong", "event", "snapshot-wanted":
	default:
		if m.joined { // else it belongs to a stream that has ended
			m.onRoom(msg)
		}
	}
}

func (m *model) onRoom(msg message) {
	switch msg.Type {
	case "op":
		m.onOp(msg)
	case "queued":
		m.onQueued(msg)
	case "tentative":
		m.onTentative(msg)
	case "nack":
		m.onNack(msg)
	case "rewind":
		m.onRewind(msg)
	case "left":
		m.onLeft(msg)
	case "presence":
		m.onPresence(msg)
	default:
		m.breach("protocol", "a message of an unknown type: %+v", msg)
	}
}

func (m *model) onJoined(msg message) {
	if msg.ID != m.join {
		return // of a join that was given up
	}
	m.ledger.answered(answerJoin, m.now.Sub(m.joinSent), m.name)
	position, err := flow.ParsePosition(msg.Position)
	_, err2 := flow.ParsePosition(msg.Head)
	if err != nil || err2 != nil || msg.Session == "" || msg.Resume == "" {
		m.breach("protocol", "joined without its fields: %+v", msg)
		return
	}
	if m.session != "" && m.session != msg.Session {
		m.breach("I7", "joined as session %s, resumed was %s", msg.Session, m.session)
	}
	m.session, m.resume = msg.Session, msg.Resume
	m.joined, m.join, m.gaps = true, "", 0
	m.onState(msg)
	clear(m.tentative)
	m.onPresence(message{Reset: true, Join: msg.Participants})
	m.startStream(msg, position)
	m.begin = m.position.Seq
	m.settle(msg.N)
	m.resendFrom(1)
}

// startStream begins where the server says.
func (m *model) startStream(msg message, position flow.Position) {
	switch {
	case msg.Resumed && !m.known:
		m.breach("I4", "resumed at %v, no position was given", position)
	case msg.Resumed && position != m.position:
		m.breach("I4", "resumed at %v, given was %v", position, m.position)
	case !msg.Resumed && m.known && msg.Reason == "":
		m.breach("I4", "not resumed at %v, without a reason", m.position)
	}
	if msg.Resumed {
		return
	}
	if m.known {
		m.ledger.count(&m.ledger.resets)
	}
	m.known, m.position, m.base, m.log = true, position, position, nil
}

// settle draws the conclusions from the last n of the session in the log, if that is told.
func (m *model) settle(last *uint64) {
	if last == nil {
		return
	}
	if *last > m.n {
		m.breach("I1", "n %d of the session is in the log, %d were sent", *last, m.n)
		return
	}
	for _, o := range slices.Clone(m.pending) {
		if o.n <= *last {
			m.confirmed(o)
		}
	}
	if *last < m.confirmedUpTo() {
		m.takeBack(*last + 1)
	}
}

func (m *model) onOp(msg message) {
	op, err := msg.operation()
	if err != nil {
		m.breach("protocol", "%v", err)
		return
	}
	if op.Seq != m.position.Seq+1 {
		m.breach("I2", "seq %d came after %d", op.Seq, m.position.Seq)
		m.startOver()
		return
	}
	if want := linked(m.position.Hash, op.Session, op.N, op.Data); want != op.Hash.String() {
		m.breach("I2", "the hash at %d is %v, want %s", op.Seq, op.Hash, want)
		m.startOver()
		return
	}
	m.ledger.see(m.name, opID{op.Session, op.N}, op.Data)
	m.log, m.position = append(m.log, op), op.Position()
	delete(m.tentative, opID{op.Session, op.N})
	if op.Session != m.session {
		return
	}
	o := m.find(op.N)
	if o == nil {
		for _, k := range m.kept {
			if k.n == op.N {
				k.seq = op.Seq
			}
		}
		return // known from joined, or from a stream that was started over
	}
	o.seq = op.Seq
	m.confirmed(o)
}

func (m *model) onQueued(msg message) {
	if msg.N == nil || *msg.N > m.n {
		m.breach("protocol", "queued up to an n that was never sent: %+v", msg)
		return
	}
	var ids []opID
	for _, o := range m.pending {
		if o.n <= *msg.N {
			m.answered(o)
			o.sends, o.queued = nil, true
			ids = append(ids, opID{m.session, o.n})
		}
	}
	m.gaps = 0
	m.ledger.queue(ids)
}

func (m *model) onTentative(msg message) {
	if msg.N == nil {
		m.breach("protocol", "tentative without n: %+v", msg)
		return
	}
	id := opID{msg.Session, *msg.N}
	m.ledger.see(m.name+", tentative", id, msg.Data)
	if msg.Session == m.session {
		m.breach("protocol", "one's own op %v as tentative", id)
	}
	for _, op := range m.log {
		if op.Session != id.session || op.N != id.n {
			continue
		}
		// What came from another instance, this one may learn only later.
		if op.Seq > m.begin {
			m.breach("I2", "%v is tentative, and was shown with its place before", id)
		}
		return
	}
	m.ledger.count(&m.ledger.shown)
	m.tentative[id] = string(msg.Data)
}

func (m *model) onNack(msg message) {
	m.ledger.nack(msg.Code)
	if msg.N == nil {
		m.breach("protocol", "nack without n: %+v", msg)
		return
	}
	o := m.find(*msg.N)
	if o == nil {
		return // it was seen in the stream since
	}
	m.answered(o)
	stale := false // about a sending before the last round
	if len(o.sends) > 0 {
		stale = o.sends[0].round < m.round
		o.sends = o.sends[1:]
	}
	switch msg.Code {
	case "duplicate":
		if o.seq > 0 { // it was taken back for nothing
			m.confirmed(o)
		}
	case "gap":
		if !stale && m.resendAt.IsZero() {
			m.onGap(msg)
		}
	case "unavailable", "rate_limited", "queue_full":
		if !stale {
			wait := time.Duration(msg.RetryAfter) * time.Millisecond
			if wait <= 0 {
				wait = retryPause
			}
			m.resendAt = m.now.Add(wait)
		}
	case "room_deleted": // left follows
	default:
		m.breach("protocol", "nack %s of a good op: %+v", msg.Code, msg)
	}
}

// onGap sends again what the log does not have. Twice without progress is worth a pause.
func (m *model) onGap(msg message) {
	if msg.Last == nil {
		m.breach("protocol", "nack gap without last: %+v", msg)
		return
	}
	if *msg.Last < m.confirmedUpTo() {
		m.takeBack(*msg.Last + 1)
	}
	m.gaps++
	if m.gaps == 1 {
		m.resendFrom(*msg.Last + 1)
		return
	}
	if m.gaps%20 == 0 {
		m.breach("I14", "%d times gap, last %d, without progress", m.gaps, *msg.Last)
	}
	m.resendAt = m.now.Add(retryPause)
}

func (m *model) onRewind(msg message) {
	m.ledger.count(&m.ledger.rewinds)
	to, err := flow.ParsePosition(msg.Position)
	if err != nil || msg.Reason != "repair" && msg.Reason != "trimmed" {
		m.breach("protocol", "rewind without its fields: %+v", msg)
		return
	}
	keep := int(to.Seq) - int(m.base.Seq)
	if keep < 0 || keep > len(m.log) || m.at(keep) != to {
		m.startOver() // it cannot be undone
		return
	}
	first := uint64(0)
	for _, op := range slices.Backward(m.log[keep:]) {
		if op.Session == m.session {
			first = op.N
		}
	}
	m.log, m.position = m.log[:keep:keep], to
	if first > 0 {
		m.takeBack(first)
		for _, o := range m.pending {
			o.seq = 0
		}
	}
	m.resendFrom(1)
}

// at returns the position after the first of the log's operations.
func (m *model) at(count int) flow.Position {
	if count == 0 {
		return m.base
	}
	return m.log[count-1].Position()
}
