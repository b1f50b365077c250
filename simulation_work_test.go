package flow // internal: the simulation looks into the sequencer

// simStage is where the work of a room stands.
type simStage uint8

const (
	simIdle      simStage = iota
	simAppending          // a batch is on its way
	simComparing          // a task of the reconciler is on its way
	simSettling           // everybody gets the chance to restore
	simMeasuring          // the loss is being counted
	simHoping             // others get the chance to bring what is missing
)

// simWork is the work loop of room_work.go, cut where it waits.
type simWork struct {
	writing bool
	stage   simStage
	request *simRequest
	rec     *reconciler
	recHead Position
	found   verdict
}

func (in *simInstance) workLocked() { in.writing = true }

// work does the next thing of the work loop.
func (in *simInstance) work() {
	switch {
	case !in.writing:
	case in.request != nil && !in.request.done:
		in.w.execute(in, in.request)
	case in.request != nil:
		rq := in.request
		in.request = nil
		in.replied(rq)
	case in.stage == simSettling:
		in.settled()
	case in.stage == simHoping:
		in.stage, in.doubt = simIdle, true
	case in.doubt:
		in.doubt = false
		in.compare()
	default:
		in.begin()
	}
}

// begin sends the next batch, or rests.
func (in *simInstance) begin() {
	batch, ok := in.seq.nextBatch()
	if !ok {
		in.writing = false
		in.restLocked()
		return
	}
	if in.w.mutant == mutantJump {
		batch.Jump = true
	}
	if in.w.mutant == mutantPublish {
		in.w.publish(Feed{Operations: placed(batch.Fence, append([]Operation(nil), batch.Operations...)...)})
	}
	in.stage, in.request = simAppending, &simRequest{batch: &batch}
	if in.w.mutant == mutantConfirm {
		fx := in.seq.feed(placed(batch.Fence, append([]Operation(nil), batch.Operations...)...))
		in.applyLocked(fx)
	}
}

func (in *simInstance) replied(rq *simRequest) {
	switch in.stage {
	case simAppending:
		in.stage = simIdle
		in.appended(rq.answers, rq.err)
	case simComparing:
		if rq.query != nil {
			in.rec.read(rq.page, rq.err)
		} else {
			in.rec.wrote(rq.batch, rq.err)
		}
		in.task()
	default:
		in.stage = simIdle
		in.measureLoss(rq.page, rq.err)
		in.resume()
	}
}

// appended takes the outcome of a batch.
func (in *simInstance) appended(answers []Appended, err error) {
	switch code := ErrorCode(err); {
	case err == nil:
		if in.phase == phaseDown {
			in.phase = phaseRecovering
		}
		in.applyLocked(in.seq.appended(answers))
	case mustReconcile(err):
		in.seq.returned()
		in.troubleLocked(err)
	case code == CodeRoomDeleted:
		in.applyLocked(in.seq.refused(err))
		in.deleteLocked(err)
	case in.deleted:
		in.seq.returned()
		in.applyLocked(in.seq.drop(errDeleted()))
	default:
		in.seq.returned()
		in.failLocked()
	}
	if in.phase == phaseRecovering && in.seq.calm() {
		in.phaseLocked(phaseLive)
	}
}

func (in *simInstance) phaseLocked(to phase) {
	if in.phase != to && to == phaseLive {
		in.wait, in.strands = 0, 0
	}
	in.phase = to
}

func (in *simInstance) restLocked() {
	switch {
	case in.seq.suspended || in.phase == phaseLive:
	case len(in.seq.stranded) > 0 && !in.strandAt:
		in.strandAt = true
	case in.seq.calm():
		in.phaseLocked(phaseLive)
	}
}

// unstrand tries again to append what was confirmed once, and lacks what its session did before.
func (in *simInstance) unstrand() {
	if !in.strandAt {
		return
	}
	jump := in.strands+1 >= strandTries
	if jump && !in.seq.suspended && !in.writing && in.w.expects(in.seq.stranded) {
		return // within the pause, who is there resends
	}
	in.strandAt = false
	if len(in.seq.stranded) == 0 || in.seq.suspended || in.writing {
		return
	}
	in.strands++
	in.applyLocked(in.seq.unstrand(jump))
}

