package memx

import (
	"slices"
	"sync"

	"github.com/fiberflow/flow"
)

// maxFeed is how many operations one feed has at most.
const maxFeed = 256

// follower is one subscription to a room. It keeps no queue: what it has still to tell, it takes from
// the log, as fast as its reader takes it.
type follower struct {
	pump
	room *room

	// Under the room's lock.
	sent    uint64 // the seq up to which everything was told
	new     bool   // that the subscription stands is to be told, before anything else
	deleted bool   // the deletion is to be told
	gap     bool   // a gap is to be told, after the deletion
}

// Follow implements [flow.Log]. Feeds are told one after the other and in order; none is lost unless it
// was trimmed before f took it.
func (l *Log) Follow(id string, f func(flow.Feed)) (stop func()) {
	r, _ := l.enter(id)
	defer l.leave(r)
	w := &follower{room: r, new: true}
	w.deliver = func() {
		for feed, ok := w.next(); ok; feed, ok = w.next() {
			f(feed)
		}
	}
	r.followers = append(r.followers, w)
	w.wake()
	return sync.OnceFunc(func() {
		w.stop()
		r.mu.Lock()
		r.followers = slices.DeleteFunc(r.followers, func(o *follower) bool { return o == w })
		l.leave(r)
	})
}

// next returns the next feed to tell; ok is false when there is none now.
func (w *follower) next() (feed flow.Feed, ok bool) {
	if w.stopped() {
		return flow.Feed{}, false
	}
	r := w.room
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case w.deleted && !w.new:
		w.deleted = false
		return flow.Feed{Deleted: true}, true
	case w.new || w.gap || w.sent < r.base.Seq:
		// What is told after a deletion starts behind it.
		if !w.deleted {
			w.gap, w.sent = false, r.head.Seq
		}
		w.new = false
		return flow.Feed{Gap: true}, true
	case w.sent == r.head.Seq:
		return flow.Feed{}, false
	}
	operations := r.sliceLocked(w.sent, maxFeed)
	w.sent += uint64(len(operations))
	return flow.Feed{Operations: operations}, true
}
