package flow

import (
	"log/slog"
	"math"
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
	if fx.commit && !r.writing {
		r.writing = r.hub.spawn(r.commit)
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
	for _, m := range r.list {
		m.push(f)
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

// commit appends batch after batch until nothing waits. One runs a room, so that what arrives while
// the log is busy goes together.
func (r *room) commit() {
	for {
		r.mu.Lock()
		batch := r.seq.nextBatch()
		if batch == nil {
			r.writing = false
			r.mu.Unlock()
			return
		}
		fence := r.seq.head
		r.mu.Unlock()
		started := time.Now()
		answers, err := r.hub.cfg.Log.Append(r.hub.ctx, r.id, Batch{Fence: fence, Operations: batch})
		r.hub.stats.appends.Add(1)
		if mustRepair(err) {
			if r.repair(err) {
				answers, err = r.hub.cfg.Log.Append(r.hub.ctx, r.id, Batch{Fence: fence, Operations: batch})
			} else {
				r.readAgain()
			}
		}
		r.settle(answers, err, started)
	}
}

// settle gives the sequencer the log's answers.
func (r *room) settle(answers []Appended, err error, started time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.hub.log.Log(r.hub.ctx, levelOf(err), "append failed",
			"room", r.id, "after", time.Since(started), "error", err)
		r.applyLocked(r.seq.failed(err))
		return
	}
	for i := range r.seq.flight {
		r.hub.stats.latency.add(time.Since(r.seq.flight[i].since))
	}
	r.applyLocked(r.seq.appended(answers))
}

// levelOf returns how loud a failure of the log is told. That it is away is told once, by the change of
// its state, and not again by every append.
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
		r.deleted = true
		r.hub.spawn(func() { r.hub.endRoom(r) })
		return
	}
	r.applyLocked(r.seq.feed(f.Operations))
	if f.Gap {
		r.readLocked()
	}
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
		r.mu.Unlock()
		page, err := r.hub.cfg.Log.Read(r.hub.ctx, r.id, Query{After: head, Limit: readPage})
		if ErrorCode(err) == CodeDiverged && r.isAt(head) && r.repair(err) {
			continue
		}
		if !r.took(head, page, err) {
			return
		}
	}
}

func (r *room) isAt(head Position) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seq.head == head
}

// took gives the sequencer a page and reports whether there is more to read.
func (r *room) took(head Position, page Page, err error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch ErrorCode(err) {
	case "":
		r.seq.reached(page.Head.Seq)
		r.applyLocked(r.seq.feed(page.Operations))
	case CodeTrimmed:
		r.restartLocked(page.Base, "trimmed")
	case CodeDiverged:
		if r.seq.head != head {
			return true // it moved meanwhile; look again
		}
		r.hub.log.Error("the log does not contain the position known here, starting over from the log",
			"room", r.id, "position", head.String(), "head", page.Head.String())
		r.restartLocked(page.Base, "repair")
	default: // the next gap, or the return of the log, brings it up again
		r.reading = false
		return false
	}
	if r.again || r.seq.head.Seq < page.Head.Seq {
		return true
	}
	r.reading = false
	return false
}

// restartLocked begins anew at a position of the log. Members whose stream cannot go on are told.
func (r *room) restartLocked(at Position, reason string) {
	r.seq.restart(at)
	r.ring.clear()
	for _, m := range r.list {
		if m.cursor.Seq >= at.Seq && reason == "trimmed" || m.cursor == at {
			continue
		}
		m.rewindLocked(at, reason)
	}
}

// repair writes into a log that lost operations what the room's ring has of them, at the same seq and
// hash, if the log is a prefix of what is known here. It reports whether it is whole again.
func (r *room) repair(cause error) bool {
	page, err := r.hub.cfg.Log.Read(r.hub.ctx, r.id, Query{Unchecked: true})
	if err != nil && ErrorCode(err) != CodeTrimmed {
		return false
	}
	fence := page.Head
	ops := r.missingIn(fence)
	if len(ops) == 0 {
		r.hub.log.Error("the log lost operations that this instance cannot write again", "room", r.id, "error", cause)
		return false
	}
	for len(ops) > 0 {
		chunk := ops[:min(batchOps, len(ops))]
		batch := Batch{Fence: fence, Restore: true, Operations: chunk}
		if _, err := r.hub.cfg.Log.Append(r.hub.ctx, r.id, batch); err != nil {
			r.hub.log.Error("writing a lost log again failed", "room", r.id, "error", err)
			return false
		}
		fence, ops = chunk[len(chunk)-1].Position(), ops[len(chunk):]
	}
	r.hub.log.Warn("wrote again what the log had lost", "room", r.id, "head", fence.String(), "cause", cause)
	return true
}

// missingIn returns the ring's operations behind a head that the room has been at; none when the ring
// does not reach back to it.
func (r *room) missingIn(head Position) []Operation {
	r.mu.Lock()
	defer r.mu.Unlock()
	if hash, ok := r.ring.hashAt(head.Seq); ok && hash != head.Hash || !ok && head.Seq > 0 {
		return nil
	}
	entries, _ := r.ring.after(head.Seq, math.MaxInt)
	ops := make([]Operation, len(entries))
	for i := range entries {
		ops[i] = entries[i].op
	}
	return ops
}

// readAgain brings the room to what the log has now.
func (r *room) readAgain() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.readLocked()
}
