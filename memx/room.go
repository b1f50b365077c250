package memx

import (
	"crypto/sha1" //nolint:gosec // compares the contents of a retry, protects nothing
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/fiberflow/flow"
)

// room is one room's log. The zero room is one that was never written.
type room struct {
	id string

	mu       sync.Mutex
	gone     bool // not in the map any more
	head     flow.Position
	base     flow.Position // before operations[0]
	open     bool          // base is where a restore put it: more may be restored in front of it
	sessions map[string]*author
	snapshot flow.Snapshot            // in the log: a trim stops at it, and it ends with the log
	cursors  map[string]flow.Position // of groups of consumers; they end with the log
	keys     keys
	leases   leases
	// operations are those after base. Pages and feeds share the array: it is only appended to.
	operations []flow.Operation
	dropped    int // operations trimmed away that the array still holds
	// bytes is what operations, sessions and the snapshot take, counted what the budget knows of the room.
	bytes, counted int64
	followers      []*follower

	restored int64         // see [flow.Page.Restored]
	settles  time.Duration // until then, nothing is appended but by a restore

	logEnds       time.Duration // 0 while there is no log
	tombstoneEnds time.Duration // 0 unless the room is deleted
	wakes         time.Duration // no later than this, the room is looked at; 0: never

	// For expiry, under its lock.
	dueAt    time.Duration
	dueIndex int
}

// author is what a room knows of a session.
type author struct {
	last uint64 // the last N
	time int64  // of the operation with that N
}

func deletedError() error { return flow.Errorf(flow.CodeRoomDeleted, "the room was deleted") }

func (r *room) appendLocked(
	l *Log, now time.Duration, b flow.Batch, digests []flow.Digest,
) ([]flow.Appended, error) {
	c := &l.config
	if r.tombstoneEnds != 0 {
		return nil, deletedError()
	}
	if b.Restore {
		return r.restoreLocked(l, now, b, digests)
	}
	var content flow.Digest
	if b.Key != "" {
		content = contentOf(digests)
		if k, ok := r.keys.entries[b.Key]; ok {
			return k.answer(content)
		}
	}
	if err := r.admitLocked(b.Fence); err != nil {
		return nil, err
	}
	if now < r.settles {
		return nil, flow.ErrSettling
	}
	if err := r.appendBytesLocked(l, b); err != nil {
		return nil, err
	}
	from := r.head.Seq
	answers := make([]flow.Appended, len(b.Operations))
	for i := range b.Operations {
		answers[i] = r.addLocked(b.Operations[i], digests[i], b.Jump)
	}
	if r.head.Seq != from {
		r.logEnds = now + c.OperationTTL
		r.trimLocked(c.OperationLimit)
		r.forgetAuthorsLocked(from, flow.SweepHorizon(c.SessionTTL))
		for _, f := range r.followers {
			f.wakeSoon()
		}
	}
	if b.Key != "" {
		r.keys.put(b.Key, keyed{content: content, answers: slices.Clone(answers)}, now+c.KeyTTL)
	}
	return answers, nil
}

// admitLocked judges a batch's fence.
func (r *room) admitLocked(fence flow.Position) error {
	switch {
	case fence != flow.Position{} && r.head.Seq == 0:
		return flow.ErrNoLog
	case fence.Seq > r.head.Seq:
		return flow.ErrBehind
	case fence != flow.Position{} && !r.containsLocked(fence):
		return flow.ErrFork
	}
	return nil
}

// containsLocked reports whether p is known to be in the log.
func (r *room) containsLocked(p flow.Position) bool {
	switch {
	case p.Seq < r.base.Seq || p.Seq > r.head.Seq:
		return false
	case p.Seq == r.base.Seq:
		return p == r.base
	}
	return p.Hash == r.operations[p.Seq-r.base.Seq-1].Hash
}

func (r *room) addLocked(op flow.Operation, digest flow.Digest, jump bool) flow.Appended {
	a := r.sessions[op.Session]
	var last uint64
	if a != nil {
		last = a.last
	}
	if op.N <= last {
		return flow.Appended{Status: flow.Duplicate, Last: last}
	}
	if op.N > last+1 && !jump {
		return flow.Appended{Status: flow.Gap, Last: last}
	}
	if a == nil {
		a = new(author)
		if r.sessions == nil {
			r.sessions = make(map[string]*author)
		}
		r.sessions[op.Session] = a
		r.bytes += authorSize + int64(len(op.Session))
	}
	a.last, a.time = op.N, op.Time
	r.head = r.head.Next(op.Session, op.N, digest)
	op.Seq, op.Hash = r.head.Seq, r.head.Hash
	r.operations = append(r.operations, op)
	r.bytes += sizeOf(&op)
	return flow.Appended{Status: flow.Confirmed, Seq: op.Seq, Hash: op.Hash, Last: op.N}
}

