package flow // internal: the simulation looks into the sequencer

import "slices"

// simFrame is a message to a client.
type simFrame struct {
	kind   string // "joined", "op", "nack", "queued", "rewind", "left"
	op     Operation
	nack   nack
	n      uint64
	at     Position // to rewind to
	reason string
	joined simJoined
}

// simJoined is the answer to a join.
type simJoined struct {
	session string
	entry   entry
	head    Position
}

// simConn is the socket between a client and an instance. What is on it stays in order, until it is cut.
type simConn struct {
	in     *simInstance
	client *simClient
	member *simMember // what the instance takes it for; nil before it has joined
	down   []simFrame
	up     []Operation
	joins  []*simJoin // under way
	cut    bool       // the client does not listen any more
}

func (c *simConn) send(f simFrame) {
	if !c.cut {
		c.down = append(c.down, f)
	}
}

// simJoin is a join under way. Between its two halves others come.
type simJoin struct {
	session  string
	position Position
	given    bool
	behind   int // operations that were sent before it, since the join before it
	located  bool
	entry    entry
}

// simMember is what an instance knows of one client (member.go, member_catchup.go, room_join.go).
type simMember struct {
	in      *simInstance
	session string
	conn    *simConn // nil during the grace after its connection ended
	gone    bool
	cursor  Position
	behind  bool
	guessed bool
	streams int
	reads   int // of the room that had begun when it joined
	request *simRequest
	fedFrom int // streams, when the request was made
}

// receive takes the next thing that the client sent: an operation, or half of a join.
func (c *simConn) receive() (more bool) {
	switch {
	case len(c.joins) > 0 && c.joins[0].behind == 0:
		c.join()
	case len(c.up) > 0:
		op := c.up[0]
		c.up = c.up[1:]
		if len(c.joins) > 0 {
			c.joins[0].behind--
		}
		c.in.w.say("  %s receives %s:%d", c.in.name, op.Session, op.N)
		c.in.take(c, op)
	}
	return len(c.joins)+len(c.up) > 0
}

// join does the next half of a join.
func (c *simConn) join() {
	in, j := c.in, c.joins[0]
	switch {
	case !j.located:
		j.entry, j.located = in.locate(j)
	case in.deleted:
		c.joins = c.joins[1:]
		c.send(simFrame{kind: "left"})
	default:
		c.joins = c.joins[1:]
		j.entry.known = j.entry.known && j.entry.era == in.seq.era
		in.admit(c, j)
	}
}

// locate finds where a stream starts.
func (in *simInstance) locate(j *simJoin) (e entry, done bool) {
	if !in.comparedLocked() {
		return in.guess(j), true
	}
	before, era := in.seq.head, in.seq.era
	rq := &simRequest{query: &Query{After: j.position, Sessions: []string{j.session}}}
	if in.w.execute(in, rq); !rq.done {
		return in.guess(j), true
	}
	page, err := rq.page, rq.err
	if in.hasLost(page, err, before, j.position) {
		return in.guess(j), true
	}
	e = entry{position: j.position, head: page.Head, last: page.Last[j.session], known: true, era: era}
	switch ErrorCode(err) {
	case "":
		e.resumed = j.given
		return e, true
	case CodeTrimmed:
		e.reason = "trimmed"
	case CodeDiverged:
		e.reason = "diverged"
	case CodeRoomDeleted:
		in.deleteLocked(err)
		return e, true
	default:
		return in.guess(j), true
	}
	e.position = page.Base
	return e, true
}

func (in *simInstance) guess(j *simJoin) entry {
	head := in.seq.head
	if head.Seq < j.position.Seq {
		head = j.position
	}
	return entry{position: j.position, head: head, resumed: j.given, era: in.seq.era}
}

func (in *simInstance) hasLost(page Page, err error, before, at Position) bool {
	var cause error
	switch code := ErrorCode(err); {
	case code == CodeUnavailable || code == CodeRoomDeleted:
		return false
	case page.Head.Seq < before.Seq:
		cause = ErrBehind
	case code == CodeDiverged && in.ring.contains(at):
		cause = ErrFork
	default:
		return false
	}
	in.troubleLocked(cause)
	return true
}

