package flow

import (
	"encoding/json"
	"sync/atomic"
	"testing"
)

// last is a reducer whose state is the last operation.
type last struct{}

func (last) Apply(_, op []byte) ([]byte, error) { return op, nil }

func opAfter(p Position, data string) Operation {
	op := Operation{Session: "s", N: p.Seq + 1, Data: json.RawMessage(data)}
	next := p.Next(op.Session, op.N, DigestOf(op.Data))
	op.Seq, op.Hash = next.Seq, next.Hash
	return op
}

// A state never mixes two histories: one that was read from a tail which the log then lost is dropped. What it
// has already is left out, and behind a hole it is of no use; its bytes are counted as long as it is there.
func TestDocument_Add(t *testing.T) {
	t.Parallel()
	var total atomic.Int64
	d := newDocument(&Reduction{Reducer: last{}}, &total)
	first := opAfter(Position{}, "1")
	lost, instead := opAfter(first.Position(), "2"), opAfter(first.Position(), "3")
	after := opAfter(instead.Position(), "4")
	d.begin(Snapshot{})
	for _, op := range []*Operation{&first, &first, &lost, &first, &lost} {
		d.add(op)
	}
	if !d.loaded || d.head != lost.Position() || len(d.pending) != 2 || total.Load() != 2 {
		t.Fatalf("the document is at %v with %d operations and %d bytes", d.head, len(d.pending), total.Load())
	}
	d.add(&instead)
	if d.loaded {
		t.Errorf("the document goes on at %v, with an operation that the log has lost", d.head)
	}
	d.begin(Snapshot{Position: first.Position(), Data: []byte("1")})
	d.add(&after)
	if d.loaded || total.Load() != 0 {
		t.Errorf("the document went over a hole to %v, %d bytes are counted", d.head, total.Load())
	}
}
