package flow

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

const (
	// snapshotLease is the name of the lease of the instance that sees to a room's next snapshot.
	snapshotLease = "~snapshot"
	// askPause is how long one editor has to send the snapshot that it was asked for.
	askPause = 10 * time.Second
	// longestPause is the longest time between two tries to get a snapshot.
	longestPause = 5 * time.Minute
	// makeLease is how long an instance has to make one itself.
	makeLease = 30 * time.Second
)

// snapshots is what a room knows of its snapshots. The room's lock guards it.
type snapshots struct {
	newest Position        // of the one that the log has, as far as this instance knows
	cached *Snapshot       // the newest that was seen here
	since  time.Time       // when newest was learnt, or the room was opened
	busy   bool            // one is being seen to
	retry  time.Time       // not before
	pause  time.Duration   // how long that was put off
	asked  map[string]bool // the editors that were asked in this round
	turn   chan struct{}   // holds one: who reads the stored one
	total  *atomic.Int64   // bytes of all documents and snapshots of the instance
}

// keepLocked notes a snapshot that the log has, and keeps it while there is room for it.
func (s *snapshots) keepLocked(snapshot Snapshot) {
	s.learnLocked(snapshot.Position)
	if s.cached != nil && s.cached.Position.Seq > snapshot.Position.Seq {
		return
	}
	s.dropLocked()
	if size := int64(len(snapshot.Data)); s.total.Load()+size <= documentTotal {
		s.total.Add(size)
		s.cached = &snapshot
	}
}

// dropLocked lets go of the snapshot that is kept.
func (s *snapshots) dropLocked() {
	if s.cached != nil {
		s.total.Add(-int64(len(s.cached.Data)))
		s.cached = nil
	}
}

// learnLocked notes where the newest snapshot is.
func (s *snapshots) learnLocked(at Position) {
	if at.Seq <= s.newest.Seq {
		return
	}
	s.newest, s.since = at, time.Now()
	s.retry, s.pause, s.asked = time.Time{}, 0, nil
}

// forgetLocked notes that the history of the room is another from here on.
func (s *snapshots) forgetLocked(after Position) {
	if s.newest.Seq > after.Seq {
		s.newest = Position{}
	}
	if s.cached != nil && s.cached.Position.Seq > after.Seq {
		s.dropLocked()
	}
}

// putOffLocked has the next try wait, longer with every one.
func (s *snapshots) putOffLocked(now time.Time, first time.Duration) {
	s.pause = min(max(2*s.pause, first), longestPause)
	s.retry = now.Add(s.pause*3/4 + rand.N(s.pause/4))
}

// storedSnapshot returns the snapshot that the log has at a position, or a newer one. Those who want it at the
// same time share one read.
func (r *room) storedSnapshot(ctx context.Context, at Position) (*Snapshot, error) {
	select {
	case r.snapshots.turn <- struct{}{}:
		defer func() { <-r.snapshots.turn }()
	case <-ctx.Done():
		return nil, Unavailable(ctx.Err())
	}
	r.mu.Lock()
	cached, era := r.snapshots.cached, r.seq.era
	r.mu.Unlock()
	if cached != nil && cached.Position == at {
		return cached, nil
	}
	s, err := r.hub.cfg.Log.Snapshot(ctx, r.id)
	if err != nil {
		return nil, err
	}
	r.keepSnapshot(s, era)
	return &s, nil
}

// keepSnapshot notes a snapshot that was read or stored, unless the history of the room has become another one
// meanwhile.
func (r *room) keepSnapshot(s Snapshot, era int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s.Position.Seq > 0 && era == r.seq.era && !r.closed {
		r.snapshots.keepLocked(s)
	}
}

// era names the history that the room is in.
func (r *room) era() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seq.era
}

// snapshotDueLocked reports whether the room needs a new snapshot, and it is time to see to it.
func (r *room) snapshotDueLocked(now time.Time) bool {
	s, cfg := &r.snapshots, &r.hub.cfg
	able := !s.busy && r.phase == phaseLive && !r.deleted && !r.closed && !now.Before(s.retry)
	if !able || r.seq.head.Seq <= s.newest.Seq {
		return false
	}
	return r.seq.head.Seq-s.newest.Seq >= uint64(cfg.SnapshotEvery) || now.Sub(s.since) >= cfg.SnapshotInterval
}

// seeToSnapshot has a snapshot made, or an editor asked for one, if the room needs it.
func (r *room) seeToSnapshot(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.snapshotDueLocked(now) {
		return
	}
	if r.document.rule == nil && r.editorLocked() == nil {
		r.snapshots.putOffLocked(now, askPause)
		return
	}
	r.snapshots.busy = r.hub.spawn(r.snapshot)
}

