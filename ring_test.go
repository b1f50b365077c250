package flow // internal: rings are not exported

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
)

// grownRing returns a ring with operations from one seq to another, with data of a size.
func grownRing(total *atomic.Int64, from, to uint64, size int) *ring {
	r := &ring{base: Position{Seq: from - 1, Hash: Hash(from - 1)}, total: total, keep: ringOps}
	for seq := from; seq <= to; seq++ {
		data := []byte(`"` + strings.Repeat("x", size) + `"`)
		op := Operation{Seq: seq, Hash: Hash(seq), Session: "s", N: seq, Data: data}
		r.add(op, opFrame("r", op))
	}
	return r
}

// checkRing fails unless the ring holds exactly these, and says so of its size.
func checkRing(t *testing.T, r *ring, from, to uint64) {
	t.Helper()
	bytes := 0
	for i, e := range r.entries {
		if e.op.Seq != from+uint64(i) || e.frame.Position != e.op.Position() {
			t.Fatalf("entry %d is %v with frame %v", i, e.op.Position(), e.frame.Position)
		}
		bytes += len(e.frame.JSON)
	}
	if got := uint64(len(r.entries)); got != to-from+1 {
		t.Fatalf("%d entries, want %d to %d", got, from, to)
	}
	if r.bytes != bytes {
		t.Fatalf("%d bytes are counted, %d are there", r.bytes, bytes)
	}
}

// Rings are bounded in number, in bytes, and in the bytes of all of them together. I9
func TestRing_Add(t *testing.T) {
	t.Run("operations", func(t *testing.T) {
		var total atomic.Int64
		r := grownRing(&total, 5, 5+ringOps+100, 1)
		checkRing(t, r, 5+101, 5+ringOps+100)
		if total.Load() != int64(r.bytes) {
			t.Errorf("total is %d, want %d", total.Load(), r.bytes)
		}
	})

	t.Run("bytes", func(t *testing.T) {
		var total atomic.Int64
		const count, size = 100, 64 << 10
		r := grownRing(&total, 1, count, size)
		kept := len(r.entries)
		checkRing(t, r, count-uint64(kept)+1, count)
		each := r.bytes / kept
		if r.bytes > ringBytes || r.bytes < ringBytes-each-10 || total.Load() != int64(r.bytes) {
			t.Errorf("%d entries have %d bytes, total %d", kept, r.bytes, total.Load())
		}
	})

	// Where many rooms share the memory, each keeps its newest operation at least.
	t.Run("total", func(t *testing.T) {
		var total atomic.Int64
		total.Store(ringTotal - 10_000)
		r := grownRing(&total, 1, 50, 1000)
		if over := total.Load() - ringTotal; over > 0 {
			t.Errorf("%d bytes over the total", over)
		}
		kept := uint64(len(r.entries))
		if checkRing(t, r, 50-kept+1, 50); kept < 8 || kept > 10 {
			t.Errorf("%d entries were kept", kept)
		}
		total.Add(ringTotal)
		for seq := uint64(51); seq <= 60; seq++ {
			op := Operation{Seq: seq, Hash: Hash(seq), Data: []byte(`1`)}
			r.add(op, opFrame("r", op))
			checkRing(t, r, seq, seq)
		}
	})

	// An operation larger than all bounds is kept until the next one comes.
	t.Run("huge", func(t *testing.T) {
		var total atomic.Int64
		r := grownRing(&total, 1, 1, ringBytes+1)
		checkRing(t, r, 1, 1)
		op := Operation{Seq: 2, Hash: 2, Data: []byte(`1`)}
		r.add(op, opFrame("r", op))
		checkRing(t, r, 2, 2)
	})

}

// Data is kept once: it lies in the frame, and cannot grow over what stands behind it. I9
func TestRing_AddData(t *testing.T) {
	var total atomic.Int64
	long := `"` + strings.Repeat("ü", 1000) + `"`
	for _, data := range []string{`1`, `null`, `""`, `{"a":[1,2,{"b":"}"}]}`, long} {
		r := &ring{total: &total, keep: ringOps}
		op := Operation{Seq: 1, Session: "s", N: 1, Data: []byte(data)}
		f := opFrame("r", op)
		r.add(op, f)
		kept := r.entries[0].op.Data
		if string(kept) != data || cap(kept) != len(kept) || &kept[0] != &f.JSON[len(f.JSON)-1-len(data)] {
			t.Errorf("%s is kept as %s, capacity %d", data, kept, cap(kept))
		}
	}
}

// A ring that is cleared gives back what it took from the total, and starts anew anywhere. I9
func TestRing_Clear(t *testing.T) {
	var total atomic.Int64
	total.Store(77)
	r := grownRing(&total, 1, 10, 10)
	r.clear()
	if _, ok := r.after(5, 1000); ok || r.bytes != 0 || total.Load() != 77 {
		t.Errorf("%d bytes are left, total %d", r.bytes, total.Load())
	}
	op := Operation{Seq: 100, Hash: 100, Data: []byte(`1`)}
	r.add(op, opFrame("r", op))
	checkRing(t, r, 100, 100)
}

// A member behind is fed from the ring if the ring reaches back to it, and from nothing else. I2
func TestRing_After(t *testing.T) {
	var total atomic.Int64
	r := grownRing(&total, 11, 20, 100)
	each := len(r.entries[0].frame.JSON)
	for _, tc := range []struct {
		after      uint64
		limit      int
		ok         bool
		first, end uint64 // of the entries: first inclusive, end exclusive
	}{
		{0, 1 << 20, false, 0, 0},
		{9, 1 << 20, false, 0, 0},
		{10, 1 << 20, true, 11, 21},
		{11, 1 << 20, true, 12, 21},
		{19, 1 << 20, true, 20, 21},
		{20, 1 << 20, true, 21, 21},
		{21, 1 << 20, false, 0, 0},
		{1 << 60, 1 << 20, false, 0, 0},
		{1<<64 - 1, 1 << 20, false, 0, 0},
		{10, 3 * each, true, 11, 14},
		{10, 3*each - 1, true, 11, 13},
		{10, each, true, 11, 12},
		{10, 1, true, 11, 12}, // one at least, or nobody would ever get on
		{10, 0, true, 11, 12},
		{20, 0, true, 21, 21},
	} {
		t.Run(fmt.Sprint(tc.after, " limit ", tc.limit), func(t *testing.T) {
			entries, ok := r.after(tc.after, tc.limit)
			if ok != tc.ok || uint64(len(entries)) != tc.end-tc.first {
				t.Fatalf("%d entries, %v", len(entries), ok)
			}
			for i, e := range entries {
				if e.op.Seq != tc.first+uint64(i) {
					t.Fatalf("entry %d is %d", i, e.op.Seq)
				}
			}
		})
	}

	// An empty ring reaches nowhere but to its base.
	empty := &ring{total: &total, keep: ringOps}
	for _, after := range []uint64{1, 1<<64 - 1} {
		if _, ok := empty.after(after, 1); ok {
			t.Errorf("an empty ring has entries after %d", after)
		}
	}
}
