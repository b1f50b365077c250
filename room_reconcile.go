package flow

import (
	"log/slog"
	"time"
)

const (
	reconcilers = 16                     // rooms that are compared with their logs at a time
	patience    = 400 * time.Millisecond // before an author is told that the log is slow
	// The first and the longest wait before a room tries again whose log is there and fails.
	firstRetry, lastRetry = 250 * time.Millisecond, 2 * time.Second
)

// attend notices that a room's log went away, came back, or was away for a moment.
func (r *room) attend(now time.Time) {
	health := r.hub.cfg.Log.Health(r.id)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.deleted || r.closed:
	case health.State != Live:
		if r.phase != phaseDown {
			r.downLocked()
		}
		r.away, r.wait, r.retry = true, 0, time.Time{} // the log's own probe tells when it is back
	case !health.Since.Equal(r.since), r.phase == phaseDown && !r.writing && !now.Before(r.retry):
		r.away = false
		r.since = health.Since
		r.settled = health.Since.Add(SettleWindow)
		r.troubleLocked(nil)
	}
}

// hurry tells authors of operations that wait for a slow log.
func (r *room) hurry(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seq.busy() {
		r.applyLocked(r.seq.overdue(now.Add(-patience)))
	}
}

// reconcile brings the room and its log together, and lets go on what waits.
func (r *room) reconcile() {
	h := r.hub
	select {
	case h.repairs <- struct{}{}:
	case <-h.ctx.Done():
		return
	}
	h.stats.reconciles.Add(1)
	head, found := r.compare()
	<-h.repairs
	r.mu.Lock()
	r.began = r.began || found.began
	r.mu.Unlock()
	if found.noted {
		h.amnesia.Store(true)
	}
	if r.hopes(found) || !r.accept(head, found) {
		return
	}
	if !r.retakeLocks() || !r.settle(found) { // within the settle window, in which nobody else can take them
		return
	}
	r.saveAgain(r.hub.ctx)
	r.measureLoss()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.doubt || r.away {
		return // something came between
	}
	for _, m := range r.list {
		m.relaying = false // what waits is confirmed soon
	}
	r.applyLocked(r.seq.resume())
	r.readLocked()
}

// hopes gives others who may have more of a log the chance to write it again, before this instance gives up
// what neither has. It reports whether it did; then the log is looked at anew.
func (r *room) hopes(v verdict) bool {
	r.mu.Lock()
	hopeful := v.rewind && v.lost > 0 && !r.waited
	r.waited = r.waited || hopeful
	r.mu.Unlock()
	if hopeful && r.pause(2*SettleWindow) {
		r.mu.Lock()
		r.doubt = true
		r.mu.Unlock()
	}
	return hopeful
}

// compare runs a reconciler. It returns the head that the verdict is about.
func (r *room) compare() (head Position, v verdict) {
	if err := r.mark(); err != nil {
		return head, verdict{err: err}
	}
	r.mu.Lock()
	head = r.seq.head
	c := newReconciler(head, r.ring.base, r.ring.operations(), r.seq.vouch(r.ring.contains), r.restored)
	r.mu.Unlock()
	log, ctx := r.hub.cfg.Log, r.hub.ctx
	for t, ok := c.next(); ok; t, ok = c.next() {
		if t.query != nil {
			c.read(log.Read(ctx, r.id, *t.query))
			continue
		}
		_, err := log.Append(ctx, r.id, *t.batch)
		c.wrote(t.batch, err)
	}
	return head, c.found
}

// accept draws the conclusions from a verdict; false when that is all for now.
func (r *room) accept(head Position, v verdict) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case ErrorCode(v.err) == CodeRoomDeleted:
		r.deleteLocked(v.err)
		return false
	case v.err != nil:
		r.failLocked(v.err)
		return false
	case r.seq.head != head: // the feed went on meanwhile
		r.doubt = true
		return false
	}
	if r.wait == 0 { // else what waits has failed before, while the log was there: that it works is to be seen
		r.phaseLocked(phaseRecovering)
	}
	r.tellLocked(v)
	if v.wrote > 0 || v.began || v.rewind || v.page.Restored != r.restored {
		r.broken = time.Now()
	}
	r.restored, r.waited = v.page.Restored, false
	switch {
	case v.rewind:
		r.rewindLocked(v)
	case v.trimmed && head.Seq > 0:
		r.startOverLocked(v.page.Base, "trimmed")
	case head.Seq == 0: // nothing was ever delivered here: what the log has, members read from it
		r.beginLocked(v.page.Head)
	default:
		r.checkLocked(v.page.Head)
	}
	return true
}

