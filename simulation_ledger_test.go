package flow // internal: the simulation looks into the sequencer

import "slices"

// simLedger is what the world knows of every operation, and nobody in it.
type simLedger struct {
	records map[simID]*simRecord
	order   []simID // as they were made
	newest  uint64  // the highest seq that anybody has seen
	lossy   bool    // Redis lost data: order between sessions may have changed
	losses  int     // how often
	version int     // of the log
	indexed int     // the version of index
	index   map[simID]bool
	front   uint64 // the highest base at which a log began anew
}

// simRecord is one operation.
type simRecord struct {
	floor     uint64 // the highest seq that had been seen when it was made
	confirmed bool   // its author has seen it in the log
	retired   bool   // trimmed away, or deleted with the room
	lost      bool   // at some moment no copy was left
	orphaned  bool   // at some moment nobody but its author had one
	seq       uint64 // its place, the last time that it was appended
	low       uint64 // its lowest place
	places    int    // how many it has had
}

func (l *simLedger) made(id simID) {
	if l.records == nil {
		l.records = map[simID]*simRecord{}
	}
	l.records[id] = &simRecord{floor: l.newest, low: simNothing}
	l.order = append(l.order, id)
}

func (l *simLedger) seen(op Operation) { l.newest = max(l.newest, op.Seq) }

func (w *simWorld) confirmed(id simID) {
	r := w.records[id]
	if r == nil {
		w.fail("I1", "%s:%d is confirmed, and nobody made it", id.session, id.n)
		return
	}
	r.confirmed = true
}

// took notes that an instance has received an operation, which must be answered now.
func (w *simWorld) took(in *simInstance, op Operation) {
	id := simID{op.Session, op.N}
	if _, ok := in.open[id]; !ok {
		in.open[id] = false
	}
}

func (w *simWorld) answered(in *simInstance, id simID) { delete(in.open, id) }

func (w *simWorld) queued(in *simInstance, q waiting) {
	for id := range in.open {
		if id.session == q.session && id.n <= q.n {
			in.open[id] = true
		}
	}
}

// appended notes where operations are now, and where the log begins.
func (w *simWorld) appended(ops []Operation, answers []Appended) {
	for i, answer := range answers {
		if r := w.records[simID{ops[i].Session, ops[i].N}]; r != nil && answer.Status == Confirmed {
			if r.seq != answer.Seq {
				r.places++
			}
			r.seq = answer.Seq
			r.low = min(r.low, r.seq)
		}
	}
	if w.log.open {
		w.front = max(w.front, w.log.base.Seq)
	}
}

func (w *simWorld) renounced(c *simClient) { w.say("  %s gives up session %s", c.name, c.session) }

// account notes of which operations no copy is left.
func (w *simWorld) account() {
	if !w.lossy {
		return
	}
	if w.indexed != w.version || w.index == nil {
		w.indexed, w.index = w.version, make(map[simID]bool, len(w.log.ops))
		for i := range w.log.ops {
			w.index[simID{w.log.ops[i].Session, w.log.ops[i].N}] = true
		}
	}
	for _, id := range w.order {
		r := w.records[id]
		if !r.confirmed || r.lost || r.retired || w.index[id] || w.ringed(id) {
			continue
		}
		r.orphaned = true
		if !w.buffered(id) {
			r.lost = true
			w.say("  no copy of %s:%d is left", id.session, id.n)
		}
	}
}

// excused reports whether a confirmed operation may be missing: no copy was left, or
//   - its place is before the one where the log began anew, and no instance had it: a log grows in front
//     from rings only, since nothing that an author sends again can get a place before what is there;
//   - or it did not fit in front any more, because an author had sent again what was to be put there,
//     or was lost once more right after it was put there, in a log that looks as it did before.
func (w *simWorld) excused(r *simRecord) bool {
	return r.lost || r.orphaned && r.low <= w.front || r.low <= w.log.refused
}

