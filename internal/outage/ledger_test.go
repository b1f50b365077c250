package outage_test

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/fiberflow/flow"
)

// opID is the identity of an operation.
type opID struct {
	session string
	n       uint64
}

func (o opID) String() string { return fmt.Sprintf("(%s, %d)", o.session, o.n) }

// entry is what the ledger knows about one operation.
type entry struct {
	data      string
	sent      int  // when it was handed to the client, on the ledger's own clock
	confirmed int  // when its author saw it in the stream or heard that it is in the log; 0: not yet
	queued    bool // its author was told so
	dropped   bool // its author gave it up, as the protocol asks: its room was deleted
}

// ledger is what all clients of a test were told, and every breach of a promise.
type ledger struct {
	mu       sync.Mutex
	clock    int
	entries  map[opID]*entry
	datas    map[string]opID // who sent it; each operation of a test has data of its own
	posted   map[string]bool // data that went over REST, whose sessions nobody is told
	breaches []string

	forked   bool            // operations were confirmed in two histories, so their order in time cannot hold
	shadows  map[string]bool // sessions of which tentative operations may be left over
	rewinds  int
	resets   int // joins that did not go on where the client was
	nacks    map[string]int
	queued   int // answers
	shown    int // tentative operations
	slowest  map[string]time.Duration
	deadline map[string]time.Duration // the bound of each kind of answer
	lag      *lag                     // of the machine
}

// The kinds of answers that have a bound.
const (
	answerOp   = "answer to an op"
	answerJoin = "answer to a join"
	answerREST = "answer of health/ready"
)

func newLedger() *ledger {
	return &ledger{
		entries: map[opID]*entry{}, datas: map[string]opID{}, posted: map[string]bool{},
		nacks: map[string]int{}, slowest: map[string]time.Duration{},
		deadline: map[string]time.Duration{
			answerOp: time.Second, answerJoin: 2 * time.Second, answerREST: 500 * time.Millisecond,
		},
		lag: &lag{},
	}
}

// breach notes that a promise was broken. invariant is its number in consistency.md, or a word.
func (l *ledger) breach(invariant, format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.breachLocked(invariant, format, args...)
}

func (l *ledger) breachLocked(invariant, format string, args ...any) {
	l.breaches = append(l.breaches, invariant+": "+fmt.Sprintf(format, args...))
}

// send notes an operation that a client is about to send.
func (l *ledger) send(id opID, data string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clock++
	if _, taken := l.datas[data]; taken || l.entries[id] != nil {
		l.breachLocked("test", "%v with %s is not new", id, data)
	}
	l.entries[id], l.datas[data] = &entry{data: data, sent: l.clock}, id
}

// post notes data that goes over REST.
func (l *ledger) post(data string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.posted[data] = true
}

// see checks an operation of the stream or a tentative one: somebody must have sent it like that.
func (l *ledger) see(where string, id opID, data []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e := l.entries[id]; e != nil && e.data == string(data) || l.posted[string(data)] {
		return
	}
	l.breachLocked("I1", "%s: %v with %s was never sent like that", where, id, data)
}

// confirm notes that the author of an operation was told of its place.
func (l *ledger) confirm(id opID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clock++
	if e := l.entries[id]; e != nil && e.confirmed == 0 {
		e.confirmed = l.clock
	}
}

func (l *ledger) queue(ids []opID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queued++
	for _, id := range ids {
		l.entries[id].queued = true
	}
}

func (l *ledger) drop(ids []opID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range ids {
		l.entries[id].dropped = true
	}
}

func (l *ledger) nack(code string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nacks[code]++
}

// count adds to one of the ledger's counters.
func (l *ledger) count(counter *int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*counter++
}

func (l *ledger) read(counter *int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return *counter
}

// answered notes how long an answer took, and what it was about when it is a breach. Who answers has as much more
// time as the machine was late meanwhile.
func (l *ledger) answered(kind string, took time.Duration, what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.slowest[kind] = max(l.slowest[kind], took)
	now := time.Now()
	behind := l.lag.since(now.Add(-took), now)
	if bound := (l.deadline[kind] + behind) * time.Duration(*slack); took > bound {
		l.breachLocked("I8", "%s took %v, more than %v: %s", kind, took, bound, what)
	}
}

// audit holds the final log against all that was sent, confirmed and queued. gone are sessions whose
// author and instance both died: what they had queued may have died with them. I1, I3, I14
func (l *ledger) audit(log []flow.Operation, gone map[string]bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	place, posted, last := map[opID]uint64{}, map[string]bool{}, map[string]uint64{}
	for _, op := range log {
		id, data := opID{op.Session, op.N}, string(op.Data)
		switch e := l.entries[id]; {
		case place[id] != 0 || posted[data]:
			l.breachLocked("I1", "%v with %s is in the log twice, at %d and %d", id, data, place[id], op.Seq)
		case e != nil && e.data != data, e == nil && !l.posted[data]:
			l.breachLocked("I1", "the log has %v with %s, which was never sent like that", id, data)
		case op.N <= last[op.Session]:
			l.breachLocked("I3", "%v is in the log after %d of its session", id, last[op.Session])
		}
		place[id], posted[data], last[op.Session] = op.Seq, l.posted[data], op.N
	}
	for id, e := range l.entries {
		switch {
		case place[id] != 0 || e.dropped:
		case e.confirmed > 0:
			l.breachLocked("I1", "%v was confirmed and is not in the log", id)
		case e.queued && !gone[id.session]:
			l.breachLocked("I14", "%v was queued and is not in the log", id)
		}
	}
	if !l.forked {
		l.auditTimeLocked(log)
	}
}

// auditTimeLocked checks that what was submitted after something was confirmed stands after it. I3
func (l *ledger) auditTimeLocked(log []flow.Operation) {
	earliest, of := 0, opID{} // the first confirmation among the operations behind this one
	for _, op := range slices.Backward(log) {
		id := opID{op.Session, op.N}
		e := l.entries[id]
		if e == nil {
			continue
		}
		if earliest > 0 && e.sent > earliest {
			l.breachLocked("I3", "%v was confirmed before %v was submitted, and stands behind it", of, id)
		}
		if e.confirmed > 0 && (earliest == 0 || e.confirmed < earliest) {
			earliest, of = e.confirmed, id
		}
	}
}
