package flow

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"
)

const (
	readPage    = 200                   // operations a read of the log asks for
	feedBytes   = 64 << 10              // what a member that is behind is fed at once
	holePause   = 30 * time.Millisecond // before a hole in the feed is read: its entry is usually on its way
	maxOpsAtOne = 100                   // operations of one Submit
)

// op takes an operation from a client.
func (c *Conn) op(m *message) {
	now := time.Now()
	var mem *member
	if ValidRoom(m.room) {
		mem = c.member(m.room)
	}
	if mem != nil {
		if wait := mem.takeOp(now); wait > 0 {
			c.limited(wait, func(error) { mem.room.refuseRate(mem, m.n, wait) })
			return
		}
	}
	if err := c.mayWrite(mem, m); err != nil {
		c.nack(m, err)
		return
	}
	r := mem.room
	op := Operation{Session: mem.session, N: m.n, User: mem.user.ID, Time: now.UnixMilli(), Data: m.data}
	if err := c.hub.vet(r.id, *c.user, op); err != nil {
		c.nack(m, err)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.applyLocked(r.seq.submit(submission{op: op, since: now}, c.hub.cfg.Limits.Pending))
}

// nack refuses an operation for good.
func (c *Conn) nack(m *message, err error) {
	c.hub.stats.nacks.Add(1)
	c.send(nackFrame(m.room, nack{n: m.n, code: ErrorCode(err), message: ErrorMessage(err)}))
}

// mayWrite checks what does not need the room's lock.
func (c *Conn) mayWrite(mem *member, m *message) error {
	switch {
	case !ValidRoom(m.room):
		return errInvalidRoom()
	case mem == nil:
		return Errorf(CodeNotJoined, "join the room first")
	case m.err != nil:
		return m.err
	case mem.access() < Editor:
		return errForbidden()
	case m.data == nil:
		return Errorf(CodeInvalidMessage, "data is missing")
	}
	return nil
}

// refuseRate nacks an operation that came too fast.
func (r *room) refuseRate(m *member, n uint64, wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	refusal := nack{session: m.session, n: n, code: CodeRateLimited, message: "too many operations, slow down", retry: wait}
	if a := r.seq.authors[m.session]; a != nil {
		refusal.last = a.tail
	}
	r.nackLocked(refusal)
}

// vet asks the application's hook about an operation.
func (h *Hub) vet(room string, user User, op Operation) error {
	if h.cfg.OnOperation == nil {
		return nil
	}
	err := h.cfg.OnOperation(h.ctx, room, user, op)
	if err == nil {
		return nil
	}
	message := "the application refused this operation"
	if ErrorCode(err) != CodeInternal {
		message = ErrorMessage(err)
	}
	return &Error{Code: CodeRejected, Message: message, Err: err}
}

// applyLocked does what the sequencer asks for.
func (r *room) applyLocked(fx effects) {
	for i := range fx.confirmed {
		r.deliverLocked(fx.confirmed[i])
	}
	for _, n := range fx.nacks {
		r.nackLocked(n)
	}
	if fx.commit && !r.writing {
		r.writing = r.hub.spawn(r.commit)
	}
	if fx.read && !r.filling {
		r.filling = true
		time.AfterFunc(holePause, r.fill)
	}
}

// deliverLocked hands a confirmed operation to everybody who is in step.
func (r *room) deliverLocked(op Operation) {
	f := opFrame(r.id, op)
	r.hub.stats.encoded.Add(1)
	r.ring.add(op, f)
	for _, m := range r.list {
		m.push(f)
	}
	if m := r.members[op.Session]; m != nil {
		r.hub.stats.operations.Add(1)
		if m.conn == nil {
			m.cursor = f.Position
		}
	}
}

func (r *room) nackLocked(n nack) {
	r.hub.stats.nacks.Add(1)
	if m := r.members[n.session]; m != nil && m.conn != nil {
		m.conn.send(nackFrame(r.id, n))
	}
}

// commit appends batch after batch until nothing waits. One runs a room, so that what arrives while
// the log is busy goes together.
func (r *room) commit() {
	for {
		r.mu.Lock()
		batch := r.seq.nextBatch()
		if batch == nil {
			r.writing = false
			r.mu.Unlock()
			return
		}
		fence := r.seq.head
		r.mu.Unlock()
		started := time.Now()
		answers, err := r.hub.cfg.Log.Append(r.hub.ctx, r.id, Batch{Fence: fence, Operations: batch})
		r.hub.stats.appends.Add(1)
		if mustRepair(err) && r.repair(err) {
			answers, err = r.hub.cfg.Log.Append(r.hub.ctx, r.id, Batch{Operations: batch})
		}
		r.settle(answers, err, started)
	}
}

// settle gives the sequencer the log's answers.
func (r *room) settle(answers []Appended, err error, started time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.hub.log.Log(r.hub.ctx, levelOf(err), "append failed", "room", r.id, "after", time.Since(started), "error", err)
		r.applyLocked(r.seq.failed(err))
		return
	}
	for i := range r.seq.flight {
		r.hub.stats.latency.add(time.Since(r.seq.flight[i].since))
	}
	r.applyLocked(r.seq.appended(answers))
}