// ringed reports whether an instance has an operation.
func (w *simWorld) ringed(id simID) bool {
	is := func(sub submission) bool { return sub.op.Session == id.session && sub.op.N == id.n }
	for _, in := range w.instances {
		for i := range in.ring.entries {
			if op := &in.ring.entries[i].op; op.N == id.n && op.Session == id.session {
				return true
			}
		}
		for _, list := range [...][]submission{in.seq.queue, in.seq.flight, in.seq.stranded, in.seq.unseen} {
			if slices.ContainsFunc(list, is) {
				return true
			}
		}
	}
	return false
}

// buffered reports whether the author of an operation has it.
func (w *simWorld) buffered(id simID) bool {
	for _, c := range w.clients {
		if c.session != id.session || c.gone {
			continue
		}
		if slices.Contains(c.pending, id.n) ||
			slices.ContainsFunc(c.kept, func(k simKept) bool { return k.n == id.n }) {
			return true
		}
	}
	return false
}

// retire notes what is trimmed away up to a seq, or would have been.
func (w *simWorld) retire(seq uint64) {
	for _, r := range w.records {
		r.retired = r.retired || r.seq > 0 && r.seq <= seq
	}
}

// check holds the end to the invariants.
func (w *simWorld) check() {
	w.checkLog()
	w.checkReaders()
	for _, in := range w.instances {
		for id := range in.open {
			if r := w.records[id]; r.seq == 0 && !in.deleted {
				w.fail("I8, I14", "%s has not answered %s:%d", in.name, id.session, id.n)
			}
		}
	}
}

// checkLog looks at what is in the log. After two losses an operation may be there twice: sent again after
// the first one, and restored at both of its places after the second, by two instances.
func (w *simWorld) checkLog() {
	at, newest := w.log.base, map[string]uint64{}
	w.index = map[simID]bool{}
	for _, op := range w.log.ops {
		id := simID{op.Session, op.N}
		r := w.records[id]
		twice := r != nil && w.losses > 1 && r.places > 1
		switch {
		case !op.Follows(at):
			w.fail("I2", "the log has %v after %v", op.Position(), at)
		case r == nil || string(op.Data) != string(simOp(id).Data):
			w.fail("I1", "%s:%d is in the log, and nobody sent it so", op.Session, op.N)
		case w.index[id] && !twice || r.retired && !w.lossy:
			w.fail("I1", "%s:%d is in the log twice", op.Session, op.N)
		case op.N <= newest[op.Session] && !twice:
			w.fail("I3", "%s:%d is in the log after %d", op.Session, op.N, newest[op.Session])
		case !w.lossy && newest[op.Session] > 0 && op.N != newest[op.Session]+1:
			w.fail("I3", "%s:%d is in the log right after %d", op.Session, op.N, newest[op.Session])
		case !w.lossy && op.Seq <= r.floor:
			w.fail("I3", "%s:%d is at %d, and was made when %d was confirmed", op.Session, op.N, op.Seq, r.floor)
		}
		at, newest[op.Session], w.index[id] = op.Position(), op.N, true
	}
	for _, id := range w.order {
		if r := w.records[id]; r.confirmed && !r.retired && !w.index[id] && !w.excused(r) {
			w.fail("I1", "%s:%d was confirmed, had a copy at every moment, and is not in the log", id.session, id.n)
		}
	}
}

func (w *simWorld) checkReaders() {
	for _, c := range w.clients {
		if c.gone {
			continue
		}
		if c.at != w.log.head {
			w.fail("I2", "%s ends at %v, the log at %v", c.name, c.at, w.log.head)
		}
		for _, op := range c.seen {
			if op.Seq > w.log.base.Seq && w.log.ops[op.Seq-w.log.base.Seq-1].Position() != op.Position() {
				w.fail("I2", "%s has seen %v, which is not in the log", c.name, op.Position())
			}
		}
	}
}
