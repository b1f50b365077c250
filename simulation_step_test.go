package flow // internal: the simulation looks into the sequencer

import (
	"math/rand/v2"
	"slices"
)

// simStep is one thing that happens. Its dice decide about the details, so that a schedule means the
// same when other steps are left out.
type simStep struct {
	kind simKind
	dice uint64
}

type simKind uint8

const (
	stepMake    simKind = iota // an author makes operations
	stepHear                   // a client takes messages
	stepReceive                // an instance takes from a socket
	stepWork                   // the work loop goes on
	stepRead                   // the read loop goes on
	stepFeed                   // a notification arrives
	stepCatchUp                // a member is fed
	stepRound                  // everybody does everything once
	stepTick                   // an instance looks at the state of its backend
	stepMove                   // a client connects to another instance, or to the same again
	stepExpire                 // sessions that are elsewhere end
	stepSettle                 // the settle window is over
	stepUnstrand
	stepCheck  // the position is checked
	stepFail   // a request fails
	stepLate   // a request that was given up runs
	stepCut    // an instance loses Redis
	stepReach  // and finds it again
	stepOutage // all of them
	stepReturn // all of them
	stepCrash  // an instance dies
	stepLeave  // an author leaves for good
	stepTrim   // the log is trimmed
	stepWipe   // Redis loses everything
	stepFall   // Redis loses its newest writes
	stepMend   // Redis loses one key of the room
	stepDelete // the room is deleted
	stepKinds
)

func (k simKind) String() string {
	return [...]string{
		"make", "hear", "receive", "work", "read", "feed", "catch up", "round", "tick", "move", "expire",
		"settle", "unstrand", "check", "fail", "late", "cut", "reach", "outage", "return", "crash", "leave",
		"trim", "wipe", "fall back", "mend", "delete",
	}[k]
}

// simSchedule is a run: the shape of the world, and its steps.
type simSchedule struct {
	seed                  uint64
	instances, authors    int
	mode                  Outage
	keep, buffer, pending int
	steps                 []simStep
	mutant                simMutant
}

// weights of the kinds: what there is always, then what a schedule may or may not have.
func simWeights(dice *rand.Rand) (weights [stepKinds]int) {
	weights = [stepKinds]int{
		stepMake: 10, stepHear: 8, stepReceive: 10, stepWork: 24, stepRead: 6, stepFeed: 12, stepCatchUp: 5,
		stepRound: 3, stepTick: 4, stepMove: 2, stepExpire: 2, stepSettle: 3, stepUnstrand: 1, stepCheck: 1,
	}
	if dice.IntN(3) > 0 {
		weights[stepFail], weights[stepLate] = 4, 2
	}
	if dice.IntN(3) > 0 {
		weights[stepCut], weights[stepReach] = 2, 3
	}
	if dice.IntN(3) == 0 {
		weights[stepOutage], weights[stepReturn] = 1, 2
	}
	if dice.IntN(2) == 0 {
		weights[stepCrash] = 1
	}
	if dice.IntN(3) == 0 {
		weights[stepLeave] = 1
	}
	if dice.IntN(4) == 0 {
		weights[stepTrim] = 2
	}
	if dice.IntN(2) == 0 { // else nothing is lost, and more is promised
		weights[stepWipe], weights[stepFall], weights[stepMend] = dice.IntN(2), dice.IntN(3), dice.IntN(2)
	}
	if dice.IntN(16) == 0 {
		weights[stepDelete] = 1
	}
	return weights
}

// newSchedule draws a schedule.
func newSimSchedule(seed uint64) simSchedule {
	dice := rand.New(rand.NewPCG(seed, 3))
	s := simSchedule{
		seed: seed, instances: 1 + dice.IntN(3), authors: 1 + dice.IntN(3), mode: OutageRelay,
		keep: 4 + dice.IntN(8), buffer: 3 + dice.IntN(6), pending: 2 + dice.IntN(4),
	}
	if dice.IntN(5) == 0 {
		s.mode = [...]Outage{OutageHold, OutageReject}[dice.IntN(2)]
	}
	weights := simWeights(dice)
	sum := 0
	for _, weight := range weights {
		sum += weight
	}
	s.steps = make([]simStep, 30+dice.IntN(170))
	for i := range s.steps {
		x := dice.IntN(sum)
		for x >= weights[s.steps[i].kind] {
			x -= weights[s.steps[i].kind]
			s.steps[i].kind++
		}
		s.steps[i].dice = dice.Uint64()
	}
	return s
}

// step does one step.
func (w *simWorld) step(s simStep) {
	w.dice = s.dice
	i := w.draw(len(w.instances))
	in, c := w.instances[i], w.clients[w.draw(len(w.clients))]
	switch s.kind {
	case stepRound:
		w.round()
	case stepMake, stepHear, stepMove, stepLeave:
		w.stepClient(s.kind, c, in)
	case stepReceive, stepCatchUp:
		w.stepConn(s.kind)
	case stepTrim, stepWipe, stepFall, stepMend, stepDelete, stepLate, stepSettle, stepExpire:
		w.stepLog(s.kind)
	case stepCut, stepReach, stepOutage, stepReturn:
		w.stepNetwork(s.kind, in)
	case stepCrash:
		w.say("%s crashes", in.name)
		w.crash(i, in.reached)
	default:
		w.stepInstance(s.kind, in)
	}
}

