package flow // internal: the simulation looks into the sequencer

import (
	"fmt"
	"slices"
)

// simClient is a client that keeps the rules of the protocol as /client.js does: it sends in order, keeps
// its newest confirmed operations, sends again above the server's n, goes back where it is told to, and
// goes on as a new session where its buffer does not reach. Without a session it only watches.
type simClient struct {
	w       *simWorld
	name    string
	watches bool
	undoes  bool // it can go back; else it loads the room's state anew
	gone    bool // for good
	conn    *simConn
	joined  bool
	joining bool

	started int // sessions begun
	session string
	last    uint64      // its newest operation in the log
	pending []uint64    // those behind it, by n
	sent    int         // how many of pending were sent since the last turn back
	kept    []simKept   // its newest confirmed ones
	flight  []simSent   // sent and not answered
	inLog   uint64      // what the server said is in the log
	head    uint64      // where the stream is caught up
	synced  bool        // it is
	late    bool        // a duplicate may have to be settled
	void    uint64      // what stands after it in the log is void
	at      Position    // of the newest operation it has
	has     bool        // at is one
	from    Position    // where its state began
	seen    []Operation // since
	rewinds int
}

type simKept struct {
	n   uint64
	seq uint64 // 0: not seen in the stream
}

type simSent struct {
	n     uint64
	stale bool
}

const simNothing = 1 << 60 // is void

func (w *simWorld) newClient(name string, watches bool) *simClient {
	c := &simClient{w: w, name: name, watches: watches, void: simNothing}
	c.begin()
	return c
}

// begin begins a new session.
func (c *simClient) begin() {
	if c.watches {
		return
	}
	c.started++
	c.session = fmt.Sprintf("%s%d", c.name, c.started)
	c.last, c.pending, c.sent, c.kept, c.flight, c.inLog = 0, nil, 0, nil, nil, 0
}

// make makes operations.
func (c *simClient) make(count int) {
	for range count {
		n := c.last + uint64(len(c.pending)) + 1
		c.pending = append(c.pending, n)
		c.w.made(simID{c.session, n})
	}
	c.pump()
}

// pump sends what may be sent.
func (c *simClient) pump() {
	if c.watches || !c.joined {
		return
	}
	for c.sent < min(c.w.pending, len(c.pending)) {
		n := c.pending[c.sent]
		c.sent++
		c.flight = append(c.flight, simSent{n: n})
		c.conn.up = append(c.conn.up, simOp(simID{c.session, n}))
	}
}

// simOp is an operation as its author made it.
func simOp(id simID) Operation {
	data := append([]byte{'"'}, id.session...)
	data = append(data, ':', byte('0'+id.n/100%10), byte('0'+id.n/10%10), byte('0'+id.n%10), '"')
	return Operation{Session: id.session, N: id.n, User: id.session, Data: data}
}

// connect opens a connection to an instance, in place of the one there is.
func (c *simClient) connect(in *simInstance) {
	c.w.sever(c)
	c.conn = &simConn{in: in, client: c}
	c.w.conns = append(c.w.conns, c.conn)
	c.rejoin()
}

// rejoin starts the stream again, on the connection there is.
func (c *simClient) rejoin() {
	if c.conn == nil {
		return
	}
	c.joined, c.joining = false, true
	j := &simJoin{session: c.session, position: c.at, given: c.has, behind: len(c.conn.up)}
	if !c.has {
		j.position = Position{}
	}
	for _, before := range c.conn.joins {
		j.behind -= before.behind
	}
	c.conn.joins = append(c.conn.joins, j)
}

// hear takes a message.
func (c *simClient) hear(f simFrame) {
	switch {
	case f.kind == "left":
		c.w.expelled(c)
	case f.kind == "joined":
		if c.joining && f.joined.session == c.session && len(c.conn.joins) == 0 {
			c.welcome(f.joined)
		}
	case f.kind == "rewind" && !c.joined:
		c.void = min(c.void, f.at.Seq)
	case !c.joined:
	case f.kind == "op":
		c.onOp(f.op)
	case f.kind == "rewind":
		c.onRewind(f.at, f.reason)
	case f.kind == "nack":
		c.onNack(f.nack)
	case f.kind == "queued":
		c.pump()
	}
}

// welcome begins a stream.
func (c *simClient) welcome(j simJoined) {
	c.joining = false
	if j.entry.resumed && c.at.Seq > c.void { // the rewind came after the question
		c.has, c.at = false, Position{}
		c.rejoin()
		return
	}
	c.rewindOutbox(c.void)
	c.void = simNothing
	if !c.beginOutbox(j.entry.last, j.entry.known) {
		c.renounce()
		return
	}
	if !j.entry.resumed {
		if c.has && !c.w.mayRewind {
			c.w.fail("I4", "%s was at %d and is told %q, but nothing was lost", c.name, c.at.Seq, j.entry.reason)
		}
		c.at, c.has = j.entry.position, true
		c.from, c.seen = c.at, nil
	}
	c.head, c.inLog, c.synced, c.joined = j.head.Seq, 0, false, true
	if j.entry.known {
		c.inLog = j.entry.last
	}
	if c.inLog > c.last+uint64(len(c.pending)) {
		c.settle(c.inLog)
	}
	c.advance()
}

// beginOutbox is told its last n in the log; false when the log lost what is not held any more.
func (c *simClient) beginOutbox(n uint64, known bool) bool {
	c.flight = nil
	switch {
	case !known:
		n = 0
	case n < c.last:
		return c.takeBack(n)
	}
	c.turnBack(n)
	return true
}

