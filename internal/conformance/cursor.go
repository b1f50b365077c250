package conformance

import (
	"slices"
	"testing"

	"github.com/fiberflow/flow"
)

// CursorLog is a log that keeps leases and cursors.
type CursorLog interface {
	flow.Log
	flow.Leases
	flow.Cursors
}

// OpenCursors returns two handles on one fresh and empty storage.
type OpenCursors func(t *testing.T, s LogSettings) (one, other CursorLog)

// Cursors runs the suite of [flow.Cursors].
func Cursors(t *testing.T, open OpenCursors) {
	t.Helper()
	for _, c := range slices.Concat(cursorCases(), cursorLogCases(), markCases()) {
		t.Run(c.name, func(t *testing.T) {
			one, other := open(t, c.settings)
			c.run(&cursorTest{leaseTest: newLeaseTest(t, c.settings, one, other), one: one, other: other})
		})
	}
}

type cursorCase struct {
	name     string
	settings LogSettings
	run      func(t *cursorTest)
}

// cursorTest is one case under way. It has the words of the leases' and the log's cases too.
type cursorTest struct {
	*leaseTest

	one, other CursorLog
}

const (
	// group is the group that a case speaks about when it names none.
	group = "group"
	// worker is who has the lease of the name "work".
	worker = "worker"
)

func (t *cursorTest) handles() []CursorLog { return []CursorLog{t.one, t.other} }

// work takes the lease with which the words below set cursors.
func (t *cursorTest) work() {
	t.Helper()
	if _, err := t.one.Acquire(t.Context(), room, flow.Position{}, lease("work", worker), true); err != nil {
		t.Fatalf("Acquire: %v", err)
	}
}

// advance sets the cursor of a group, which must be accepted.
func (t *cursorTest) advance(group string, to flow.Position) {
	t.Helper()
	if err := t.one.Advance(t.Context(), group, room, to, "work", worker); err != nil {
		t.Fatalf("Advance(%q) to %v: %v", group, to, err)
	}
}

// wantCursor checks how far a group has come, as every instance sees it.
func (t *cursorTest) wantCursor(group string, at flow.Position) {
	t.Helper()
	for _, handle := range t.handles() {
		got, err := handle.Cursor(t.Context(), group, room)
		if err != nil {
			t.Fatalf("Cursor(%q): %v", group, err)
		}
		want(t, "cursor of "+group, got, at)
	}
}

// wantKept checks that a cursor cannot be set, for a reason, and stays as it is.
func (t *cursorTest) wantKept(code flow.Code, to flow.Position, lease, owner string) {
	t.Helper()
	for _, handle := range t.handles() {
		before, err := handle.Cursor(t.Context(), group, room)
		if err != nil {
			t.Fatalf("Cursor: %v", err)
		}
		wantCode(t, handle.Advance(t.Context(), group, room, to, lease, owner), code)
		t.wantCursor(group, before)
	}
}