func (w *simWorld) stepClient(kind simKind, c *simClient, in *simInstance) {
	if c.gone {
		return
	}
	switch kind {
	case stepMake:
		if !c.watches && len(c.pending) < 2*w.pending && c.last < 900 {
			c.make(1 + w.draw(2))
			w.say("%s makes up to %d", c.session, c.last+uint64(len(c.pending)))
		}
	case stepHear:
		for range 1 + w.draw(4) {
			if c.conn != nil && len(c.conn.down) > 0 {
				f := c.conn.down[0]
				c.conn.down = c.conn.down[1:]
				w.say("%s hears %s", c.name, f)
				c.hear(f)
			}
		}
		c.wake()
	case stepMove:
		w.say("%s connects to %s", c.name, in.name)
		c.connect(in)
	default:
		if c.watches || w.draw(2) == 0 {
			return
		}
		w.say("%s leaves for good", c.name)
		c.gone = true
		w.sever(c)
	}
}

func (w *simWorld) stepConn(kind simKind) {
	if len(w.conns) == 0 {
		return
	}
	c := w.conns[w.draw(len(w.conns))]
	if kind == stepCatchUp {
		if c.member != nil {
			c.member.catchUp()
		}
		return
	}
	for range 1 + w.draw(3) {
		c.receive()
	}
}

func (w *simWorld) stepLog(kind simKind) {
	switch kind {
	case stepTrim:
		if w.log.trim(1 + w.draw(6)) {
			w.say("the log is trimmed to %d", w.log.base.Seq)
			w.retire(w.log.base.Seq)
			w.mayRewind = true
			w.version++
		}
	case stepLate:
		if len(w.late) > 0 {
			i := w.draw(len(w.late))
			b := w.late[i]
			w.late = slices.Delete(w.late, i, i+1)
			answers, err := w.run(b)
			w.say("late: %s: %s", batchWords(b), answerWords(answers, err))
		}
	case stepSettle:
		w.say("the settle window ends")
		w.log.settling = false
	case stepExpire:
		w.expire()
	case stepDelete:
		w.remove()
	default:
		w.lose(kind)
	}
}

// lose has Redis lose data.
func (w *simWorld) lose(kind simKind) {
	if w.log.deleted || w.log.head.Seq == 0 {
		return
	}
	before := w.log.head.Seq
	switch kind {
	case stepWipe:
		w.log.wipe()
	case stepFall:
		w.log.fallBack(1 + w.draw(5))
	default:
		if w.draw(4) > 0 {
			w.log.loseHead()
		} else {
			w.log.wipe()
		}
	}
	w.lossy, w.mayRewind = true, true
	w.losses++
	w.appended(nil, nil)
	w.version++
	w.say("Redis: %s, from %d to %d-%d, stamp %d", kind, before, w.log.base.Seq, w.log.head.Seq, w.log.stamp)
	if kind == stepMend || w.draw(2) == 0 {
		w.publish(Feed{Gap: true})
	}
}

// remove deletes the room.
func (w *simWorld) remove() {
	if w.log.deleted {
		return
	}
	w.say("the room is deleted")
	for _, r := range w.records {
		r.retired = true
	}
	w.log.wipe()
	w.log.deleted = true
	w.version++
	w.publish(Feed{Deleted: true})
}

func (w *simWorld) stepNetwork(kind simKind, in *simInstance) {
	all := w.instances
	if kind == stepCut || kind == stepReach {
		all = []*simInstance{in}
	}
	for _, in := range all {
		reached := kind == stepReach || kind == stepReturn
		if in.reached != reached {
			w.say("%s reaches Redis: %v", in.name, reached)
			in.reached = reached
		}
	}
}

func (w *simWorld) stepInstance(kind simKind, in *simInstance) {
	switch kind {
	case stepWork:
		for range 1 + w.draw(3) {
			in.work()
		}
	case stepRead:
		in.fill()
		in.recall()
		for range 1 + w.draw(3) {
			in.read()
		}
	case stepFeed:
		in.hear(w.draw(len(in.feeds)+1), w.draw(6))
	case stepTick:
		in.probe()
		in.attend()
	case stepCheck:
		if !in.deleted {
			in.readLocked()
		}
	case stepUnstrand:
		in.unstrand()
	case stepFail:
		in.fails()
	}
}

// hear takes one of the notifications, loses it, or takes it twice.
func (in *simInstance) hear(i, fate int) {
	if len(in.feeds) == 0 {
		return
	}
	if fate > 1 { // in order
		i = 0
	}
	i = min(i, len(in.feeds)-1)
	f := in.feeds[i]
	if fate != 2 {
		in.feeds = slices.Delete(in.feeds, i, i+1)
	}
	if fate != 3 {
		in.w.say("%s is fed %s", in.name, feedWords(f))
		in.fed(f)
	}
}

// fails loses a request, or its answer.
func (in *simInstance) fails() {
	rq := in.request
	if in.w.draw(3) == 0 && in.readReq != nil {
		rq = in.readReq
	}
	if rq == nil {
		return
	}
	if !rq.done && rq.batch != nil && in.w.draw(2) == 0 {
		in.w.late = append(in.w.late, rq.batch)
	}
	in.w.say("%s waits in vain (the log had answered: %v)", in.name, rq.done)
	*rq = simRequest{query: rq.query, batch: rq.batch, done: true, err: Unavailable(nil)}
}
