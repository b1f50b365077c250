package flow

import (
	"context"
	"errors"
	"time"
)

// errMoving is why a state could not be computed: the history of the room changed meanwhile.
var errMoving = errors.New("the log of the room is being put right")

// stateTries is how often a state is begun anew that the room's history ran away from.
const stateTries = 3

// RoomState returns the state of a room at the end of its log; while the log is away, at the end of what this
// instance has of it. Data is null in a room that was never written. [CodeNotFound] when the room has no
// reducer, [CodeTrimmed] when the log has lost its beginning before there was a snapshot,
// [CodeUnavailable] when the log is away and this instance does not know enough.
func (h *Hub) RoomState(ctx context.Context, room string) (Snapshot, error) {
	if !ValidRoom(room) {
		return Snapshot{}, errInvalidRoom()
	}
	if h.cfg.reductionOf(room) == nil {
		return Snapshot{}, errNoReducer()
	}
	r, err := h.enter(room)
	if err != nil {
		return Snapshot{}, err
	}
	defer r.exit()
	page, err := h.cfg.Log.Read(ctx, room, Query{Unchecked: true})
	switch ErrorCode(err) {
	case "", CodeTrimmed, CodeUnavailable:
	default:
		return Snapshot{}, err
	}
	return orNull(r.state(ctx, page.Head.Seq))
}

func errNoReducer() *Error { return Errorf(CodeNotFound, "the room has no reducer") }

// state brings the document to the room's head, or to a seq beyond it that the log has, and returns it.
// Whoever else wants it waits.
func (r *room) state(ctx context.Context, atLeast uint64) (Snapshot, error) {
	select {
	case r.document.turn <- struct{}{}:
		defer func() { <-r.document.turn }()
	case <-ctx.Done():
		return Snapshot{}, Unavailable(ctx.Err())
	}
	var err error
	for range stateTries {
		if err = r.load(ctx); err == nil {
			err = r.reach(ctx, atLeast)
		}
		if err == nil {
			var s Snapshot
			if s, err = r.fold(); err == nil {
				return s, nil
			}
		}
		if !errors.Is(err, errMoving) {
			return Snapshot{}, err
		}
	}
	return Snapshot{}, Unavailable(err)
}

// load has the document begin, with what is in memory or with what the log has.
func (r *room) load(ctx context.Context) error {
	if r.beginHere() {
		return nil
	}
	log := r.hub.cfg.Log
	page, err := log.Read(ctx, r.id, Query{Unchecked: true})
	if err != nil && ErrorCode(err) != CodeTrimmed {
		return err
	}
	var s Snapshot
	switch {
	case page.Snapshot.Seq > 0:
		stored, err := r.storedSnapshot(ctx, page.Snapshot)
		if err != nil {
			return err
		}
		s = *stored
	case page.Base.Seq > 0:
		return Errorf(CodeTrimmed, "the log was trimmed before the room had a snapshot, its state is not known")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return errMoving // nobody would give its memory back
	}
	r.document.begin(s)
	return nil
}

// beginHere has the document begin without a look at the log, if that is possible or was done already.
func (r *room) beginHere() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	d, cached := &r.document, r.snapshots.cached
	switch {
	case r.closed:
		return false
	case d.loaded:
	case cached != nil && r.ring.contains(cached.Position):
		d.begin(*cached)
	case r.ring.base == Position{} && r.seq.head.Seq > 0:
		d.begin(Snapshot{})
	default:
		return false
	}
	return true
}

// reach adds to the document what it lacks up to the room's head, and to a seq.
func (r *room) reach(ctx context.Context, atLeast uint64) error {
	for {
		after, full, err := r.reachHere(atLeast)
		if err != nil || after == nil {
			return err
		}
		if full {
			if _, err := r.fold(); err != nil {
				return err
			}
			continue
		}
		page, err := r.hub.cfg.Log.Read(ctx, r.id, Query{After: *after, Limit: readPage})
		switch code := ErrorCode(err); {
		case code == CodeTrimmed || code == CodeDiverged || err == nil && len(page.Operations) == 0:
			r.mu.Lock()
			r.document.drop()
			r.mu.Unlock()
			return errMoving
		case err != nil:
			return err
		}
		r.mu.Lock()
		for i := range page.Operations {
			r.document.add(&page.Operations[i])
		}
		r.mu.Unlock()
	}
}

