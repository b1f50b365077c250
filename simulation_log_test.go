package flow // internal: the simulation looks into the sequencer

import (
	"maps"
	"slices"
)

// simLog is the smallest log that keeps the contract of [Log], with hands on what it remembers. Time is
// a step of the schedule: settled ends the settle window.
type simLog struct {
	simState
	settling bool
	stamps   int64      // of restores
	past     []simState // before each write, the newest last: what a Redis may fall back to
	refused  uint64     // the highest base in front of which something did not fit any more
	dedupes  bool       // false only in a mutant
}

// simState is what the log remembers.
type simState struct {
	ops     []Operation // behind base
	base    Position
	head    Position
	last    map[string]uint64
	open    bool // base is where a restore put it
	stamp   int64
	deleted bool
}

func newSimLog() *simLog {
	return &simLog{simState: simState{last: map[string]uint64{}}, dedupes: true}
}

// contains reports whether the log has a position.
func (s *simState) contains(p Position) bool {
	switch {
	case p.Seq < s.base.Seq || p.Seq > s.head.Seq:
		return false
	case p.Seq == s.base.Seq:
		return p == s.base
	}
	return s.ops[p.Seq-s.base.Seq-1].Position() == p
}

// remember keeps the present state as one that the log may fall back to.
func (l *simLog) remember() {
	s := l.simState
	s.ops, s.last = slices.Clip(s.ops), maps.Clone(s.last)
	l.past = append(l.past, s)
}

// append answers a batch, and returns what followers hear of it; nil is nothing.
func (l *simLog) append(b *Batch) (answers []Appended, heard *Feed, err error) {
	switch {
	case l.deleted:
		return nil, nil, errDeleted()
	case b.Restore:
		return l.restore(b)
	}
	if err := l.judge(b.Fence); err != nil {
		return nil, nil, err
	}
	if l.settling {
		return nil, nil, ErrSettling
	}
	l.remember()
	from := len(l.ops)
	for _, op := range b.Operations {
		answers = append(answers, l.add(op, b.Jump))
	}
	if len(l.ops) > from {
		heard = &Feed{Operations: slices.Clip(l.ops[from:])}
	}
	return answers, heard, nil
}

func (l *simLog) add(op Operation, jump bool) Appended {
	last := l.last[op.Session]
	switch {
	case op.N <= last && l.dedupes:
		return Appended{Status: Duplicate, Last: last}
	case op.N > last+1 && !jump:
		return Appended{Status: Gap, Last: last}
	}
	l.head = l.head.Next(op.Session, op.N, DigestOf(op.Data))
	op.Seq, op.Hash = l.head.Seq, l.head.Hash
	l.ops = append(l.ops, op)
	l.last[op.Session] = max(last, op.N)
	return Appended{Status: Confirmed, Seq: op.Seq, Hash: op.Hash, Last: l.last[op.Session]}
}

func (l *simLog) judge(fence Position) error {
	switch {
	case fence != Position{} && l.head.Seq == 0:
		return ErrNoLog
	case fence.Seq > l.head.Seq:
		return ErrBehind
	case fence != Position{} && !l.contains(fence):
		return ErrFork
	}
	return nil
}

// restore answers a batch with Restore.
func (l *simLog) restore(b *Batch) (answers []Appended, heard *Feed, err error) {
	if len(b.Operations) == 0 {
		if err := l.judge(b.Fence); err != nil || l.head.Seq == 0 {
			return nil, nil, err
		}
		l.remember()
		l.note(b.Sessions)
		return nil, nil, nil
	}
	at := b.Fence
	for i := range b.Operations {
		if !b.Operations[i].Follows(at) {
			return nil, nil, ErrMoved
		}
		at = b.Operations[i].Position()
	}
	front := l.head.Seq > 0 && l.open && at == l.base
	if l.head.Seq > 0 && b.Fence != l.head && !front {
		return nil, nil, ErrMoved
	}
	if front && l.repeats(b.Operations) {
		l.refused = max(l.refused, l.base.Seq)
		return nil, nil, ErrMoved
	}
	l.remember()
	switch {
	case l.head.Seq == 0:
		l.base, l.head, l.open, l.ops = b.Fence, at, true, slices.Clone(b.Operations)
	case front:
		l.base, l.ops = b.Fence, slices.Concat(b.Operations, l.ops)
	default:
		l.head, l.ops = at, append(l.ops, b.Operations...)
	}
	if !front {
		l.mark()
	}
	for _, op := range b.Operations {
		l.last[op.Session] = max(l.last[op.Session], op.N)
		answers = append(answers, Appended{Confirmed, op.Seq, op.Hash, l.last[op.Session]})
	}
	l.note(b.Sessions)
	return answers, &Feed{Gap: true}, nil
}

