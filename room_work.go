package flow

import (
	"time"
)

// phase is how a room stands to its log (consistency.md section 3).
type phase uint8

const (
	phaseLive       phase = iota
	phaseDown             // the log is away: the room goes on in memory
	phaseRecovering       // the log is back: it is compared, what waited is being appended
)

// state returns what clients are told of a phase.
func (p phase) state() State { return [...]State{Live, Degraded, Recovering}[p] }

// standing is what a room knows of its log as a whole. The room's lock guards it.
type standing struct {
	phase    phase
	away     bool          // the log's backend is away
	doubt    bool          // the room must be compared with its log
	cause    error         // of the doubt; nil for a look after an outage
	since    time.Time     // since when the log has been in its state, at the last look
	began    bool          // the log begins at a ring's base: what that lost is to be measured
	waited   bool          // others had their chance to bring what neither log nor ring has
	broken   time.Time     // when the log was last found to lack what it had, or to have it again
	settled  time.Time     // when everybody had time to write again what the log has lost
	retry    time.Time     // when to look again at a log that is there and fails
	wait     time.Duration // how long that was put off; 0 while it does not fail
	restored int64         // the newest restore of the log that is taken into account
	floor    uint64        // the seq before the first operation that the log keeps
	told     State         // what members were told of this room alone

	strands   int  // how often what is stranded was tried
	stranding bool // another try is due
}

// strandPause is how long what was confirmed once waits for what its session did before, each of
// strandTries times.
const (
	strandPause = time.Second
	strandTries = 3
)

// work does what the room has to do at its log, one thing after the other, until nothing is left. One
// runs a room, so that what arrives while the log is busy goes together.
func (r *room) work() {
	for {
		r.mu.Lock()
		if r.doubt {
			r.doubt = false
			r.mu.Unlock()
			r.reconcile()
			continue
		}
		batch, ok := r.seq.nextBatch()
		if !ok {
			r.writing = false
			r.restLocked()
			r.mu.Unlock()
			return
		}
		r.mu.Unlock()
		r.append(batch)
	}
}

// workLocked makes sure that somebody works.
func (r *room) workLocked() {
	if !r.hub.quick { // else nothing waits
		r.stirLocked()
	}
	if !r.writing {
		r.writing = r.hub.spawn(r.work)
	}
}

// write appends a batch. With a log that begins the mark may be gone too: Redis may have been emptied.
func (r *room) write(batch Batch) ([]Appended, error) {
	if batch.Fence.Seq == 0 {
		if err := r.mark(); err != nil {
			return nil, err
		}
	}
	return r.hub.cfg.Log.Append(r.hub.ctx, r.id, batch)
}

// append sends one batch, and gives the sequencer the answers.
func (r *room) append(batch Batch) {
	started := time.Now()
	answers, err := r.write(batch)
	r.hub.stats.appends.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch code := ErrorCode(err); {
	case err == nil:
		if r.phase == phaseDown {
			r.phaseLocked(phaseRecovering)
		}
		r.countLocked(answers)
		for i := range r.seq.flight {
			if since := r.seq.flight[i].since; !since.IsZero() {
				r.hub.stats.latency.add(time.Since(since))
			}
		}
		r.applyLocked(r.seq.appended(answers))
	case mustReconcile(err):
		r.seq.returned()
		r.relayAnewLocked()
		r.troubleLocked(err)
	case code == CodeRoomDeleted:
		r.applyLocked(r.seq.refused(err))
		r.deleteLocked(err)
	case code == CodeRejected:
		r.applyLocked(r.seq.refused(err))
	case r.deleted:
		r.seq.returned()
		r.applyLocked(r.seq.drop(errDeleted()))
	default:
		r.seq.returned()
		r.relayAnewLocked()
		r.failLocked(err, "after", time.Since(started))
	}
	if r.phase == phaseRecovering && r.seq.calm() {
		r.phaseLocked(phaseLive)
	}
}

// countLocked counts what a Submit has added; the operations of members count when they are delivered.
func (r *room) countLocked(answers []Appended) {
	for i, answer := range answers {
		sub := &r.seq.flight[i]
		if sub.group == nil {
			return
		}
		added := answer.Status == Confirmed || sub.again // a duplicate of what was in flight before is that
		if sub.group.key != "" && answer.Seq <= r.seq.head.Seq {
			added = r.ring.sessionAt(answer.Seq) == sub.op.Session // else of an earlier call with the key
		}
		if added {
			r.hub.stats.operations.Add(1)
		}
	}
}

// restLocked is called when there is nothing to do at the log for now.
func (r *room) restLocked() {
	switch {
	case r.seq.suspended || r.phase == phaseLive:
	case len(r.seq.stranded) > 0 && !r.closed && !r.stranding:
		r.stranding = true
		time.AfterFunc(strandPause, r.unstrand)
	case r.seq.calm():
		r.phaseLocked(phaseLive)
	}
}

// unstrand tries again to append what was confirmed once, and lacks what its session did before.
func (r *room) unstrand() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stranding = false
	if len(r.seq.stranded) == 0 || r.seq.suspended || r.writing {
		return // whoever is at work comes back to it
	}
	r.strands++
	r.applyLocked(r.seq.unstrand(r.strands >= strandTries))
}

// phaseLocked notes a change of how the room stands to its log.
func (r *room) phaseLocked(to phase) {
	from := r.phase
	if from == to || r.closed {
		return
	}
	r.phase = to
	r.stirLocked()
	switch {
	case from == phaseLive:
		if r.hub.troubled.Add(1) == 1 {
			r.hub.troubledAt.Store(time.Now().UnixNano())
		}
	case to == phaseLive:
		r.wait, r.strands = 0, 0
		r.hub.troubled.Add(-1)
	}
}

// failLocked goes on in memory, because the log refused something or did not answer. A log that is there all
// the same is tried again with growing pauses.
func (r *room) failLocked(err error, args ...any) {
	if r.phase != phaseDown {
		args = append([]any{"room", r.id, "error", err}, args...)
		r.hub.log.Log(r.hub.ctx, levelOf(err), "room goes on in memory", args...)
	}
	r.wait = min(max(2*r.wait, firstRetry), lastRetry)
	r.retry = time.Now().Add(r.wait)
	r.downLocked()
}

// downLocked goes on in memory.
func (r *room) downLocked() {
	r.phaseLocked(phaseDown)
	r.applyLocked(r.seq.suspend())
}

// comparedLocked reports whether the room and its log are known to match, so that the log may judge
// positions. Something may wait all the same.
func (r *room) comparedLocked() bool { return r.phase != phaseDown && !r.seq.suspended }

// troubleLocked has the room compared with its log, because they do not match, or may not.
func (r *room) troubleLocked(cause error) {
	if r.deleted {
		return
	}
	r.cause = cause
	if r.phase == phaseLive {
		r.phaseLocked(phaseRecovering)
	}
	r.applyLocked(r.seq.suspend())
	r.doubt = true
	r.workLocked()
}
