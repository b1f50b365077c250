package flow

import (
	"log/slog"
	"slices"
	"time"
)

const (
	readPage  = 200                   // operations a read of the log asks for
	holePause = 30 * time.Millisecond // before a hole in the feed is read: its entry is usually on its way
)

// applyLocked does what the sequencer asks for.
func (r *room) applyLocked(fx effects) {
	for i := range fx.confirmed {
		r.deliverLocked(fx.confirmed[i])
	}
	for _, n := range fx.nacks {
		r.nackLocked(n)
	}
	for _, w := range fx.queued {
		r.queuedLocked(w)
	}
	for i := range fx.tentative {
		r.relayLocked(fx.tentative[i])
	}
	for _, g := range fx.groups {
		if g.queued {
			r.hub.stats.queued.Add(1)
		}
		close(g.done)
	}
	if fx.vouch {
		r.restored = -1 // no stamp of a log: so it is told of the sessions again
	}
	if fx.doubt || fx.vouch {
		r.troubleLocked(ErrFork)
	}
	if fx.commit {
		r.workLocked()
	}
	if fx.read && !r.filling {
		r.filling = true
		time.AfterFunc(holePause, r.fill)
	}
}

// deliverLocked hands a confirmed operation to everybody who is in step.
func (r *room) deliverLocked(op Operation) {
	f := opFrame(r.id, op)
	r.hub.stats.encoded.Add(1)
	r.ring.add(op, f)
	r.appendedLocked()
	if r.document.add(&op); r.document.full() {
		r.foldLocked()
	}
	before, _ := r.ring.at(op.Seq - 1)
	for _, m := range r.list {
		m.push(f, before)
	}
	if r.members[op.Session] != nil {
		r.hub.stats.operations.Add(1)
	}
}

func (r *room) nackLocked(n nack) {
	r.hub.stats.nacks.Add(1)
	if m := r.members[n.session]; m != nil && m.conn != nil {
		m.conn.send(nackFrame(r.id, n))
	}
}

// queuedLocked tells an author that its operations are in memory only.
func (r *room) queuedLocked(w waiting) {
	r.hub.stats.queued.Add(1)
	if m := r.members[w.session]; m != nil && m.conn != nil {
		m.conn.send(queuedFrame(r.id, w.n))
	}
}

// relayLocked shows an operation that is in memory only to all but its author.
func (r *room) relayLocked(op Operation) {
	f := tentativeFrame(r.id, op)
	r.hub.stats.encoded.Add(1)
	for _, m := range r.list {
		if m.session != op.Session && !m.relaying {
			m.conn.offer(f) // at most once: it comes for certain when it is confirmed
		}
	}
}

// relayTo shows a member that has just joined what is in memory only, as its queue takes it. The room's lock
// is held.
func (r *room) relayTo(m *member) {
	m.relaying, m.relayed = r.seq.suspended && r.seq.mode == OutageRelay, 0
	r.relayOn(m)
}

// relayAnewLocked has those who are being shown what waits begin again, because the front of the queue has
// changed. Showing something twice does no harm.
func (r *room) relayAnewLocked() {
	for _, m := range r.list {
		m.relayed = 0
	}
}

// relayOn goes on with relayTo.
func (r *room) relayOn(m *member) {
	if !m.relaying {
		return
	}
	for ; m.relayed < len(r.seq.queue); m.relayed++ {
		sub := &r.seq.queue[m.relayed]
		if !sub.shown || sub.op.Session == m.session {
			continue
		}
		if !m.conn.offer(tentativeFrame(r.id, sub.op)) {
			m.conn.lag(m)
			return
		}
	}
	m.relaying = false
}

// levelOf returns how loud a failure of the log is told. That it is away is told once, by the change of
// its state, and not again for every room.
func levelOf(err error) slog.Level {
	if code := ErrorCode(err); code == CodeUnavailable || code == CodeRoomDeleted {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}

// fed takes a notification of the log.
func (r *room) fed(f Feed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f.Deleted {
		r.hub.spawn(func() { r.hub.entomb(r.id) })
		r.deleteLocked(errDeleted())
		return
	}
	sound := !slices.ContainsFunc(f.Operations, func(op Operation) bool { return !validJSON(op.Data) })
	if sound {
		if r.forkedLocked(f.Operations) {
			r.troubleLocked(ErrFork)
		}
		r.applyLocked(r.seq.feed(f.Operations))
	}
	if f.Gap || !sound { // what nobody can have appended is no news; the log has the truth
		r.readLocked()
	}
}

// forkedLocked reports whether the log has other operations where the room was already.
func (r *room) forkedLocked(ops []Operation) bool {
	for i := range ops {
		if r.differsLocked(ops[i].Position()) {
			return true
		}
	}
	return false
}

// differsLocked reports whether the room was somewhere else at the seq of a position.
func (r *room) differsLocked(p Position) bool {
	known, ok := r.ring.at(p.Seq)
	return ok && known != p
}

// fill reads the log if a hole in the feed is still there.
func (r *room) fill() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.filling = false
	if r.seq.lacks() {
		r.readLocked()
	}
}

// readLocked makes sure that the log is read from the head on, now or once more.
func (r *room) readLocked() {
	if r.reading {
		r.again = true
		return
	}
	r.reading = r.hub.spawn(r.read)
}

// read brings the room to the end of its log.
func (r *room) read() {
	for {
		r.mu.Lock()
		head := r.seq.head
		r.again = false
		r.reads++
		r.mu.Unlock()
		page, err := r.hub.cfg.Log.Read(r.hub.ctx, r.id, Query{After: head, Limit: readPage, Renew: true})
		if !r.took(head, page, err) {
			return
		}
	}
}

// took gives the sequencer a page and reports whether there is more to read.
func (r *room) took(head Position, page Page, err error) (more bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer func() { r.reading = more }()
	code := ErrorCode(err)
	switch {
	case code == CodeRoomDeleted:
		r.deleteLocked(err)
		return false
	case code != "" && code != CodeTrimmed && code != CodeDiverged:
		return false // the next gap, or the return of the log, brings it up again
	case r.seq.head != head && code != "":
		return true // it moved meanwhile; look again
	case code == CodeDiverged:
		r.troubleLocked(lossOf(page, r.seq.head))
		return false // the end of the reconciliation reads on
	case page.Restored != r.restored: // also when it was trimmed: what was restored may lack what the ring has
		r.troubleLocked(nil)
		return false
	case code == CodeTrimmed:
		r.startOverLocked(page.Base, "trimmed")
	default:
		r.snapshots.learnLocked(page.Snapshot)
		r.seq.reached(page.Head.Seq)
		r.applyLocked(r.seq.feed(page.Operations))
		r.checkLocked(page.Head)
		r.recheckLocked(page.Head)
	}
	if !r.seq.suspended { // else the loss is still to be measured against it
		r.floor = page.Base.Seq
	}
	return r.again || r.seq.head.Seq < page.Head.Seq
}

// lossOf says what became of a log that does not contain the room's head.
func lossOf(page Page, head Position) error {
	switch {
	case page.Head.Seq == 0:
		return ErrNoLog
	case page.Head.Seq < head.Seq:
		return ErrBehind
	}
	return ErrFork
}

// readAgain brings the room to what the log has now.
func (r *room) readAgain() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.readLocked()
}
