package redisx_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/redisx"
)

// Groups of consumers, whose cursors stand beside the sessions of a room, do not count as such: a room forgets
// sessions only when it knows more than [flow.SweepAbove] of those (I1).
func TestLog_Cursors_NoSessions(t *testing.T) {
	t.Parallel()
	log := redisx.NewLog(open(t, redisx.Config{}))
	const old = flow.SweepAbove - 1 // with "new" there are just as many as are never forgotten
	batch := flow.Batch{}
	for i := range old {
		batch.Operations = append(batch.Operations, op(fmt.Sprint("old", i), 1))
	}
	answers, err := log.Append(t.Context(), "room", batch)
	if err != nil {
		t.Fatalf("Append: %v", err)
	}
	head := flow.Position{Seq: answers[old-1].Seq, Hash: answers[old-1].Hash}
	take(t, log, head, "a", "ann")
	for i := range 20 {
		if err := log.Advance(t.Context(), fmt.Sprint("group", i), "room", head, "a", "ann"); err != nil {
			t.Fatalf("Advance: %v", err)
		}
	}
	n := uint64(0)
	// sweep appends until a sweep is due, all of it long after the old sessions.
	sweep := func(session string) {
		batch := flow.Batch{}
		for range flow.SweepEvery {
			n++
			o := op(session, n)
			o.Time += (48 * time.Hour).Milliseconds()
			batch.Operations = append(batch.Operations, o)
		}
		if _, err := log.Append(t.Context(), "room", batch); err != nil {
			t.Fatalf("Append: %v", err)
		}
	}
	known := func() uint64 {
		page, err := log.Read(t.Context(), "room", flow.Query{Sessions: []string{"old0"}})
		if err != nil {
			t.Fatalf("Read: %v", err)
		}
		return page.Last["old0"]
	}
	sweep("new")
	if known() != 1 {
		t.Error("sessions were forgotten in a room that has no more than it may")
	}
	n = 0
	sweep("one more")
	if known() != 0 {
		t.Error("nothing was forgotten in a room that has one session too many")
	}
	if at, err := log.Cursor(t.Context(), "group19", "room"); err != nil || at != head {
		t.Errorf("Cursor = %v, %v, want %v", at, err, head)
	}
}
