package flow // internal: the simulation looks into the sequencer

import (
	"fmt"
	"slices"
)

// simWorld is a room on several instances that share one Redis, with clients, in one deterministic world
// without clock and goroutine: whatever takes time is a step. See TestSimulation.
type simWorld struct {
	log       *simLog
	instances []*simInstance
	clients   []*simClient
	conns     []*simConn
	late      []*Batch // given up by their caller, and may still run
	taken     []*simMember

	mode    Outage
	keep    int // operations a ring keeps
	buffer  int // confirmed operations a client keeps
	pending int // operations on their way to an instance
	mutant  simMutant

	simLedger
	born       int
	mayRewind  bool // Redis lost data, or trimmed
	rounds     int  // since the faults ended
	reconciled int
	dice       uint64
	failure    string
	trace      func(string, ...any)
}

// simMutant is a deliberate mistake.
type simMutant uint8

const (
	mutantNone    simMutant = iota
	mutantDedupe            // the log does not look at what it has
	mutantConfirm           // operations are delivered before the log has answered
	mutantSeed              // nothing is restored
	mutantJournal           // what waits is dropped when the log is back
	mutantJump              // an n may be left out
	mutantPublish           // the feed tells what the log may not have
)

// draw returns a number below n, of the dice of the present step.
func (w *simWorld) draw(n int) int {
	x := int(w.dice % uint64(n))
	w.dice /= uint64(n)
	return x
}

func (w *simWorld) fail(invariant, format string, args ...any) {
	if w.failure == "" {
		w.failure = invariant + ": " + fmt.Sprintf(format, args...)
	}
}

func (w *simWorld) say(format string, args ...any) {
	if w.trace != nil {
		w.trace(format, args...)
	}
}

// execute has the log answer a request.
func (w *simWorld) execute(in *simInstance, rq *simRequest) {
	rq.done = true
	switch {
	case !in.reached:
		rq.err = Unavailable(nil)
	case rq.query != nil:
		rq.page, rq.err = w.log.read(rq.query)
	default:
		rq.answers, rq.err = w.run(rq.batch)
	}
	if w.trace != nil && rq.batch != nil {
		w.say("  the log answers %s: %s: %v", in, batchWords(rq.batch), answerWords(rq.answers, rq.err))
	}
}

// run appends a batch and publishes it.
func (w *simWorld) run(b *Batch) ([]Appended, error) {
	answers, heard, err := w.log.append(b)
	w.appended(b.Operations, answers)
	if heard != nil {
		w.version++
		w.publish(*heard)
	}
	return answers, err
}

func (w *simWorld) publish(f Feed) {
	for _, in := range w.instances {
		if in.reached && in.live {
			in.feeds = append(in.feeds, f)
		}
	}
}

// sever ends a client's connection. What it has sent may still arrive.
func (w *simWorld) sever(c *simClient) {
	if c.conn != nil {
		c.conn.cut, c.conn.down = true, nil
		c.conn.joins = nil
	}
	c.conn, c.joined, c.joining = nil, false, false
}

// replace notes that a session is at another instance now. Whoever had it is told later.
func (w *simWorld) replace(session string, by *simInstance) {
	for _, in := range w.instances {
		if m := in.members[session]; m != nil && in != by {
			w.taken = append(w.taken, m)
		}
	}
}

// expire ends the members whose sessions are elsewhere, or whose connection is gone.
func (w *simWorld) expire() {
	for _, m := range w.taken {
		m.in.finish(m)
	}
	w.taken = nil
	w.conns = slices.DeleteFunc(w.conns, func(c *simConn) bool {
		if !c.cut {
			return false
		}
		if m := c.member; m != nil && m.conn == c {
			c.in.finish(m)
		}
		return true
	})
}

// crash ends an instance and starts another one in its place.
func (w *simWorld) crash(i int, reached bool) {
	in := w.instances[i]
	in.dead = true
	if in.request != nil && in.request.batch != nil && !in.request.done && w.draw(2) == 0 {
		w.late = append(w.late, in.request.batch)
	}
	for _, c := range w.clients {
		if c.conn != nil && c.conn.in == in {
			w.sever(c)
		}
	}
	w.conns = slices.DeleteFunc(w.conns, func(c *simConn) bool { return c.in == in })
	w.taken = slices.DeleteFunc(w.taken, func(m *simMember) bool { return m.in == in })
	w.born++
	name := fmt.Sprintf("instance %d", w.born)
	if reached {
		w.instances[i] = w.start(name)
	} else {
		w.instances[i] = w.startAway(name)
	}
}

// expelled is a client whose room was deleted.
func (w *simWorld) expelled(c *simClient) {
	c.gone = true
	w.sever(c)
}

// expects reports whether an author of these is still there, who has not had the time to resend what is
// missing before them. The pause is long for who is connected, so it never ends before that here.
func (w *simWorld) expects(stranded []submission) bool {
	for i := range stranded {
		for _, c := range w.clients {
			if c.session == stranded[i].op.Session && !c.gone && w.rounds < 8 {
				return true
			}
		}
	}
	return false
}

// round lets everybody do everything that there is to do, once.
func (w *simWorld) round() {
	for _, c := range slices.Clone(w.conns) {
		for w.failure == "" && c.receive() {
		}
	}
	w.expire()
	for _, in := range w.instances {
		in.round()
	}
	w.log.settling = false
	for _, c := range w.clients {
		if c.gone || w.failure != "" {
			continue
		}
		if c.conn == nil {
			c.connect(w.instances[(w.rounds+len(c.name))%len(w.instances)])
		}
		for c.conn != nil && len(c.conn.down) > 0 && w.failure == "" {
			f := c.conn.down[0]
			c.conn.down = c.conn.down[1:]
			w.say("  %s hears %s", c.name, f)
			c.hear(f)
		}
		c.wake()
	}
}

func (in *simInstance) round() {
	in.probe()
	in.attend()
	for len(in.feeds) > 0 {
		f := in.feeds[0]
		in.feeds = in.feeds[1:]
		in.w.say("  %s is fed %s", in.name, feedWords(f))
		in.fed(f)
	}
	in.fill()
	for range 60 {
		if !in.writing && !in.reading {
			break
		}
		in.work()
		in.read()
	}
	for len(in.recalls) > 0 {
		in.recall()
	}
	in.unstrand()
	if !in.deleted && in.w.draw(2) == 0 {
		in.readLocked()
	}
	for _, m := range slices.Clone(in.list) {
		for i := 0; i < 20 && (m.behind || m.request != nil) && m.conn != nil; i++ {
			m.catchUp()
		}
	}
}

func batchWords(b *Batch) string {
	s := fmt.Sprintf("append at %d", b.Fence.Seq)
	if b.Restore {
		s = fmt.Sprintf("restore at %d", b.Fence.Seq)
	}
	if b.Jump {
		s += " jump"
	}
	for _, op := range b.Operations {
		s += fmt.Sprintf(" %s:%d", op.Session, op.N)
	}
	if len(b.Sessions) > 0 {
		s += fmt.Sprint(" sessions ", b.Sessions)
	}
	return s
}

func answerWords(answers []Appended, err error) string {
	if err != nil {
		return err.Error()
	}
	s := ""
	for _, a := range answers {
		switch a.Status {
		case Confirmed:
			s += fmt.Sprintf("%d:%04x ", a.Seq, uint64(a.Hash)>>48)
		case Duplicate:
			s += fmt.Sprintf("dup(%d) ", a.Last)
		case Gap:
			s += fmt.Sprintf("gap(%d) ", a.Last)
		}
	}
	return s
}