// tellLocked logs what became of the room, once an event.
func (r *room) tellLocked(v verdict) {
	args := []any{"room", r.id, "log", v.page.Head.String()}
	if r.cause != nil {
		args = append(args, "cause", r.cause)
	}
	switch level := slog.LevelWarn; {
	case v.rewind && len(v.ops) > 0:
		r.hub.log.Log(r.hub.ctx, level, "the log has another history, appending again what it lacks",
			append(args, "position", v.at.String(), "operations", len(v.ops))...)
	case v.wrote > 0:
		r.hub.log.Log(r.hub.ctx, level, "wrote again what the log had lost", append(args, "operations", v.wrote)...)
	}
	if v.lost > 0 {
		r.loseLocked(v.lost)
	}
}

// settle waits until every instance had its chance to write again what the log lost. It reports false
// when the hub is closing.
func (r *room) settle(v verdict) bool {
	r.mu.Lock()
	until := r.settled
	if v.noted || mustReconcile(r.cause) {
		until = time.Now().Add(SettleWindow)
	}
	r.mu.Unlock()
	return r.pause(time.Until(until))
}

// pause waits; false when the hub is closing.
func (r *room) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.hub.ctx.Done():
		return false
	}
}

// rewindLocked takes the room back to where its history and the log's part.
func (r *room) rewindLocked(v verdict) {
	shared := r.ring.contains(v.at)
	for _, m := range r.list {
		inStep := m.cursor == v.at || shared && m.cursor.Seq <= v.at.Seq
		switch {
		case !inStep && !m.guessed:
			m.rewindLocked(v.at, "repair")
		case m.session != "": // nothing is taken back, but what it was told of its own operations
			m.rewindLocked(m.cursor, "repair")
		}
	}
	r.seq.rewind(v.at, v.ops)
	r.relayAnewLocked()
	r.ring.rewind(v.at)
	if r.document.head.Seq > v.at.Seq {
		r.document.drop()
	}
	r.snapshots.forgetLocked(v.at)
	r.pages = nil
}

// startOverLocked begins anew at a position of the log. Members whose stream cannot go on are told.
func (r *room) startOverLocked(at Position, reason string) {
	r.seq.restart(at)
	r.ring.rewind(at)
	r.document.drop()
	r.snapshots.dropLocked()
	r.pages = nil
	r.recallLocked()
	for _, m := range r.list {
		if m.cursor.Seq < at.Seq && !m.guessed {
			m.rewindLocked(at, reason)
		}
	}
}

// beginLocked takes over where the log ends, in a room that has delivered nothing.
func (r *room) beginLocked(head Position) {
	r.seq.restart(head)
	r.ring.rewind(head)
	r.document.drop()
	r.snapshots.dropLocked()
	r.recallLocked()
	for _, m := range r.list {
		switch {
		case m.cursor == head:
		case m.cursor.Seq > 0:
			m.verifyLocked()
		default:
			m.behind = true
			m.conn.lag(m)
		}
	}
}

// checkLocked has members verified that were fed more of the log than it has by now.
func (r *room) checkLocked(end Position) {
	top := max(end.Seq, r.seq.head.Seq)
	for _, m := range r.list {
		if m.cursor.Seq > top {
			m.verifyLocked()
		}
	}
}

// recheckLocked tells authors who joined before the log was read, when it had more than it has now: what
// was said of their own operations is void.
func (r *room) recheckLocked(end Position) {
	top := max(end.Seq, r.seq.head.Seq)
	for _, m := range r.list {
		a := r.seq.authors[m.session]
		if a != nil && a.toldAt.Seq > top && m.reads < r.reads {
			a.known, a.told, a.toldAt = false, 0, Position{}
			m.rewindLocked(m.cursor, "repair")
		}
	}
}

// measureLoss counts what is gone for good after the log began anew, once others had their chance to
// put more in front.
func (r *room) measureLoss() {
	r.mu.Lock()
	began := r.began
	r.mu.Unlock()
	if !began {
		return
	}
	page, err := r.hub.cfg.Log.Read(r.hub.ctx, r.id, Query{Unchecked: true})
	if err != nil && ErrorCode(err) != CodeTrimmed {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if page.Base.Seq > r.floor && page.Snapshot.Seq < page.Base.Seq {
		r.loseLocked(page.Base.Seq - r.floor)
	}
	r.floor, r.began = page.Base.Seq, false
}

// loseLocked tells of confirmed operations that are gone.
func (r *room) loseLocked(count uint64) {
	h := r.hub
	h.stats.lost.Add(int64(count))
	h.log.Error("confirmed operations are lost: neither the log nor this instance has them",
		"room", r.id, "operations", count)
	if h.cfg.OnDataLoss != nil {
		h.spawn(func() { h.hook("OnDataLoss", func() { h.cfg.OnDataLoss(r.id, count) }) })
	}
}

// deleteLocked ends the room, because its log was deleted.
func (r *room) deleteLocked(cause error) {
	if r.deleted {
		return
	}
	r.deleted = true
	r.applyLocked(r.seq.drop(cause))
	r.hub.spawn(func() { r.hub.endRoom(r) })
}
