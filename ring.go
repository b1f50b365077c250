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
	end := len(frame.JSON) - 1 // data is the last member of the object
	op.Data = frame.JSON[end-len(op.Data) : end : end]
	r.entries = append(r.entries, ringEntry{op: op, frame: frame})
	r.grow(len(frame.JSON))
	for len(r.entries) > 1 && (len(r.entries) > r.keep || r.bytes > ringBytes || r.total.Load() > ringTotal) {
		r.grow(-len(r.entries[0].frame.JSON))
		r.entries[0] = ringEntry{}
		r.entries = r.entries[1:]
	}
}

func (r *ring) grow(bytes int) {
	r.bytes += bytes
	r.total.Add(int64(bytes))
}

// after returns the entries behind a position, at most about limit bytes of them; ok is false when
// the ring does not reach back to it.
func (r *ring) after(seq uint64, limit int) (entries []ringEntry, ok bool) {
	if len(r.entries) == 0 || seq+1 < r.entries[0].op.Seq {
		return nil, false
	}
	skip := seq + 1 - r.entries[0].op.Seq
	if skip > uint64(len(r.entries)) {
		return nil, false
	}
	entries = r.entries[skip:]
	for i := range entries {
		limit -= len(entries[i].frame.JSON)
		if limit < 0 && i > 0 {
			return entries[:i], true
		}
	}
	return entries, true
}

// close drops everything, and keeps nothing from now on.
func (r *ring) close() {
	r.clear()
	r.closed = true
}

// hashAt returns the hash of the operation at seq, if the ring has it.
func (r *ring) hashAt(seq uint64) (h Hash, ok bool) {
	if len(r.entries) == 0 || seq < r.entries[0].op.Seq || seq-r.entries[0].op.Seq >= uint64(len(r.entries)) {
		return 0, false
	}
	return r.entries[seq-r.entries[0].op.Seq].op.Hash, true
}

// clear drops everything.
func (r *ring) clear() {
	r.grow(-r.bytes)
	r.entries = nil
}