// snapshot sees to one snapshot. Among the instances that want it, one does.
func (r *room) snapshot() {
	ctx := r.hub.ctx
	granted := r.claimSnapshot(ctx)
	due, err := false, error(nil)
	if granted {
		due, err = r.stillDue(ctx)
	}
	if due {
		if r.document.rule == nil {
			r.askForSnapshot()
			r.mu.Lock()
			r.snapshots.busy = false
			r.mu.Unlock()
			return // the lease lasts as long as the editor has time
		}
		err = r.makeSnapshot(ctx)
	}
	if granted && r.hub.cfg.Leases != nil {
		if err := r.hub.cfg.Leases.Release(ctx, r.id, snapshotLease, r.hub.cfg.Instance); err != nil {
			r.hub.log.Debug("releasing a lease failed", "room", r.id, "error", err)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.snapshots.busy = false
	if !granted || err != nil {
		r.snapshots.putOffLocked(time.Now(), askPause)
	}
}

// claimSnapshot takes the lease for the next snapshot.
func (r *room) claimSnapshot(ctx context.Context) bool {
	if r.hub.cfg.Leases == nil {
		return true
	}
	r.mu.Lock()
	fence := r.seq.head
	r.mu.Unlock()
	l := Lease{Name: snapshotLease, Owner: r.hub.cfg.Instance, TTL: makeLease}
	if r.document.rule == nil {
		l.TTL = askPause
	}
	_, err := r.hub.cfg.Leases.Acquire(ctx, r.id, fence, l, false)
	return err == nil
}

// stillDue looks at the log: another instance may have made a snapshot meanwhile.
func (r *room) stillDue(ctx context.Context) (bool, error) {
	page, err := r.hub.cfg.Log.Read(ctx, r.id, Query{Unchecked: true})
	if err != nil && ErrorCode(err) != CodeTrimmed {
		return false, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := &r.snapshots
	if void := s.newest; page.Snapshot.Seq == 0 && void.Seq > 0 && void.Seq < page.Base.Seq {
		r.hub.stats.overruns.Add(1)
		r.hub.log.Error("the log was trimmed beyond its newest snapshot, because nobody made a newer one",
			"room", r.id, "snapshot", void.String(), "first", page.Base.Seq+1)
		s.newest = Position{}
		s.dropLocked()
	}
	known := s.newest
	s.learnLocked(page.Snapshot)
	return s.newest == known, nil
}

// makeSnapshot stores the state at the head.
func (r *room) makeSnapshot(ctx context.Context) error {
	era := r.era()
	s, err := orNull(r.state(ctx, 0))
	if err == nil {
		err = r.hub.cfg.Log.SaveSnapshot(ctx, r.id, s)
	}
	if err != nil {
		r.hub.log.Warn("making a snapshot failed", "room", r.id, "error", err)
		return err
	}
	r.keepSnapshot(s, era)
	r.hub.stats.snapshots.Add(1)
	return nil
}

// editorLocked returns an editor in step who was not asked yet, nil when there is none; then, the next round
// begins.
func (r *room) editorLocked() *member {
	for _, m := range r.list {
		inStep := !m.behind && !m.guessed && m.cursor == r.seq.head
		if m.session != "" && m.level >= Editor && inStep && !r.snapshots.asked[m.session] {
			return m
		}
	}
	r.snapshots.asked = nil
	return nil
}

// askForSnapshot asks one editor for a snapshot.
func (r *room) askForSnapshot() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.snapshots.putOffLocked(time.Now(), askPause)
	m := r.editorLocked()
	if m == nil {
		return
	}
	if r.snapshots.asked == nil {
		r.snapshots.asked = map[string]bool{}
	}
	r.snapshots.asked[m.session] = true
	m.conn.send(snapshotWantedFrame(r.id, m.cursor))
}

// saveAgain stores again the newest snapshot that this instance has, if the log has lost it: with a reducer the
// state where the room is, else what was seen last.
func (r *room) saveAgain(ctx context.Context) {
	page, err := r.hub.cfg.Log.Read(ctx, r.id, Query{Unchecked: true})
	if err != nil && ErrorCode(err) != CodeTrimmed {
		return
	}
	r.mu.Lock()
	known, cached, loaded, era := r.snapshots.newest, r.snapshots.cached, r.document.loaded, r.seq.era
	if page.Snapshot.Seq < known.Seq {
		r.snapshots.newest = page.Snapshot
	}
	r.mu.Unlock()
	if page.Snapshot.Seq >= known.Seq && page.Snapshot.Seq >= page.Base.Seq {
		return
	}
	if cached != nil && cached.Position.Seq >= page.Base.Seq && r.hub.cfg.Log.SaveSnapshot(ctx, r.id, *cached) == nil {
		r.keepSnapshot(*cached, era)
		return
	}
	if loaded {
		_ = r.makeSnapshot(ctx) // it has told; the next that is due tries again
	}
}
