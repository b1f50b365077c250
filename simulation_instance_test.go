package flow // internal: the simulation looks into the sequencer

import (
	"fmt"
	"sync/atomic"
)

// simInstance is one instance with the room open: the real sequencer, reconciler and ring, in a shell
// that decides what the shell of room.go, room_work.go, room_reconcile.go and room_log.go decides, and
// whose methods have the names that they have there. Everything that takes time there is a step here.
type simInstance struct {
	w    *simWorld
	name string
	seq  *sequencer
	ring ring

	phase    phase
	away     bool
	doubt    bool
	cause    error
	since    int // of the backend's state, at the last look
	wait     int
	restored int64
	floor    uint64
	strands  int
	strandAt bool // another try is due
	began    bool
	waited   bool
	deleted  bool
	dead     bool
	members  map[string]*simMember
	list     []*simMember
	lost     uint64

	reached   bool // whether Redis can be reached
	live      bool // what the backend knows of that
	liveSince int
	feeds     []Feed // on their way

	simWork
	reading bool
	reads   int
	again   bool
	recalls []*simRecall
	filling bool
	readAt  Position
	readReq *simRequest

	open map[simID]bool // operations that were taken and not answered: true once they were queued
}

// simID is the identity of an operation.
type simID struct {
	session string
	n       uint64
}

// simRequest is a call of the log.
type simRequest struct {
	query   *Query
	batch   *Batch
	done    bool // the log has answered
	page    Page
	answers []Appended
	err     error
}

// start opens the room on a new instance.
func (w *simWorld) start(name string) *simInstance {
	in := &simInstance{
		w: w, name: name, seq: newSequencer(w.mode, &budget{}),
		ring: ring{total: new(atomic.Int64), keep: w.keep}, members: map[string]*simMember{},
		reached: true, live: true, open: map[simID]bool{},
	}
	page, err := w.log.read(&Query{Unchecked: true})
	if ErrorCode(err) == CodeRoomDeleted {
		in.deleted = true
	} else {
		in.seq.restart(page.Head)
		in.ring.rewind(page.Head)
		in.restored, in.floor = page.Restored, page.Base.Seq
		in.recallLocked()
	}
	return in
}

// startAway opens the room while Redis cannot be reached.
func (w *simWorld) startAway(name string) *simInstance {
	in := &simInstance{
		w: w, name: name, seq: newSequencer(w.mode, &budget{}),
		ring: ring{total: new(atomic.Int64), keep: w.keep}, members: map[string]*simMember{},
		open: map[simID]bool{},
	}
	in.failLocked()
	return in
}

// applyLocked does what the sequencer asks for.
func (in *simInstance) applyLocked(fx effects) {
	for _, op := range fx.confirmed {
		in.deliverLocked(op)
	}
	for _, n := range fx.nacks {
		in.w.answered(in, simID{n.session, n.n})
		if m := in.members[n.session]; m != nil && m.conn != nil {
			m.conn.send(simFrame{kind: "nack", nack: n})
		}
	}
	for _, q := range fx.queued {
		in.w.queued(in, q)
		if m := in.members[q.session]; m != nil && m.conn != nil {
			m.conn.send(simFrame{kind: "queued", n: q.n})
		}
	}
	if len(fx.tentative) > 0 && in.seq.mode != OutageRelay {
		in.w.fail("mode", "%s shows what is tentative, its mode is %s", in.name, in.seq.mode)
	}
	if fx.vouch {
		in.restored = -1
	}
	if fx.vouch || fx.doubt {
		in.troubleLocked(ErrFork)
	}
	if fx.commit {
		in.workLocked()
	}
	if fx.read {
		in.filling = true
	}
}

// deliverLocked hands a confirmed operation to everybody who is in step.
func (in *simInstance) deliverLocked(op Operation) {
	in.ring.add(op, opFrame("r", op))
	in.w.answered(in, simID{op.Session, op.N})
	before, _ := in.ring.at(op.Seq - 1)
	for _, m := range in.list {
		m.push(op, before)
	}
}

// fed takes a notification of the log.
func (in *simInstance) fed(f Feed) {
	switch {
	case in.deleted:
		return
	case f.Deleted:
		in.deleteLocked(errDeleted())
		return
	}
	if in.forkedLocked(f.Operations) {
		in.troubleLocked(ErrFork)
	}
	in.applyLocked(in.seq.feed(f.Operations))
	if f.Gap {
		in.readLocked()
	}
}

func (in *simInstance) forkedLocked(ops []Operation) bool {
	for i := range ops {
		if in.differsLocked(ops[i].Position()) {
			return true
		}
	}
	return false
}

func (in *simInstance) differsLocked(p Position) bool {
	known, ok := in.ring.at(p.Seq)
	return ok && known != p
}

// fill reads the log if a hole in the feed is still there.
func (in *simInstance) fill() {
	in.filling = false
	if in.seq.lacks() {
		in.readLocked()
	}
}

func (in *simInstance) readLocked() {
	if in.reading {
		in.again = true
		return
	}
	in.reading = true
}