// levelOf returns how loud a failure of the log is told. That it is away is told once, by the change of
// its state, and not again by every append.
func levelOf(err error) slog.Level {
	if code := ErrorCode(err); code == CodeUnavailable || code == CodeRoomDeleted {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}

// fed takes a notification of the log.
func (r *room) fed(f Feed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f.Deleted {
		r.deleted = true
		r.hub.spawn(func() { r.hub.endRoom(r) })
		return
	}
	r.applyLocked(r.seq.feed(f.Operations))
	if f.Gap {
		r.readLocked()
	}
}

// fill reads the log if a hole in the feed is still there.
func (r *room) fill() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.filling = false
	if len(r.seq.held) > 0 {
		r.readLocked()
	}
}

// readLocked makes sure that the log is read from the head on, now or once more.
func (r *room) readLocked() {
	if r.reading {
		r.again = true
		return
	}
	r.reading = r.hub.spawn(r.read)
}

// read brings the room to the end of its log.
func (r *room) read() {
	for {
		r.mu.Lock()
		head := r.seq.head
		r.again = false
		r.mu.Unlock()
		page, err := r.hub.cfg.Log.Read(r.hub.ctx, r.id, Query{After: head, Limit: readPage})
		if !r.took(head, page, err) {
			return
		}
	}
}

// took gives the sequencer a page and reports whether there is more to read.
func (r *room) took(head Position, page Page, err error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch ErrorCode(err) {
	case "":
		r.applyLocked(r.seq.feed(page.Operations))
	case CodeTrimmed:
		r.restartLocked(page.Base, "trimmed")
	case CodeDiverged:
		if r.seq.head == head { // else the head moved meanwhile; look again
			r.hub.log.Error("the log does not contain the position known here, starting over from the log",
				"room", r.id, "position", head.String(), "head", page.Head.String())
			r.restartLocked(page.Base, "repair")
		}
	default: // the next gap, or the return of the log, brings it up again
		r.reading = false
		return false
	}
	if r.again || r.seq.head.Seq < page.Head.Seq {
		return true
	}
	r.reading = false
	return false
}

// restartLocked begins anew at a position of the log. Members whose stream cannot go on are told.
func (r *room) restartLocked(at Position, reason string) {
	r.seq.restart(at)
	r.ring.clear()
	for _, m := range r.list {
		if m.cursor.Seq >= at.Seq && reason == "trimmed" || m.cursor == at {
			continue
		}
		m.rewindLocked(at, reason)
	}
}

// rewindLocked takes a member back to a position, and feeds it from there.
func (m *member) rewindLocked(to Position, reason string) {
	m.cursor = to
	m.streams++
	m.grantCredit()
	if m.conn == nil {
		return
	}
	m.conn.send(rewindFrame(m.room.id, to, reason))
	m.behind = true
	m.conn.lag(m)
}

// repair writes the room's ring into a log that lost everything, at the same seq and hash, if the ring
// holds the room from its first operation on. It reports whether the append may be tried again.
func (r *room) repair(cause error) bool {
	r.mu.Lock()
	entries, ok := r.ring.after(0, ringBytes)
	whole := ok && len(entries) == len(r.ring.entries)
	ops := make([]Operation, len(entries))
	for i := range entries {
		ops[i] = entries[i].op
	}
	r.mu.Unlock()
	if !whole || len(ops) == 0 {
		r.hub.log.Error("the log lost operations that this instance cannot write again", "room", r.id, "error", cause)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.readLocked()
		return false
	}
	fence := Position{}
	for len(ops) > 0 {
		chunk := ops[:min(batchOps, len(ops))]
		if _, err := r.hub.cfg.Log.Append(r.hub.ctx, r.id, Batch{Fence: fence, Exact: true, Operations: chunk}); err != nil {
			r.hub.log.Error("writing a lost log again failed", "room", r.id, "error", err)
			return false
		}
		fence, ops = chunk[len(chunk)-1].Position(), ops[len(chunk):]
	}
	r.hub.log.Warn("wrote a lost log again", "room", r.id, "head", fence.String(), "cause", cause)
	return true
}

// catchUp feeds a member that is behind until it is in step, or its connection's queue has enough. It
// runs on the connection's writer, so a client is fed as fast as it reads.
func (m *member) catchUp(c *Conn) {
	for {
		streams, after, ok := m.fromRing(c)
		if !ok {
			return
		}
		page, err := m.room.hub.cfg.Log.Read(m.room.hub.ctx, m.room.id, Query{After: after, Limit: readPage})
		if !m.fromPage(c, streams, page, err) {
			return
		}
	}
}

// fromRing feeds a member from the ring. It returns ok when the log must be read instead, after the
// given position.
func (m *member) fromRing(c *Conn) (streams uint64, after Position, ok bool) {
	r := m.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if m.conn != c || m.gone {
		return 0, Position{}, false
	}
	r.freshenLocked(m)
	if !m.behind {
		return 0, Position{}, false
	}
	entries, inRing := r.ring.after(m.cursor.Seq, feedBytes)
	if !inRing && m.cursor.Seq < r.seq.head.Seq {
		return m.streams, m.cursor, true
	}
	for i := range entries {
		c.send(entries[i].frame)
		m.cursor = entries[i].frame.Position
	}
	m.settleLocked()
	return 0, Position{}, false
}

