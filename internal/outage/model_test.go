package outage_test

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fiberflow/flow"
)

const (
	// kept is how many confirmed operations of its own a client keeps.
	kept = 128
	// arrayLimit is the most messages that one text may hold.
	arrayLimit = 256
	// retryPause is how long a client waits before it tries again when nobody says how long.
	retryPause = 250 * time.Millisecond
)

// own is an operation of the client's session.
type own struct {
	n      uint64
	data   string
	seq    uint64 // its place in the stream; 0: not there
	queued bool
	sends  []sending // that were not answered
}

// sending is one time that an operation was sent.
type sending struct {
	round int
	at    time.Time
}

// model is what a client of one room knows, and how the protocol asks it to act. It has no connection,
// no clock and no goroutine: what happens comes in as calls, what is to be sent goes out through send.
// It is the judge of the tests: what the server must not say is a breach in the ledger.
type model struct {
	name   string
	room   string
	ledger *ledger
	send   func(text string)
	now    time.Time // of the call

	session, resume string
	known           bool          // there was a joined, and position and log mean something
	position        flow.Position // of the last confirmed operation
	base            flow.Position // the position before the first of log
	log             []flow.Operation
	begin           uint64 // the seq at which the stream of this connection began
	n               uint64 // of the last operation
	pending, kept   []*own // by n
	tentative       map[opID]string
	people          map[string]bool
	sees            string // them, by name, for the report of a test

	joined   bool      // on this connection
	join     string    // id of the request that is under way
	joins    int       // requests so far
	joinSent time.Time // when the one under way was sent
	joinAt   time.Time // when to join; zero: not now
	resendAt time.Time // when to send what is pending again; zero: not now
	round    int       // of sending again
	gaps     int       // without progress

	state    string   // the worse of the next two
	server   string   // what it says of all rooms
	inRoom   string   // what it says of this one
	ahead    string   // what joined said, and may turn out to hold for all rooms
	states   []string // all changes, with the room when it was about the room alone
	troubled bool     // some joined or welcome did not say live
	bye      string
	deleted  bool // the room is gone, and so is the session
}

func newModel(name, room string, l *ledger, send func(string)) *model {
	return &model{name: name, room: room, ledger: l, send: send, tentative: map[opID]string{}}
}

func (m *model) breach(invariant, format string, args ...any) {
	m.ledger.breach(invariant, "%s: %s", m.name, fmt.Sprintf(format, args...))
}

// connected begins a connection.
func (m *model) connected() { m.joined, m.joinAt, m.bye = false, m.now, "" }

// lost ends a connection: nobody will answer any more.
func (m *model) lost() {
	m.joined, m.join, m.joinAt, m.resendAt = false, "", time.Time{}, time.Time{}
	for _, o := range m.pending {
		o.sends = nil
	}
}

// submit writes an operation, which is sent now or when that is possible.
func (m *model) submit(data string) {
	m.n++
	o := &own{n: m.n, data: data}
	m.ledger.send(opID{m.session, o.n}, data)
	m.pending = append(m.pending, o)
	if m.joined && m.resendAt.IsZero() {
		m.transmit([]*own{o})
	}
}

// tick does what is due.
func (m *model) tick() {
	if !m.joinAt.IsZero() && !m.now.Before(m.joinAt) {
		m.sendJoin()
	}
	if m.joined && !m.resendAt.IsZero() && !m.now.Before(m.resendAt) {
		m.resendFrom(1)
	}
}

// sendJoin joins, or starts the stream of a room that is joined again.
func (m *model) sendJoin() {
	m.joined, m.joinAt, m.joinSent = false, time.Time{}, m.now
	m.joins++
	m.join = fmt.Sprint("j", m.joins)
	text := fmt.Sprintf(`{"type":"join","id":%q,"room":%q`, m.join, m.room)
	if m.resume != "" {
		text += fmt.Sprintf(`,"resume":%q`, m.resume)
	}
	if m.known {
		text += fmt.Sprintf(`,"position":%q`, m.position)
	}
	m.send(text + "}")
}

// startOver joins again without a position.
func (m *model) startOver() {
	m.known, m.joinAt, m.joined = false, m.now, false
}

// resendFrom sends everything that is pending from n on, in order, and at once.
func (m *model) resendFrom(n uint64) {
	m.round++
	m.resendAt = time.Time{}
	for i, o := range m.pending {
		if o.n >= n {
			m.transmit(m.pending[i:])
			return
		}
	}
}

func (m *model) transmit(ops []*own) {
	for batch := range slices.Chunk(ops, arrayLimit) {
		texts := make([]string, len(batch))
		for i, o := range batch {
			texts[i] = fmt.Sprintf(`{"type":"op","room":%q,"n":%d,"data":%s}`, m.room, o.n, o.data)
			o.sends = append(o.sends, sending{m.round, m.now})
		}
		if len(texts) == 1 {
			m.send(texts[0])
			continue
		}
		m.send("[" + strings.Join(texts, ",") + "]")
	}
}

// answered notes that the server has said something about an operation.
func (m *model) answered(o *own) {
	if len(o.sends) > 0 {
		what := fmt.Sprintf("%s, n %d of %s", m.name, o.n, m.session)
		m.ledger.answered(answerOp, m.now.Sub(o.sends[0].at), what)
	}
}

// confirmed moves an operation from those that wait to those that are kept in case the log loses them.
func (m *model) confirmed(o *own) {
	m.answered(o)
	o.sends, o.queued, m.gaps = nil, false, 0
	m.ledger.confirm(opID{m.session, o.n})
	m.pending = slices.DeleteFunc(m.pending, func(p *own) bool { return p == o })
	m.kept = append(m.kept, o)
	slices.SortFunc(m.kept, byN)
	m.kept = m.kept[max(0, len(m.kept)-kept):]
}

// takeBack makes confirmed operations from n on unconfirmed.
func (m *model) takeBack(n uint64) {
	for _, o := range m.kept {
		if o.n >= n {
			o.sends, o.queued = nil, false
			m.pending = append(m.pending, o)
		}
	}
	m.kept = slices.DeleteFunc(m.kept, func(o *own) bool { return o.n >= n })
	slices.SortFunc(m.pending, byN)
	if len(m.pending) == 0 || m.pending[0].n > n {
		m.breach("test", "the buffer of %d does not reach back to %d", kept, n)
	}
}

func byN(a, b *own) int { return int(a.n) - int(b.n) }

// find returns the operation with n among those that wait.
func (m *model) find(n uint64) *own {
	for _, o := range m.pending {
		if o.n == n {
			return o
		}
	}
	return nil
}

// confirmedUpTo returns the newest n that is known to be in the log.
func (m *model) confirmedUpTo() uint64 {
	if len(m.kept) == 0 {
		return 0
	}
	return m.kept[len(m.kept)-1].n
}

// linked returns the hash of protocol section 1.4, worked out apart from the product.
func linked(before flow.Hash, session string, n uint64, data []byte) string {
	digest := sha1.Sum(data)
	sum := sha1.Sum(fmt.Appendf(nil, "%s\n%s\n%d\n%x", before, session, n, digest))
	return hex.EncodeToString(sum[:])[:16]
}