// read does the next thing of the read loop.
func (in *simInstance) read() {
	switch {
	case !in.reading:
	case in.readReq == nil:
		in.again = false
		in.reads++
		in.readAt = in.seq.head
		in.readReq = &simRequest{query: &Query{After: in.readAt, Limit: 3}}
	case !in.readReq.done:
		in.w.execute(in, in.readReq)
	default:
		rq := in.readReq
		in.readReq = nil
		in.reading = in.took(in.readAt, rq.page, rq.err)
	}
}

// took gives the sequencer a page and reports whether there is more to read.
func (in *simInstance) took(head Position, page Page, err error) (more bool) {
	code := ErrorCode(err)
	switch {
	case code == CodeRoomDeleted:
		in.deleteLocked(err)
		return false
	case code != "" && code != CodeTrimmed && code != CodeDiverged:
		return false
	case in.seq.head != head && code != "":
		return true
	case code == CodeDiverged:
		in.troubleLocked(ErrFork)
		return false
	case code == CodeTrimmed:
		in.startOverLocked(page.Base)
	case page.Restored != in.restored:
		in.troubleLocked(nil)
		return false
	default:
		in.seq.reached(page.Head.Seq)
		in.applyLocked(in.seq.feed(page.Operations))
		in.checkLocked(page.Head)
		in.recheckLocked(page.Head)
	}
	if !in.seq.suspended {
		in.floor = page.Base.Seq
	}
	return in.again || in.seq.head.Seq < page.Head.Seq
}

// attend notices that the log went away, came back, or was away for a moment.
func (in *simInstance) attend() {
	switch {
	case in.deleted:
	case !in.live:
		if in.phase != phaseDown {
			in.downLocked()
		}
		in.away, in.wait = true, 0
	case in.liveSince != in.since, in.phase == phaseDown && !in.writing:
		in.away = false
		in.since = in.liveSince
		in.troubleLocked(nil)
	}
}

// probe lets the backend find out whether Redis can be reached.
func (in *simInstance) probe() {
	if in.live != in.reached {
		in.live = in.reached
		in.liveSince++
		if in.live {
			in.feeds = append(in.feeds, Feed{Gap: true})
		}
	}
}

func (in *simInstance) startOverLocked(at Position) {
	in.w.say("  %s starts over at %d", in, at.Seq)
	in.seq.restart(at)
	in.ring.rewind(at)
	in.recallLocked()
	for _, m := range in.list {
		if m.cursor.Seq < at.Seq && !m.guessed {
			m.rewindLocked(at, "trimmed")
		}
	}
}

func (in *simInstance) beginLocked(head Position) {
	in.seq.restart(head)
	in.ring.rewind(head)
	in.recallLocked()
	for _, m := range in.list {
		switch {
		case m.cursor == head:
		case m.cursor.Seq > 0:
			m.verifyLocked()
		default:
			m.behind = true
		}
	}
}

// checkLocked has members verified that were fed more of the log than it has by now.
func (in *simInstance) checkLocked(end Position) {
	for _, m := range in.list {
		if m.cursor.Seq > max(end.Seq, in.seq.head.Seq) {
			m.verifyLocked()
		}
	}
}

// recheckLocked tells authors who joined when the log had more than it has now.
func (in *simInstance) recheckLocked(end Position) {
	for _, m := range in.list {
		a := in.seq.authors[m.session]
		if a != nil && a.toldAt.Seq > max(end.Seq, in.seq.head.Seq) && m.reads < in.reads {
			a.known, a.told, a.toldAt = false, 0, Position{}
			m.rewindLocked(m.cursor, "repair")
		}
	}
}

func (in *simInstance) rewindLocked(v verdict) {
	in.w.say("  %s rewinds to %d:%04x", in, v.at.Seq, uint64(v.at.Hash)>>48)
	shared := in.ring.contains(v.at)
	for _, m := range in.list {
		inStep := m.cursor == v.at || shared && m.cursor.Seq <= v.at.Seq
		switch {
		case m.guessed && m.session == "":
		case m.guessed:
			m.rewindLocked(m.cursor, "repair")
		case !inStep:
			m.rewindLocked(v.at, "repair")
		case m.session != "":
			m.rewindLocked(m.cursor, "repair")
		}
	}
	in.seq.rewind(v.at, v.ops)
	in.ring.rewind(v.at)
}

// deleteLocked ends the room, because its log was deleted.
func (in *simInstance) deleteLocked(cause error) {
	if in.deleted {
		return
	}
	in.deleted = true
	in.applyLocked(in.seq.drop(cause))
	for _, m := range in.list {
		m.conn.send(simFrame{kind: "left"})
	}
	in.list, in.members = nil, map[string]*simMember{}
}

func (in *simInstance) String() string {
	return fmt.Sprintf("%s (%s, head %d, ring %d+%d)", in.name, in.phase.state(), in.seq.head.Seq,
		in.ring.base.Seq, len(in.ring.entries))
}