// fromPage feeds a member from a page of the log; true when there is more to do now.
func (m *member) fromPage(c *Conn, streams uint64, page Page, err error) bool {
	r := m.room
	r.mu.Lock()
	defer r.mu.Unlock()
	if m.conn != c || m.gone || m.streams != streams {
		return m.conn == c && !m.gone
	}
	switch ErrorCode(err) {
	case "":
	case CodeTrimmed:
		m.rewindLocked(page.Base, "trimmed")
		return false
	case CodeDiverged:
		m.rewindLocked(page.Base, "repair")
		return false
	default:
		r.hub.stall(c, m)
		return false
	}
	for _, op := range page.Operations {
		if op.Seq == m.cursor.Seq+1 {
			c.send(opFrame(r.id, op))
			m.cursor = op.Position()
		}
	}
	if len(page.Operations) == 0 {
		m.behind = false // the log ends here; what comes is pushed
		return false
	}
	m.settleLocked()
	return false
}

// settleLocked puts a member in step when it has reached the head, else asks for more once the queue
// is empty.
func (m *member) settleLocked() {
	m.behind = m.cursor.Seq < m.room.seq.head.Seq
	if m.behind {
		m.conn.lag(m)
	}
}

// Submit appends data, each one JSON text, as operations of a session of their own, atomically, and
// returns when they are confirmed. At most 100 of them, together at most Limits.MessageBytes. With a
// key, at most 200 bytes, a repeated call of the same author (or of any anonymous one) within 24 hours
// answers what the first answered; with other data it is [CodeRejected]. OnOperation is asked,
// Authorize is not.
func (h *Hub) Submit(ctx context.Context, room string, author User, key string, data ...json.RawMessage) (Submitted, error) {
	if !ValidRoom(room) {
		return Submitted{}, errInvalidRoom()
	}
	ops, err := h.prepare(ctx, room, author, data)
	if err != nil {
		return Submitted{}, err
	}
	if len(key) > 200 {
		return Submitted{}, Errorf(CodeInvalidMessage, "the idempotency key must have at most 200 bytes")
	}
	if key != "" {
		key = scopedKey(author, key)
	}
	r, err := h.enter(room)
	if err != nil {
		return Submitted{}, err
	}
	defer r.exit()
	r.mu.Lock()
	head := r.seq.head
	r.mu.Unlock()
	answers, err := h.cfg.Log.Append(ctx, room, Batch{Key: key, Operations: ops})
	if err != nil {
		return Submitted{}, err
	}
	if answers[0].Seq > head.Seq { // else the answer to an earlier call with the key
		h.stats.operations.Add(int64(len(answers)))
	}
	return submitted(answers), nil
}

// scopedKey makes an idempotency key that no other user can meet. An anonymous user has another id
// with every request, so all of them share one scope.
func scopedKey(author User, key string) string {
	owner := author.ID
	if author.Anonymous {
		owner = ""
	}
	return DigestOf([]byte(owner + "\n" + key)).String()
}

// prepare checks the data of a Submit and makes operations of it.
func (h *Hub) prepare(ctx context.Context, room string, author User, data []json.RawMessage) ([]Operation, error) {
	if len(data) < 1 || len(data) > maxOpsAtOne {
		return nil, Errorf(CodeInvalidMessage, "operations must hold 1 to 100 entries")
	}
	session, now, size := newID(), time.Now().UnixMilli(), 0
	ops := make([]Operation, len(data))
	for i, text := range data {
		if !validJSON(text) {
			return nil, Errorf(CodeInvalidMessage, "data must be one JSON text")
		}
		size += len(text)
		ops[i] = Operation{Session: session, N: uint64(i) + 1, User: author.ID, Time: now, Data: compactJSON(text)}
		if err := h.vet(room, author, ops[i]); err != nil {
			return nil, err
		}
	}
	if size > h.cfg.Limits.MessageBytes {
		return nil, Errorf(CodeTooLarge, "the operations are larger than messageBytes")
	}
	return ops, ctx.Err()
}

// submitted tells the places of what was appended. Members get it from the log's feed.
func submitted(answers []Appended) Submitted {
	s := Submitted{Operations: make([]Placed, len(answers))}
	for i, answer := range answers {
		s.Operations[i] = Placed{Seq: answer.Seq, Hash: answer.Hash.String()}
		s.Position = Position{Seq: answer.Seq, Hash: answer.Hash}.String()
	}
	return s
}

// Submitted is the answer to a Submit.
type Submitted struct {
	Operations []Placed `json:"operations,omitempty"`
	Position   string   `json:"position,omitempty"` // after the last of them
	Queued     bool     `json:"queued,omitempty"`   // in this instance's memory only
}

// Placed is where an operation stands in the log.
type Placed struct {
	Seq  uint64 `json:"seq"`
	Hash string `json:"hash"`
}