// admit makes a connection a member: new, back again, or with its stream restarted.
func (in *simInstance) admit(c *simConn, j *simJoin) {
	m := in.members[j.session]
	if j.session == "" {
		m = c.member
	}
	if m == nil {
		m = &simMember{in: in, session: j.session}
		if j.session != "" {
			in.members[j.session] = m
		}
	}
	if m.conn != nil && m.conn != c {
		m.conn.member = nil
	}
	c.member = m
	in.w.taken = slices.DeleteFunc(in.w.taken, func(other *simMember) bool { return other == m })
	m.conn, m.cursor, m.behind = c, j.entry.position, false
	m.streams++
	m.reads = in.reads
	m.guessed = !j.entry.known && j.entry.position.Seq > 0 && !in.ring.contains(j.entry.position)
	if !slices.Contains(in.list, m) {
		in.list = append(in.list, m)
	}
	if j.session != "" {
		in.seq.admit(j.session, j.entry.last, j.entry.head, j.entry.known)
		in.w.replace(j.session, in)
	}
	head := j.entry.head
	if in.seq.head.Seq > head.Seq {
		head = in.seq.head
	}
	c.send(simFrame{kind: "joined", joined: simJoined{j.session, j.entry, head}})
	if j.entry.head.Seq > in.seq.head.Seq {
		in.readLocked()
	}
	m.behind = m.guessed || m.cursor.Seq < max(in.seq.head.Seq, j.entry.head.Seq)
}

// lose notes that a member's connection has ended.
func (in *simInstance) lose(m *simMember) {
	if m.conn == nil {
		return
	}
	m.conn.member, m.conn = nil, nil
	in.unlist(m)
}

func (in *simInstance) unlist(m *simMember) {
	in.list = slices.DeleteFunc(in.list, func(other *simMember) bool { return other == m })
}

// finish takes a session out of the room.
func (in *simInstance) finish(m *simMember) {
	in.lose(m)
	m.gone = true
	if in.members[m.session] == m {
		delete(in.members, m.session)
		in.seq.forget(m.session)
	}
}

// take takes an operation from a client.
func (in *simInstance) take(c *simConn, op Operation) {
	m := c.member
	if m == nil || in.deleted {
		c.send(simFrame{kind: "nack", nack: nack{op.Session, op.N, CodeNotJoined, "", 0, 0}})
		return
	}
	in.w.took(in, op)
	in.applyLocked(in.seq.submit(submission{op: op}, in.w.pending))
}

// push hands the next operation to a member that is in step.
func (m *simMember) push(op Operation, before Position) {
	switch {
	case m.conn == nil || m.behind || m.cursor.Seq >= op.Seq && m.cursor != before:
	case m.cursor != before:
		m.verifyLocked()
	default:
		m.conn.send(simFrame{kind: "op", op: op})
		m.cursor = op.Position()
	}
}

// verifyLocked has the log judge where a member is.
func (m *simMember) verifyLocked() { m.guessed, m.behind = true, true }

func (m *simMember) rewindLocked(to Position, reason string) {
	m.cursor = to
	m.streams++
	if m.conn == nil {
		return
	}
	m.conn.send(simFrame{kind: "rewind", at: to, reason: reason})
	m.behind = true
}

// catchUp feeds a member that is behind, a step at a time.
func (m *simMember) catchUp() {
	switch rq := m.request; {
	case rq == nil:
		m.fromRing()
	case !rq.done:
		m.in.w.execute(m.in, rq)
	default:
		m.request = nil
		m.fromPage(rq.page, rq.err)
	}
}

func (m *simMember) fromRing() {
	in := m.in
	if m.conn == nil || m.gone || !m.behind {
		return
	}
	m.guessed = m.guessed || in.differsLocked(m.cursor)
	entries, inRing := in.ring.after(m.cursor.Seq, feedBytes)
	if m.guessed || !inRing && m.cursor.Seq < in.seq.head.Seq {
		m.request, m.fedFrom = &simRequest{query: &Query{After: m.cursor, Limit: 3}}, m.streams
		return
	}
	for i := range entries {
		m.conn.send(simFrame{kind: "op", op: entries[i].op})
		m.cursor = entries[i].op.Position()
	}
	m.behind = m.cursor.Seq < in.seq.head.Seq
}

func (m *simMember) fromPage(page Page, err error) {
	in := m.in
	if m.conn == nil || m.gone || m.streams != m.fedFrom {
		return
	}
	code := ErrorCode(err)
	unsure := !in.comparedLocked() || page.Restored != in.restored
	switch {
	case code == "":
	case code == CodeTrimmed && !unsure:
		m.rewindLocked(page.Base, "trimmed")
		return
	case code == CodeDiverged && !unsure && m.guessed:
		m.guessed = false
		m.rewindLocked(page.Base, "repair")
		return
	case code == CodeDiverged && !unsure:
		in.troubleLocked(ErrFork)
		return
	default:
		return
	}
	if in.differsLocked(m.cursor) {
		return
	}
	m.guessed = false
	for _, op := range page.Operations {
		if in.differsLocked(op.Position()) {
			return
		}
		m.conn.send(simFrame{kind: "op", op: op})
		m.cursor = op.Position()
	}
	m.behind = m.cursor.Seq < in.seq.head.Seq
}
