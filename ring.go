package flow

import "sync/atomic"

// The bounds of the rings of recent operations (consistency.md section 1).
const (
	ringOps   = 1024
	ringBytes = 4 << 20
	ringTotal = 128 << 20
)

// ring keeps a room's most recent operations with their frames: what members that are behind are fed
// from, and the second copy of what is confirmed. The room's lock guards it.
type ring struct {
	base    Position    // before the first entry
	entries []ringEntry // consecutive in seq
	bytes   int
	total   *atomic.Int64 // of all rings of the instance
	closed  bool
	keep    int // operations at most
}

type ringEntry struct {
	op    Operation // its Data lies inside the frame
	frame *Frame
}

// ringKeep returns how many operations a ring keeps. A log in memory needs no second copy: there the
// ring only saves who is a little behind from encoding again.
func (h *Hub) ringKeep() int {
	if h.cfg.Log.Health("").Backend == backendMemory {
		return ringOps / 16
	}
	return ringOps
}

// add keeps an operation that follows the newest one.
func (r *ring) add(op Operation, frame *Frame) {
	if r.closed {
		return
	}
	r.entries = append(r.entries, entryOf(op, frame))
	r.grow(len(frame.JSON))
	for len(r.entries) > 1 && (len(r.entries) > r.keep || r.bytes > ringBytes || r.total.Load() > ringTotal) {
		r.base = r.entries[0].op.Position()
		r.grow(-len(r.entries[0].frame.JSON))
		r.entries[0] = ringEntry{}
		r.entries = r.entries[1:]
	}
}

// prepend keeps operations that end at the ring's base, the newest of them, as far as there is room. before
// is where the first of them follows, if that is known; else it serves as that for the second.
func (r *ring) prepend(before Position, ops []Operation, frames []*Frame) {
	if r.closed {
		return
	}
	first := len(ops)
	for size := 0; first > 0; first-- {
		size += len(frames[first-1].JSON)
		full := len(r.entries)+len(ops)-first >= r.keep || !r.roomFor(size)
		if full || first == 1 && !ops[0].Follows(before) {
			break
		}
	}
	if first > 0 {
		before = ops[first-1].Position()
	}
	r.base = before
	entries := make([]ringEntry, 0, len(ops)-first+len(r.entries))
	for i := first; i < len(ops); i++ {
		entries = append(entries, entryOf(ops[i], frames[i]))
		r.grow(len(frames[i].JSON))
	}
	r.entries = append(entries, r.entries...)
}

// roomFor reports whether so many more bytes from before the base may be kept. All rings together leave half
// of their room to what is new.
func (r *ring) roomFor(bytes int) bool {
	return len(r.entries) < r.keep && r.bytes+bytes <= ringBytes && r.total.Load()+int64(bytes) <= ringTotal/2
}

// entryOf has an operation share the bytes of its frame.
func entryOf(op Operation, frame *Frame) ringEntry {
	end := len(frame.JSON) - 1 // data is the last member of the object
	op.Data = frame.JSON[end-len(op.Data) : end : end]
	return ringEntry{op: op, frame: frame}
}

func (r *ring) grow(bytes int) {
	r.bytes += bytes
	r.total.Add(int64(bytes))
}

// after returns the entries behind a seq, at most about limit bytes of them; ok is false when the ring
// does not reach back to it.
func (r *ring) after(seq uint64, limit int) (entries []ringEntry, ok bool) {
	if seq < r.base.Seq || seq-r.base.Seq > uint64(len(r.entries)) {
		return nil, false
	}
	entries = r.entries[seq-r.base.Seq:]
	for i := range entries {
		limit -= len(entries[i].frame.JSON)
		if limit < 0 && i > 0 {
			return entries[:i], true
		}
	}
	return entries, true
}

// newestOf returns the n of a session's newest operation here; 0: it has none.
func (r *ring) newestOf(session string) uint64 {
	for i := len(r.entries) - 1; i >= 0; i-- {
		if op := &r.entries[i].op; op.Session == session {
			return op.N
		}
	}
	return 0
}

// contains reports whether the room has been at a position, as far as the ring can tell.
func (r *ring) contains(p Position) bool {
	at, ok := r.at(p.Seq)
	return ok && at == p
}

// at returns the position at a seq; ok is false when the ring does not reach there.
func (r *ring) at(seq uint64) (p Position, ok bool) {
	if seq == r.base.Seq {
		return r.base, true
	}
	if seq < r.base.Seq || seq-r.base.Seq > uint64(len(r.entries)) {
		return p, false
	}
	return r.entries[seq-r.base.Seq-1].op.Position(), true
}

// sessionAt returns whose operation is at a seq, "" when the ring does not have it.
func (r *ring) sessionAt(seq uint64) string {
	if seq <= r.base.Seq || seq-r.base.Seq > uint64(len(r.entries)) {
		return ""
	}
	return r.entries[seq-r.base.Seq-1].op.Session
}

// find returns where an operation is.
func (r *ring) find(session string, n uint64) (p Position, ok bool) {
	for i := len(r.entries) - 1; i >= 0; i-- {
		if op := &r.entries[i].op; op.N == n && op.Session == session {
			return op.Position(), true
		}
	}
	return p, false
}

// operations returns what the ring has, in a slice of the caller's.
func (r *ring) operations() []Operation {
	ops := make([]Operation, len(r.entries))
	for i := range r.entries {
		ops[i] = r.entries[i].op
	}
	return ops
}

// rewind drops what is behind a position that the ring contains. Behind any other it begins anew.
func (r *ring) rewind(to Position) {
	if !r.contains(to) {
		r.clear()
		r.base = to
		return
	}
	keep := r.entries[:to.Seq-r.base.Seq]
	for i := range r.entries[len(keep):] {
		r.grow(-len(r.entries[len(keep)+i].frame.JSON))
	}
	clear(r.entries[len(keep):])
	r.entries = keep
}

// close drops everything, and keeps nothing from now on.
func (r *ring) close() {
	r.clear()
	r.closed = true
}

// clear drops everything.
func (r *ring) clear() {
	r.grow(-r.bytes)
	r.entries = nil
}