func (r *room) trimLocked(limit int) {
	first := r.base.Seq + 1
	n := int(flow.TrimFirst(first, r.head.Seq, r.snapshot.Position.Seq, limit) - first)
	r.dropLocked(n)
}

// cutLocked is trimLocked before an append, without the slack, and never at the cost of the snapshot.
func (r *room) cutLocked(limit, adding int) {
	n := min(max(0, len(r.operations)+adding-limit), len(r.operations))
	if s := r.snapshot.Position.Seq; s > 0 {
		n = min(n, int(s-r.base.Seq))
	}
	r.dropLocked(n)
}

// dropLocked forgets the first n operations.
func (r *room) dropLocked(n int) {
	if n == 0 {
		return
	}
	r.bytes -= sizeOfAll(r.operations[:n])
	r.base, r.open = r.operations[n-1].Position(), false
	if r.snapshot.Position.Seq < r.base.Seq {
		r.bytes -= int64(len(r.snapshot.Data))
		r.snapshot = flow.Snapshot{} // it cannot be brought to the head any more
	}
	r.operations = r.operations[n:]
	r.dropped += n
	// Pages may still share the array, so nothing in it can be cleared: leave it to them once a
	// quarter of it is of no use.
	if spare := len(r.operations)/4 + 64; r.dropped > spare {
		fresh := make([]flow.Operation, len(r.operations), len(r.operations)+2*spare)
		copy(fresh, r.operations)
		r.operations, r.dropped = fresh, 0
	}
}

// forgetAuthorsLocked is the sweep of [flow.SweepDue].
func (r *room) forgetAuthorsLocked(from uint64, horizon time.Duration) {
	known := len(r.sessions)
	if !flow.SweepDue(from, r.head.Seq, known) {
		return
	}
	oldest := r.operations[len(r.operations)-1].Time - horizon.Milliseconds()
	maps.DeleteFunc(r.sessions, func(session string, a *author) bool {
		if a.time >= oldest {
			return false
		}
		r.bytes -= authorSize + int64(len(session))
		return true
	})
	if sparse(len(r.sessions), known) {
		r.sessions = shrunkMap(r.sessions)
	}
}

func (r *room) deleteLocked(c *LogConfig, now time.Duration) error {
	if r.tombstoneEnds != 0 {
		return deletedError()
	}
	r.clearLogLocked()
	r.keys, r.leases = keys{}, leases{}
	r.tombstoneEnds = now + c.TombstoneTTL
	for _, f := range r.followers {
		f.deleted, f.gap = true, false
		f.wake()
	}
	return nil
}

// clearLogLocked goes back to a room that was never written.
func (r *room) clearLogLocked() {
	r.head, r.base, r.snapshot = flow.Position{}, flow.Position{}, flow.Snapshot{}
	r.operations, r.dropped, r.sessions, r.cursors = nil, 0, nil, nil
	r.open, r.restored, r.settles, r.bytes = false, 0, 0, 0
	r.logEnds = 0
	for _, f := range r.followers {
		f.sent = 0
	}
}

func (r *room) expireLocked(now time.Duration) {
	if r.logEnds != 0 && r.logEnds <= now {
		r.clearLogLocked()
	}
	if r.tombstoneEnds <= now {
		r.tombstoneEnds = 0
	}
	r.keys.expire(now)
	r.leases.expire(now)
}

// endsLocked returns when the next thing in the room expires, 0 when there is nothing.
func (r *room) endsLocked() time.Duration {
	ends := r.logEnds
	for _, t := range [...]time.Duration{r.tombstoneEnds, r.keys.ends(), r.leases.next} {
		if t != 0 && (ends == 0 || t < ends) {
			ends = t
		}
	}
	return ends
}

// contentOf names the data of a batch.
func contentOf(digests []flow.Digest) flow.Digest {
	h := sha1.New() //nolint:gosec // see the import
	for i := range digests {
		_, _ = h.Write(digests[i][:]) // hash.Hash documents that Write never fails
	}
	return flow.Digest(h.Sum(nil))
}