// reachHere adds to the document what the ring has, and returns after what the log must be read; nil when
// nothing is lacking. full asks for a fold before that.
func (r *room) reachHere(atLeast uint64) (after *Position, full bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d := &r.document
	if !d.loaded {
		return nil, false, errMoving
	}
	if r.ring.contains(d.head) {
		entries, _ := r.ring.after(d.head.Seq, documentBytes)
		for i := range entries {
			d.add(&entries[i].op)
		}
	}
	if d.head.Seq >= max(atLeast, r.seq.head.Seq) {
		return nil, false, nil
	}
	head := d.head
	return &head, d.full(), nil
}

// fold has the document take up what waits. It calls code of the application.
func (r *room) fold() (Snapshot, error) {
	r.mu.Lock()
	d := &r.document
	era, s, pending, at := d.era, Snapshot{d.at, d.data}, d.pending, d.head
	loaded := d.loaded
	r.mu.Unlock()
	if !loaded {
		return s, errMoving
	}
	if len(pending) > 0 {
		next, failed, err := d.rule.reduce(s.Data, pending)
		if err != nil {
			r.reducerFailed(failed, err)
		}
		s = Snapshot{at, next}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if era != d.era {
		return s, errMoving
	}
	d.folded(era, at, len(pending), s.Data)
	if d.total.Load() > documentTotal {
		d.drop()
	}
	return s, nil
}

// orNull returns a state as it is shown: null while nothing has had an effect.
func orNull(s Snapshot, err error) (Snapshot, error) {
	if s.Data == nil && err == nil {
		s.Data = []byte("null")
	}
	return s, err
}

// foldLocked has the document take up what waits, soon.
func (r *room) foldLocked() {
	d := &r.document
	if d.folding || r.closed {
		return
	}
	d.folding = r.hub.spawn(func() {
		_, err := r.state(r.hub.ctx, 0)
		r.mu.Lock()
		defer r.mu.Unlock()
		d.folding = false
		if err != nil && d.full() {
			d.drop() // it must not grow without end
		}
	})
}

// reducerFailed counts and tells, now and then, that the room's reducer fails.
func (r *room) reducerFailed(count int, cause error) {
	r.hub.stats.reducerFailures.Add(int64(max(1, count)))
	r.mu.Lock()
	tell := time.Since(r.document.told) > time.Minute
	if tell {
		r.document.told = time.Now()
	}
	r.mu.Unlock()
	if tell {
		r.hub.log.Error("the reducer of a room fails", "room", r.id, "without_effect", count, "error", cause)
	}
}

// applicable returns why the room's reducer refuses operations that belong together; nil when it takes them,
// or the room has none.
func (r *room) applicable(ctx context.Context, ops []Operation) error {
	d := &r.document
	switch {
	case d.rule == nil:
		return nil
	case d.folder != nil:
		return r.checked(ctx, ops)
	}
	s, known := r.knownState(ctx)
	if !known {
		return nil
	}
	state := s.Data
	for i := range ops {
		var err error
		if state, err = d.rule.apply(state, ops[i].Data); err != nil {
			r.reducerFailed(0, err)
			return rejected(err)
		}
	}
	return d.fits(s.Data, state)
}

// knownState returns the present state. It is not known while the log is away and the room has none, and when
// the log lacks its beginning: operations then count for what they will turn out to be worth.
func (r *room) knownState(ctx context.Context) (s Snapshot, known bool) {
	s, err := r.state(ctx, 0)
	return s, err == nil
}

// checked is applicable for a reducer that needs no state.
func (r *room) checked(ctx context.Context, ops []Operation) error {
	d, size := &r.document, 0
	for i := range ops {
		if err := d.check(ops[i].Data); err != nil {
			return rejected(err)
		}
		size += len(ops[i].Data) + opGrowth
	}
	r.mu.Lock()
	loaded, most := d.loaded, d.most()+size
	r.mu.Unlock()
	if loaded && most <= d.rule.MaxBytes {
		return nil
	}
	s, known := r.knownState(ctx)
	if !known || len(s.Data)+size <= d.rule.MaxBytes {
		return nil
	}
	data := make([][]byte, len(ops)) // it is close: what they come to counts
	for i := range ops {
		data[i] = ops[i].Data
	}
	next, _, _ := d.rule.reduce(s.Data, data)
	return d.fits(s.Data, next)
}
