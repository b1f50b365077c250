package memx

import (
	"slices"
	"time"

	"github.com/fiberflow/flow"
)

// restoreLocked appends a batch with [flow.Batch.Restore].
func (r *room) restoreLocked(
	l *Log, now time.Duration, b flow.Batch, digests []flow.Digest,
) ([]flow.Appended, error) {
	if len(b.Operations) == 0 {
		return []flow.Appended{}, r.noteOnlyLocked(l, now, b)
	}
	if !linked(b, digests) {
		return nil, flow.ErrMoved
	}
	if err := r.growLocked(l, sizeOfAll(b.Operations)+r.noteBytesLocked(b)); err != nil {
		return nil, err
	}
	switch last := b.Operations[len(b.Operations)-1].Position(); {
	case r.head.Seq == 0:
		r.base, r.head, r.open = b.Fence, last, true
		r.operations = slices.Clone(b.Operations)
		r.stampLocked(l, now)
	case b.Fence == r.head:
		r.head = last
		r.operations = append(r.operations, b.Operations...)
		r.stampLocked(l, now)
	case r.open && last == r.base && !r.repeatsLocked(b.Operations):
		// Pages share the array that is there, so those in front need another one.
		r.operations, r.dropped = slices.Concat(b.Operations, r.operations), 0
		r.base = b.Fence
	default:
		return nil, flow.ErrMoved
	}
	r.bytes += sizeOfAll(b.Operations)
	r.logEnds = now + l.config.OperationTTL
	for _, f := range r.followers {
		f.gap = true
		f.wake()
	}
	r.noteLocked(b.Sessions)
	return r.answerLocked(b.Operations), nil
}

// repeatsLocked reports whether an operation of the log stands for one that is to be put in front of it:
// its author has sent it again since.
func (r *room) repeatsLocked(operations []flow.Operation) bool {
	highest := make(map[string]uint64)
	for i := range operations {
		o := &operations[i]
		highest[o.Session] = max(highest[o.Session], o.N)
	}
	return slices.ContainsFunc(r.operations, func(o flow.Operation) bool { return o.N <= highest[o.Session] })
}

// linked reports whether the operations follow each other behind the fence.
func linked(b flow.Batch, digests []flow.Digest) bool {
	at := b.Fence
	if at.Seq == 0 && at.Hash != 0 {
		return false
	}
	for i := range b.Operations {
		o := &b.Operations[i]
		if at = at.Next(o.Session, o.N, digests[i]); at != o.Position() {
			return false
		}
	}
	return true
}

// stampLocked marks that the log began or grew by a restore.
func (r *room) stampLocked(l *Log, now time.Duration) {
	if r.restored != 0 && now < r.settles {
		return
	}
	r.restored = l.start.Add(now).UnixMilli() // of the clock that ends the window: two are never alike
	r.settles = now + l.config.Settle
}

// noteOnlyLocked is a restore of sessions alone. Where there is no log, there is nothing that they could
// be in.
func (r *room) noteOnlyLocked(l *Log, now time.Duration, b flow.Batch) error {
	if err := r.admitLocked(b.Fence); err != nil || r.head.Seq == 0 {
		return err
	}
	if err := r.growLocked(l, r.noteBytesLocked(b)); err != nil {
		return err
	}
	if r.noteLocked(b.Sessions) {
		r.logEnds = now + l.config.OperationTTL
	}
	return nil
}

// noteBytesLocked returns what the sessions of a batch to restore may add at most.
func (r *room) noteBytesLocked(b flow.Batch) (need int64) {
	for i := range b.Operations {
		if session := b.Operations[i].Session; r.sessions[session] == nil {
			need += authorSize + int64(len(session))
		}
	}
	for session := range b.Sessions {
		if r.sessions[session] == nil {
			need += authorSize + int64(len(session))
		}
	}
	return need
}

// noteLocked raises the last N of sessions, and reports whether any was news. When they were heard of
// is not known: for the sweep they are as young as the log.
func (r *room) noteLocked(sessions map[string]uint64) (news bool) {
	newest := r.operations[len(r.operations)-1].Time
	for session, n := range sessions {
		news = r.raiseLocked(session, n, newest) || news
	}
	return news
}

// raiseLocked has n be the last N of a session, and reports whether it was below before.
func (r *room) raiseLocked(session string, n uint64, at int64) bool {
	a := r.sessions[session]
	if a == nil {
		if r.sessions == nil {
			r.sessions = make(map[string]*author)
		}
		a = new(author)
		r.sessions[session] = a
		r.bytes += authorSize + int64(len(session))
	}
	if a.last >= n {
		return false
	}
	a.last, a.time = n, at
	return true
}

// answerLocked takes down the sessions of operations that were restored, and answers for them.
func (r *room) answerLocked(operations []flow.Operation) []flow.Appended {
	answers := make([]flow.Appended, len(operations))
	for i := range operations {
		o := &operations[i]
		r.raiseLocked(o.Session, o.N, o.Time)
		answers[i] = flow.Appended{
			Status: flow.Confirmed, Seq: o.Seq, Hash: o.Hash, Last: r.sessions[o.Session].last,
		}
	}
	return answers
}