// repeats reports whether the log has operations of the same sessions that do not come after these.
func (l *simLog) repeats(front []Operation) bool {
	last := map[string]uint64{}
	for i := range front {
		last[front[i].Session] = max(last[front[i].Session], front[i].N)
	}
	return slices.ContainsFunc(l.ops, func(op Operation) bool { return op.N <= last[op.Session] })
}

func (l *simLog) note(sessions map[string]uint64) {
	for session, n := range sessions {
		l.last[session] = max(l.last[session], n)
	}
}

// mark notes that the log began or grew by a restore.
func (l *simLog) mark() {
	if l.stamp == 0 || !l.settling {
		l.stamps++
		l.stamp, l.settling = l.stamps, true
	}
}

// read answers a query.
func (l *simLog) read(q *Query) (page Page, err error) {
	if l.deleted {
		return Page{}, errDeleted()
	}
	page = Page{Head: l.head, Base: l.base, Restored: l.stamp}
	page.Last = map[string]uint64{}
	for _, s := range q.Sessions {
		page.Last[s] = l.last[s]
	}
	switch after := q.After; {
	case after.Seq < l.base.Seq:
		return page, Errorf(CodeTrimmed, "trimmed")
	case !q.Unchecked && !l.contains(after):
		return page, Errorf(CodeDiverged, "diverged")
	case after.Seq < l.head.Seq:
		ops := l.ops[after.Seq-l.base.Seq:]
		page.Operations = slices.Clip(ops[:min(len(ops), q.Limit)])
	}
	return page, nil
}

// The faults of a log.

// wipe forgets everything.
func (l *simLog) wipe() {
	l.simState, l.settling, l.past = simState{last: map[string]uint64{}}, false, nil
}

// fallBack goes back by some writes.
func (l *simLog) fallBack(writes int) {
	if writes = min(writes, len(l.past)); writes == 0 {
		return
	}
	to := l.past[len(l.past)-writes]
	l.past = l.past[:len(l.past)-writes]
	l.settling = l.settling && to.stamp == l.stamp
	if to.stamp == l.stamp && to.base.Seq > l.base.Seq {
		l.refused = max(l.refused, to.base.Seq)
	}
	l.simState = to
	l.last = maps.Clone(to.last)
}

// loseHead is a log whose head was deleted, as the backend mends it: from the operations that are there.
func (l *simLog) loseHead() {
	if len(l.ops) == 0 {
		l.wipe()
		return
	}
	ops := l.ops
	l.past = nil
	l.simState = simState{last: map[string]uint64{}, ops: ops, head: ops[len(ops)-1].Position(), deleted: l.deleted}
	l.settling = false
	for _, op := range ops {
		l.last[op.Session] = max(l.last[op.Session], op.N)
	}
	if ops[0].Seq > 1 { // nobody knows the hash before the first
		l.base, l.ops, l.open = ops[0].Position(), slices.Clone(ops[1:]), true
		l.mark()
	}
}

// trim forgets the first operations, but not the newest.
func (l *simLog) trim(count int) bool {
	if count = min(count, len(l.ops)-1); count <= 0 {
		return false
	}
	l.remember()
	l.base, l.open = l.ops[count-1].Position(), false
	l.ops = slices.Clone(l.ops[count:])
	return true
}
