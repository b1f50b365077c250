package redisx

import (
	"context"
	"errors"
	"time"

	"github.com/fiberflow/flow"
)

const (
	// candidateTTL is how long a snapshot that is being saved waits for its second step, many times as long
	// as the first and the second may last.
	candidateTTL = 30 * time.Second
	// snapshotTries is how often a snapshot is saved that was lost on its way, or read that was dropped or
	// replaced meanwhile.
	snapshotTries = 3
)

// errNotKept is why a snapshot is not stored.
var errNotKept = errors.New("redisx: the snapshot was not read back from redis as it was sent")

// Snapshot implements [flow.Log]. One that does not match its digest is dropped, so that the log is trimmed,
// and a snapshot saved, as if there had been none. The instance that drops it says so.
func (l *Log) Snapshot(ctx context.Context, room string) (flow.Snapshot, error) {
	for range snapshotTries {
		s, whole, err := l.stored(ctx, room)
		if err != nil {
			return flow.Snapshot{}, err
		}
		if whole {
			return s, nil
		}
		answer, err := l.ask(ctx, room, l.scripts.discard, l.keys(room))
		if err != nil {
			return flow.Snapshot{}, err
		}
		if word(answer) == "DISCARDED" {
			l.logger(room).Error("dropped a snapshot that was damaged in redis", "position", s.Position.String())
			break
		}
	}
	return flow.Snapshot{}, wordError("NONE")
}

// stored reads the snapshot that is stored, and reports whether it is what was stored. Redis is not
// asked to find out, so that nobody waits for it.
func (l *Log) stored(ctx context.Context, room string) (s flow.Snapshot, whole bool, err error) {
	answer, err := l.ask(ctx, room, l.scripts.snapshot, l.keys(room))
	if err != nil {
		return s, false, err
	}
	values := texts(answer)
	if len(values) != 4 {
		return s, false, flow.ErrCorrupt
	}
	if s.Position, err = parsePosition(values[0], values[1]); err != nil {
		return s, false, err
	}
	s.Data = []byte(values[3])
	return s, flow.DigestOf(s.Data).String() == values[2], nil
}

// SaveSnapshot implements [flow.Log]. It takes two steps: the snapshot is written beside the stored one, and
// takes its place when Redis has read back what was sent.
func (l *Log) SaveSnapshot(ctx context.Context, room string, s flow.Snapshot) error {
	names, digest := l.keys(room), flow.DigestOf(s.Data).String()
	seq, hash := s.Position.Seq, s.Position.Hash.String()
	for range snapshotTries {
		answer, err := l.ask(ctx, room, l.scripts.stage, names, seq, hash, digest, s.Data, candidateTTL.Milliseconds())
		if err != nil || word(answer) == "OK" {
			return err
		}
		answer, err = l.ask(ctx, room, l.scripts.keep, names, seq, hash, digest, len(s.Data))
		if err != nil || word(answer) == "OK" {
			return err
		}
	}
	return flow.Unavailable(errNotKept)
}