func (in *simInstance) failLocked() {
	in.wait++
	in.downLocked()
}

func (in *simInstance) downLocked() {
	in.phaseLocked(phaseDown)
	in.applyLocked(in.seq.suspend())
}

func (in *simInstance) comparedLocked() bool { return in.phase != phaseDown && !in.seq.suspended }

func (in *simInstance) troubleLocked(cause error) {
	if in.deleted {
		return
	}
	in.cause = cause
	if in.phase == phaseLive {
		in.phaseLocked(phaseRecovering)
	}
	in.applyLocked(in.seq.suspend())
	in.doubt = true
	in.workLocked()
}

// compare starts a reconciler.
func (in *simInstance) compare() {
	in.recHead = in.seq.head
	if in.w.mutant == mutantSeed {
		in.forgive()
		return
	}
	in.rec = newReconciler(in.recHead, in.ring.base, in.ring.operations(), in.seq.vouch(in.ring.contains), in.restored)
	in.stage = simComparing
	in.task()
}

// forgive is a mutant's: it takes whatever the log has, and restores nothing.
func (in *simInstance) forgive() {
	page, err := in.w.log.read(&Query{Unchecked: true})
	in.found = verdict{page: page, err: err, rewind: !in.w.log.contains(in.recHead), at: page.Base}
	if ErrorCode(err) == CodeTrimmed {
		in.found.err = nil
	}
	if in.accept(in.recHead, in.found) {
		in.stage = simSettling
	}
}

// task sends the next task of the reconciler, or draws the conclusions.
func (in *simInstance) task() {
	t, ok := in.rec.next()
	if ok {
		in.request = &simRequest{query: t.query, batch: t.batch}
		return
	}
	in.stage, in.found = simIdle, in.rec.found
	if in.found.rewind && in.found.lost > 0 && !in.waited {
		in.stage, in.waited = simHoping, true
		return
	}
	if in.accept(in.recHead, in.found) {
		in.stage = simSettling
	}
}

// accept draws the conclusions from a verdict; false when that is all for now.
func (in *simInstance) accept(head Position, v verdict) bool {
	switch {
	case ErrorCode(v.err) == CodeRoomDeleted:
		in.deleteLocked(v.err)
		return false
	case v.err != nil:
		in.began = in.began || v.began
		in.failLocked()
		return false
	case in.seq.head != head:
		in.doubt = true
		return false
	}
	if in.wait == 0 {
		in.phaseLocked(phaseRecovering)
	}
	in.w.reconciled++
	in.lost += v.lost
	in.restored, in.waited, in.began = v.page.Restored, false, in.began || v.began
	switch {
	case v.rewind:
		in.rewindLocked(v)
	case v.trimmed && head.Seq > 0:
		in.startOverLocked(v.page.Base)
	case head.Seq == 0:
		in.beginLocked(v.page.Head)
	default:
		in.checkLocked(v.page.Head)
	}
	return true
}

// settled ends the wait for others.
func (in *simInstance) settled() {
	in.stage = simIdle
	if in.began {
		in.began = false
		in.stage, in.request = simMeasuring, &simRequest{query: &Query{Unchecked: true}}
		return
	}
	in.resume()
}

func (in *simInstance) resume() {
	if in.doubt || in.away {
		return
	}
	if in.w.mutant == mutantJournal {
		in.seq.queue = nil
	}
	in.applyLocked(in.seq.resume())
	in.readLocked()
}

func (in *simInstance) measureLoss(page Page, err error) {
	if err != nil && ErrorCode(err) != CodeTrimmed {
		return
	}
	if kept := max(page.Base.Seq, page.Snapshot.Seq); page.Base.Seq > in.floor && page.Snapshot.Seq < page.Base.Seq {
		in.lost += kept - in.floor
	}
	in.floor = page.Base.Seq
}
