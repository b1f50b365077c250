package conformance

import "github.com/fiberflow/flow"

// listener follows a room as an instance does: it takes what it is told, and after a gap reads the log.
type listener struct {
	subscription

	log     flow.Log
	gap     bool // the log is to be read
	deleted int
	heard   map[uint64]flow.Operation
	told    map[uint64]bool // those of heard that were not only read
}

func (t *logTest) follow(log flow.Log) *listener {
	t.Helper()
	l := &listener{log: log, heard: make(map[uint64]flow.Operation), told: make(map[uint64]bool)}
	l.stand(t, func() func() { return log.Follow(room, l.take) })
	return l
}

// take is what the log calls.
func (l *listener) take(feed flow.Feed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.takeLocked(feed.Gap)
	l.gap = l.gap || feed.Gap
	if feed.Deleted {
		l.deleted++
		l.gap = false // of another room
		clear(l.heard)
	}
	for i, o := range feed.Operations {
		if i > 0 && !o.Follows(feed.Operations[i-1].Position()) {
			l.t.Errorf("in one feed, %v comes after %v", o.Position(), feed.Operations[i-1].Position())
		}
		l.told[o.Seq] = true
		l.keepLocked(o)
	}
}

func (l *listener) keepLocked(o flow.Operation) {
	if before, ok := l.heard[o.Seq]; ok && !sameOperation(before, o) {
		l.t.Errorf("heard %+v, and before %+v", o, before)
	}
	l.heard[o.Seq] = o
}

// hears waits until all these operations were heard.
func (l *listener) hears(sent ...flow.Operation) {
	l.t.Helper()
	eventually(l.t, "the follower hears everything", func() bool {
		l.mu.Lock()
		gap := l.gap
		l.gap = false
		l.mu.Unlock()
		var read []flow.Operation
		if gap {
			read = readAll(l.t, l.log, room)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, o := range read {
			l.keepLocked(o)
		}
		for _, o := range sent {
			if _, ok := l.heard[o.Seq]; !ok {
				return false
			}
		}
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range sent {
		if !sameOperation(l.heard[o.Seq], o) {
			l.t.Errorf("heard %+v, want %+v", l.heard[o.Seq], o)
		}
	}
}
