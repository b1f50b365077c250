package flow

import (
	"context"
	"encoding/json"
	"time"
)

// submitOps is the most operations of one Submit.
const submitOps = 100

// Submit appends data, each one JSON text, as operations of a session of their own, atomically, and
// returns when they are confirmed, or, while the log is away, when they are queued in memory. At most 100
// of them, together at most Limits.MessageBytes. With a key, at most 200 bytes, a repeated call of the
// same author (or of any anonymous one) within 24 hours answers what the first answered; with other data
// it is [CodeRejected]. OnOperation is asked, Authorize is not.
func (h *Hub) Submit(
	ctx context.Context, room string, author User, key string, data ...json.RawMessage,
) (Submitted, error) {
	if !ValidRoom(room) {
		return Submitted{}, errInvalidRoom()
	}
	if !author.valid() {
		return Submitted{}, Errorf(CodeInvalidMessage, "a user id must have 1 to 255 bytes of UTF-8")
	}
	if len(key) > 200 {
		return Submitted{}, Errorf(CodeInvalidMessage, "the idempotency key must have at most 200 bytes")
	}
	session := newID()
	if key != "" {
		key = scopedKey(author, key)
		session = keyedSession(room, key, time.Now())
	}
	ops, err := h.prepare(session, author, data)
	if err != nil {
		return Submitted{}, err
	}
	r, err := h.enter(room)
	if err != nil {
		return Submitted{}, err
	}
	defer r.exit()
	if err := r.vet(ctx, author, ops...); err != nil {
		return Submitted{}, err
	}
	return r.submit(ctx, key, ops)
}

// submit hands a group to the sequencer and waits for its outcome.
func (r *room) submit(ctx context.Context, key string, ops []Operation) (Submitted, error) {
	g := &group{key: key, content: contentOf(ops), done: make(chan struct{})}
	r.mu.Lock()
	if r.deleted {
		r.mu.Unlock()
		return Submitted{}, errDeleted()
	}
	r.applyLocked(r.seq.submitGroup(g, ops, time.Now()))
	r.mu.Unlock()
	select {
	case <-g.done:
	case <-ctx.Done():
		return Submitted{}, Unavailable(ctx.Err())
	case <-r.hub.ctx.Done():
		return Submitted{}, errDraining()
	}
	switch {
	case g.err != nil:
		return Submitted{}, g.err
	case g.queued:
		return Submitted{Queued: true}, nil
	}
	return r.placesOf(ops, g.answers)
}

// placesOf tells where operations are. Those that the log knew already, but not by their key, may be in
// the ring.
func (r *room) placesOf(ops []Operation, answers []Appended) (Submitted, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range answers {
		if answers[i].Status == Confirmed {
			continue
		}
		p, ok := r.ring.find(ops[i].Session, ops[i].N)
		if !ok {
			return Submitted{}, Errorf(CodeDuplicate, "these operations are in the log already")
		}
		answers[i].Seq, answers[i].Hash = p.Seq, p.Hash
	}
	return submitted(answers), nil
}

// contentOf names the data of operations.
func contentOf(ops []Operation) Digest {
	var digests []byte
	for i := range ops {
		digest := DigestOf(ops[i].Data)
		digests = append(digests, digest[:]...)
	}
	return DigestOf(digests)
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

// keyedSession names the session of a call with a key, on every instance alike, so that what several of
// them keep of it while the log is away is known to be one. It is another one when the key may be used anew.
func keyedSession(room, key string, now time.Time) string {
	day := now.UTC().Format(time.DateOnly)
	return "k" + DigestOf([]byte(room + "\n" + key + "\n" + day)).String()[:24]
}

// prepare checks the data of a Submit and makes operations of it.
func (h *Hub) prepare(session string, author User, data []json.RawMessage) ([]Operation, error) {
	if len(data) < 1 || len(data) > submitOps {
		return nil, Errorf(CodeInvalidMessage, "operations must hold 1 to 100 entries")
	}
	now, size := time.Now().UnixMilli(), 0
	ops := make([]Operation, len(data))
	for i, text := range data {
		if !validJSON(text) {
			return nil, Errorf(CodeInvalidMessage, "data must be one JSON text")
		}
		size += len(text)
		ops[i] = Operation{Session: session, N: uint64(i) + 1, User: author.ID, Time: now, Data: compactJSON(text)}
	}
	if size > h.cfg.Limits.MessageBytes {
		return nil, Errorf(CodeTooLarge, "the operations are larger than messageBytes")
	}
	return ops, nil
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
