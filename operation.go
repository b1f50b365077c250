package flow

// MaxN is the largest number an operation of a session may carry, 2^53-1: JavaScript's last safe
// integer.
const MaxN = 1<<53 - 1

// Operation is one durable change of a room. (Session, N) is its identity; Seq and Hash are its place
// in the room's total order, zero until it is confirmed.
type Operation struct {
	Seq     uint64
	Hash    Hash
	Session string
	N       uint64 // 1, 2, 3 … in its session
	User    string
	Time    int64  // Unix milliseconds, when an instance took it
	Data    []byte // one JSON text without white space outside strings; immutable once handed on
}

// Position returns the point in the log right after o.
func (o Operation) Position() Position { return Position{Seq: o.Seq, Hash: o.Hash} }

// Follows reports whether o is what comes right after p: the next seq, with a linked hash.
func (o Operation) Follows(p Position) bool {
	return o.Seq == p.Seq+1 && o.Hash == p.Hash.Next(o.Session, o.N, DigestOf(o.Data))
}
