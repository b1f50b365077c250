package flow

import (
	"errors"
	"slices"
)

// The bounds of one batch that is written again, and of the tries to bring a room and its log together
// while others write.
const (
	restoreOps   = 256
	restoreBytes = 256 << 10
	reconcileTry = 16
)

// errUnsettled is why a reconciliation gives up for now.
var errUnsettled = errors.New("the log keeps changing while it is compared")

// reconciler brings a room and its log together again (consistency.md section 3): it compares what is
// known here with the log, writes into the log what that has lost, and finds out where the two part. It
// is a pure state machine, with one task at a time: next says what to do, read and wrote take the
// outcome. Several instances may reconcile a room at once.
type reconciler struct {
	head     Position // of the room
	base     Position // before ops
	ops      []Operation
	sessions map[string]uint64 // what the log at head has of the authors here
	restored int64             // the newest restore that is taken into account

	step  func(*reconciler) task
	page  Page
	at    Position // writing: the end of what the log has
	low   uint64   // searching: a seq that log and room agree on
	high  uint64   // searching: a seq that they do not agree on
	looks int
	found verdict
}

// task is what a reconciler wants done. One of the two is set.
type task struct {
	query *Query
	batch *Batch
}

// verdict is what came out.
type verdict struct {
	err     error       // it could not be found out; try later
	page    Page        // the log's facts
	trimmed bool        // the log has been trimmed beyond the room's head
	rewind  bool        // the room's history is another one behind at
	at      Position    // to rewind to
	ops     []Operation // that were delivered behind at
	lost    uint64      // operations that neither the log nor the ring has, as far as one can tell
	wrote   int         // operations written again
	began   bool        // the log was missing, and begins at the ring's base now
	noted   bool        // somebody restores the log: a moment to settle is due
}

// newReconciler starts with what a room knows. ops lead from base to head.
func newReconciler(head, base Position, ops []Operation, sessions map[string]uint64, restored int64) *reconciler {
	return &reconciler{
		head: head, base: base, ops: ops, sessions: sessions, restored: restored, step: (*reconciler).look,
	}
}

// next returns what is to be done; ok is false when the verdict is found.
func (c *reconciler) next() (t task, ok bool) {
	if c.step == nil {
		return task{}, false
	}
	return c.step(c), true
}

// look compares the room's head with the log.
func (c *reconciler) look() task { return task{query: &Query{After: c.head}} }

// search compares a position of the ring.
func (c *reconciler) search() task { return task{query: &Query{After: c.position(c.middle())}} }

// write writes the next operations behind what the log has.
func (c *reconciler) write() task {
	b := &Batch{Restore: true, Fence: c.at, Operations: c.chunk()}
	if b.Operations[len(b.Operations)-1].Seq == c.head.Seq {
		b.Sessions = c.sessions
	}
	return task{batch: b}
}

// complete puts operations in front of a log that begins later than the ring.
func (c *reconciler) complete() task {
	end := c.page.Base.Seq - c.base.Seq
	begin := end
	for size := 0; begin > 0 && end-begin < restoreOps && size < restoreBytes; begin-- {
		size += len(c.ops[begin-1].Data)
	}
	c.at = c.position(c.base.Seq + begin)
	return task{batch: &Batch{Restore: true, Fence: c.at, Operations: c.ops[begin:end]}}
}

// vouch notes what the log has of the authors here, of whom its operations may not tell any more.
func (c *reconciler) vouch() task {
	return task{batch: &Batch{Restore: true, Fence: c.head, Sessions: c.sessions}}
}

// read takes the outcome of a query.
func (c *reconciler) read(page Page, err error) {
	code := ErrorCode(err)
	searching := c.high > 0
	switch {
	case code != "" && code != CodeDiverged && code != CodeTrimmed:
		c.fail(err)
	case searching && page.Head != c.page.Head:
		c.again() // it has changed since the search began
	case searching:
		c.narrow(code == "")
	case code == "":
		c.agree(page)
	case code == CodeTrimmed && page.Restored != c.restored:
		c.page = page // it begins behind us because it was restored so: what it lacks is not trimmed, but lost
		c.apart(0)
	case code == CodeTrimmed:
		c.end(verdict{page: page, trimmed: true})
	default:
		c.page = page
		c.part()
	}
}

// agree goes on when the room's head is in the log.
func (c *reconciler) agree(page Page) {
	c.page = page
	if page.Restored == c.restored {
		c.end(verdict{page: page})
		return
	}
	c.found.noted = true
	c.step = (*reconciler).vouch
	switch at, ok := c.positionAt(page.Base.Seq); {
	case ok && at == page.Base && at.Seq > c.base.Seq:
		c.step = (*reconciler).complete
	case len(c.sessions) == 0:
		c.end(verdict{page: page})
	}
}