// renounce goes on as a new session: the log lost what cannot be sent again.
func (c *simClient) renounce() {
	c.w.renounced(c)
	count := len(c.pending)
	if m := c.conn.in.members[c.session]; m != nil {
		c.conn.in.finish(m)
	}
	c.begin()
	c.rejoin()
	c.make(count) // under new numbers
}

func (c *simClient) onOp(op Operation) {
	if !op.Follows(c.at) {
		c.w.fail("I2", "%s is at %v and gets %v", c.name, c.at, op.Position())
		return
	}
	c.at, c.has = op.Position(), true
	c.seen = append(c.seen, op)
	c.w.seen(op)
	if op.Session == c.session && !c.watches {
		c.confirm(op)
	}
	c.advance()
}

// advance settles what joined has told once the stream has come that far.
func (c *simClient) advance() {
	if !c.synced && c.at.Seq >= c.head {
		c.synced = true
		c.settle(c.inLog)
	}
	c.pump()
}

// confirm takes an operation of its own.
func (c *simClient) confirm(op Operation) {
	c.w.confirmed(simID{op.Session, op.N})
	if op.N <= c.last {
		for i := range c.kept {
			if c.kept[i].n == op.N {
				c.kept[i].seq = op.Seq
			}
		}
		return
	}
	c.settle(op.N)
	for i := range c.kept {
		if c.kept[i].n == op.N {
			c.kept[i].seq = op.Seq
		}
	}
}

// settle notes that everything of its own up to n is in the log.
func (c *simClient) settle(n uint64) {
	if c.watches || n <= c.last {
		return
	}
	done := min(n-c.last, uint64(len(c.pending)))
	for _, k := range c.pending[:done] {
		c.kept = append(c.kept, simKept{n: k})
	}
	c.pending = slices.Clone(c.pending[done:])
	c.last = n
	c.sent = max(0, c.sent-int(done))
	c.flight = slices.DeleteFunc(c.flight, func(s simSent) bool { return s.n <= n })
	if over := len(c.kept) - c.w.buffer; over > 0 {
		c.kept = slices.Clone(c.kept[over:])
	}
}

// turnBack sends again from n+1 on.
func (c *simClient) turnBack(n uint64) {
	c.sent = 0
	if n > c.last {
		c.sent = int(min(n-c.last, uint64(len(c.pending))))
	}
	for i := range c.flight {
		c.flight[i].stale = c.flight[i].stale || c.flight[i].n > c.last+uint64(c.sent)
	}
}

// takeBack makes what was confirmed behind n wait once more; false when it is not held any more.
func (c *simClient) takeBack(n uint64) bool {
	first := slices.IndexFunc(c.kept, func(k simKept) bool { return k.n > n })
	if first < 0 || uint64(len(c.kept)-first) != c.last-n {
		return false
	}
	var back []uint64
	for _, k := range c.kept[first:] {
		back = append(back, k.n)
	}
	c.kept = c.kept[:first]
	c.pending = append(back, c.pending...)
	c.last = n
	c.turnBack(n)
	return true
}

// rewindOutbox is told that what stands after seq is void; false when that is not held any more.
func (c *simClient) rewindOutbox(seq uint64) bool {
	for _, k := range c.kept {
		if k.seq > seq || k.seq == 0 {
			return c.takeBack(k.n - 1)
		}
	}
	return true
}

func (c *simClient) onRewind(to Position, reason string) {
	c.rewinds++
	if !c.w.mayRewind {
		c.w.fail("I2", "%s is rewound to %d (%s), but nothing was lost", c.name, to.Seq, reason)
	}
	if !c.undoes || to.Seq < c.from.Seq || to.Seq > c.at.Seq || c.position(to.Seq) != to {
		c.void = min(c.void, to.Seq)
		c.has, c.at = false, Position{}
		c.rejoin()
		return
	}
	c.at, c.has = to, true
	c.seen = c.seen[:to.Seq-c.from.Seq]
	c.head, c.inLog, c.late = min(c.head, to.Seq), 0, false
	if c.rewindOutbox(to.Seq) {
		c.turnBack(c.last)
		c.advance()
	} else {
		c.rejoin()
	}
}

// position returns where it was at a seq.
func (c *simClient) position(seq uint64) Position {
	if seq == c.from.Seq {
		return c.from
	}
	return c.seen[seq-c.from.Seq-1].Position()
}

func (c *simClient) onNack(n nack) {
	stale := false
	if i := slices.IndexFunc(c.flight, func(s simSent) bool { return s.n == n.n }); i >= 0 {
		stale = c.flight[i].stale
		c.flight = slices.Delete(c.flight, i, i+1)
		// An operation that is on its way already is answered once, however often it was sent.
		stale = stale && !slices.Contains(c.flight, simSent{n: n.n})
	}
	switch {
	case n.code == CodeDuplicate:
		c.inLog, c.late = max(c.inLog, n.last), true
	case stale:
	case n.code == CodeNotJoined || n.code == CodeGap && n.last < c.last:
		c.rejoin()
	case n.last < c.last+uint64(c.sent):
		c.turnBack(n.last) // and waits a moment
	}
}

// wake ends its waits.
func (c *simClient) wake() {
	if c.late && c.synced {
		c.late = false
		c.settle(c.inLog)
	}
	c.pump()
}
