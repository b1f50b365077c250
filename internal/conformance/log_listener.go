package conformance

import (
	"sync"
	"testing"

	"github.com/fiberflow/flow"
)

// listener follows a room as an instance does: it takes what it is told, and after a gap reads the log.
type listener struct {
	t    testing.TB
	log  flow.Log
	room string
	stop func()

	mu      sync.Mutex
	calls   int
	gap     bool // the log is to be read
	deleted int
	heard   map[uint64]flow.Operation
}

func (t *logTest) follow(log flow.Log) *listener {
	t.Helper()
	l := &listener{t: t, log: log, room: room, heard: make(map[uint64]flow.Operation)}
	l.stop = log.Follow(room, l.take)
	t.Cleanup(l.stop)
	eventually(t, "the subscription stands", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.calls > 0
	})
	return l
}

// take is what the log calls.
func (l *listener) take(feed flow.Feed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.calls == 0 && !feed.Gap {
		l.t.Errorf("the first feed is %+v, want a gap", feed)
	}
	l.calls++
	l.gap = l.gap || feed.Gap
	if feed.Deleted {
		l.deleted++
		clear(l.heard)
	}
	for i, o := range feed.Operations {
		if i > 0 && !o.Follows(feed.Operations[i-1].Position()) {
			l.t.Errorf("in one feed, %v comes after %v", o.Position(), feed.Operations[i-1].Position())
		}
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
			read = readAll(l.t, l.log, l.room)
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