// part decides what to do about a log that does not contain the room's head.
func (c *reconciler) part() {
	head := c.page.Head
	known, ok := c.positionAt(head.Seq)
	switch {
	case ok && known == head: // a tail was lost
		c.at, c.step = head, (*reconciler).write
	case head.Seq == 0 && len(c.ops) > 0:
		c.at, c.step = c.base, (*reconciler).write
	case head.Seq < c.base.Seq || c.page.Base.Seq > c.head.Seq:
		c.apart(c.base.Seq - min(c.base.Seq, head.Seq))
	default:
		c.low, c.high = max(c.base.Seq, c.page.Base.Seq), min(head.Seq, c.head.Seq)
		c.step = (*reconciler).search
	}
}

// middle returns the seq that a search looks at: first its lower end, which may not be common either.
func (c *reconciler) middle() uint64 {
	if !c.found.rewind {
		return c.low
	}
	return (c.low + c.high) / 2
}

// narrow goes on with a search. It relies on hashes: two histories that are equal at a seq are equal
// before it.
func (c *reconciler) narrow(common bool) {
	switch {
	case !c.found.rewind && !common:
		c.apart(max(1, c.base.Seq-min(c.base.Seq, c.page.Base.Seq)))
		return
	case !c.found.rewind:
		c.found.rewind = true // the lower end is common
	case common:
		c.low = c.middle()
	default:
		c.high = c.middle()
	}
	if c.high-min(c.low, c.high) > 1 {
		return
	}
	c.end(verdict{page: c.page, rewind: true, at: c.position(c.low), ops: c.ops[c.low-c.base.Seq:]})
}

// apart ends with a log that has nothing in common with the ring: the room starts over.
func (c *reconciler) apart(lost uint64) {
	c.end(verdict{page: c.page, rewind: true, at: c.page.Base, ops: c.ops, lost: lost})
}

// wrote takes the outcome of a batch.
func (c *reconciler) wrote(b *Batch, err error) {
	n := len(b.Operations)
	switch {
	case errors.Is(err, ErrMoved) && c.completing(b):
		c.step = (*reconciler).vouch // it has been trimmed since, or somebody else was faster
	case mustReconcile(err) || errors.Is(err, ErrMoved):
		c.again()
	case err != nil:
		c.fail(err)
	case n == 0:
		c.end(verdict{page: c.page})
	case c.completing(b):
		c.found.wrote += n
		c.page.Base = b.Fence
		if b.Fence.Seq == c.base.Seq {
			c.step = (*reconciler).vouch
		}
	default:
		c.found.wrote += n
		c.found.began = c.found.began || c.page.Head.Seq == 0
		c.at = b.Operations[n-1].Position()
		if c.at.Seq == c.head.Seq {
			c.again()
		}
	}
}

// completing reports whether a batch is one to put in front.
func (c *reconciler) completing(b *Batch) bool {
	n := len(b.Operations)
	return n > 0 && b.Operations[n-1].Position() == c.page.Base
}

// again starts from the beginning.
func (c *reconciler) again() {
	c.looks++
	c.low, c.high, c.step = 0, 0, (*reconciler).look
	c.found.rewind = false
	if c.looks >= reconcileTry {
		c.fail(errUnsettled)
	}
}

func (c *reconciler) fail(err error) { c.end(verdict{err: err}) }

// end notes the verdict, with what was done on the way.
func (c *reconciler) end(v verdict) {
	v.wrote, v.began = c.found.wrote, c.found.began
	v.noted = c.found.noted || v.wrote > 0
	c.found, c.step = v, nil
}

// chunk returns the operations behind what the log has that go together.
func (c *reconciler) chunk() []Operation {
	ops := c.ops[c.at.Seq-c.base.Seq:]
	size := 0
	for i := range ops {
		size += len(ops[i].Data)
		if i > 0 && (i >= restoreOps || size > restoreBytes) {
			return ops[:i]
		}
	}
	return slices.Clip(ops)
}

// position returns the position at a seq between base and head.
func (c *reconciler) position(seq uint64) Position {
	p, _ := c.positionAt(seq)
	return p
}

func (c *reconciler) positionAt(seq uint64) (p Position, ok bool) {
	switch {
	case seq == c.base.Seq:
		return c.base, true
	case seq < c.base.Seq || seq > c.head.Seq:
		return p, false
	}
	return c.ops[seq-c.base.Seq-1].Position(), true
}
