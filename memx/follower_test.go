package memx

// Inside the package, because only there a follower can be slower to hear that it follows than others are
// to delete the room and begin it anew.

import (
	"testing"

	"github.com/fiberflow/flow"
)

// A follower is told that it follows, then that the room was deleted, and then everything of the new
// room: nothing is lost (I2).
func TestFollower_Next(t *testing.T) {
	l := NewLog(LogConfig{})
	mustAppend(t, l, "room", one("a", 1))
	r, _ := l.enterExisting("room")
	w := &follower{room: r, new: true, deleted: true}
	l.leave(r)
	for i, want := range []flow.Feed{{Gap: true}, {Deleted: true}, {Operations: one("a", 1).Operations}} {
		feed, ok := w.next()
		if !ok || feed.Gap != want.Gap || feed.Deleted != want.Deleted || len(feed.Operations) != len(want.Operations) {
			t.Errorf("feed %d is %+v, %v, want %+v", i, feed, ok, want)
		}
	}
	if feed, ok := w.next(); ok {
		t.Errorf("then comes %+v", feed)
	}
}
