package flow

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	// How many operations, and how many bytes of them, wait at most before a state takes them up.
	documentOps   = 256
	documentBytes = 256 << 10
	// documentTotal is how many bytes the states of all rooms have together at most; beyond it, those that
	// are computed are forgotten again.
	documentTotal = 256 << 20
	// opGrowth is by how much more than its own length an operation of a [Folder] lets a state grow.
	opGrowth = 16
)

// document is the state of a room with a reducer: the bytes at a position, and what was confirmed since and is
// not in them yet. The room's lock guards it.
type document struct {
	rule    *Reduction // nil: the room has no reducer
	folder  Folder     // of the rule; nil when it is none
	loaded  bool
	at      Position // of data
	data    []byte   // immutable; nil at the beginning
	head    Position // after the last of pending
	pending [][]byte
	waiting int           // bytes of pending
	era     int           // counts the times that it was dropped
	turn    chan struct{} // holds one: who loads or folds
	folding bool          // a fold is on its way
	total   *atomic.Int64 // bytes of all documents of the instance
	told    time.Time     // when it was last told that the reducer fails
}

func newDocument(rule *Reduction, total *atomic.Int64) document {
	d := document{rule: rule, total: total}
	if rule != nil {
		d.folder, _ = rule.Reducer.(Folder)
		d.turn = make(chan struct{}, 1)
	}
	return d
}

// begin has the document start with a state.
func (d *document) begin(s Snapshot) {
	d.drop()
	d.loaded, d.at, d.head, d.data = true, s.Position, s.Position, s.Data
	d.total.Add(int64(len(s.Data)))
}

// drop forgets the state: it is loaded again when it is needed.
func (d *document) drop() {
	d.era++
	if d.loaded {
		d.total.Add(-int64(len(d.data) + d.waiting))
	}
	d.loaded, d.at, d.head, d.data, d.pending, d.waiting = false, Position{}, Position{}, nil, nil, 0
}

// add takes the next confirmed operation. What it has already is left out, and behind a hole it is of no use.
func (d *document) add(op *Operation) {
	switch {
	case !d.loaded || op.Seq < d.head.Seq:
	case op.Seq == d.head.Seq:
		if op.Position() != d.head { // it was read from a history that is void by now
			d.drop()
		}
	case op.Seq != d.head.Seq+1:
		d.drop()
	default:
		d.head = op.Position()
		d.pending = append(d.pending, op.Data)
		d.waiting += len(op.Data)
		d.total.Add(int64(len(op.Data)))
	}
}

// full reports whether so much waits that it should be folded now.
func (d *document) full() bool { return len(d.pending) > documentOps || d.waiting > documentBytes }

// most returns how many bytes the state may have with what waits.
func (d *document) most() int { return len(d.data) + d.waiting + opGrowth*len(d.pending) }

// check returns why an operation can never be applied.
func (d *document) check(op []byte) error {
	_, err := guarded(func() ([]byte, error) { return op, d.folder.Check(op) })
	return err
}

// fits returns why what becomes of a state is too large. One that is, because the bound was larger or several
// instances let something pass, may shrink.
func (d *document) fits(before, after []byte) error {
	if len(after) <= d.rule.MaxBytes || len(after) < len(before) {
		return nil
	}
	return Errorf(CodeTooLarge, "the state of the room would be larger than "+strconv.Itoa(d.rule.MaxBytes)+" bytes")
}

// folded takes the result of what was pending, if the document is still the same.
func (d *document) folded(era int, at Position, count int, data []byte) {
	if era != d.era || !d.loaded {
		return
	}
	before := len(d.data) + d.waiting
	for _, op := range d.pending[:count] {
		d.waiting -= len(op)
	}
	d.total.Add(int64(len(data) + d.waiting - before))
	rest := d.pending[count:]
	d.pending = append(make([][]byte, 0, len(rest)), rest...)
	d.at, d.data = at, data
}

// errNoState is the bug of a reducer.
var errNoState = errors.New("the reducer returned what is not one JSON text")

// reduce applies operations that are in the log, and returns how many of them had no effect because the
// reducer refused them. It calls code of the application.
func (r Reduction) reduce(state []byte, ops [][]byte) (next []byte, failed int, err error) {
	if folder, ok := r.Reducer.(Folder); ok && len(ops) > 1 {
		next, foldErr := wellFormed(guarded(func() ([]byte, error) { return folder.Fold(state, ops) }))
		if foldErr == nil {
			return next, 0, nil
		}
		err = foldErr
	}
	for _, op := range ops {
		next, applyErr := r.apply(state, op)
		if applyErr != nil {
			failed, err = failed+1, applyErr
			continue
		}
		state = next
	}
	return state, failed, err
}

// apply applies one operation.
func (r Reduction) apply(state, op []byte) ([]byte, error) {
	return wellFormed(guarded(func() ([]byte, error) { return r.Reducer.Apply(state, op) }))
}

// guarded runs code of the application's reducer. A panic is an error of its.
func guarded(f func() ([]byte, error)) (state []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			state, err = nil, fmt.Errorf("the reducer panicked: %v\n%s", p, debug.Stack())
		}
	}()
	return f()
}

// wellFormed returns a state as it may be stored and sent.
func wellFormed(state []byte, err error) ([]byte, error) {
	switch {
	case err != nil:
		return nil, err
	case !validJSON(state):
		return nil, errNoState
	}
	return compactJSON(state), nil
}
