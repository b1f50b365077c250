package middleware

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/memx"
)

func TestStandby_Promote(t *testing.T) {
	// A room is carried over as it was, at the same positions, with its snapshot (I1, I2).
	t.Run("carries over", func(t *testing.T) {
		f := newFixture(t)
		for n := range uint64(100) {
			put(t, f, "room", "a", n+1)
			put(t, f, "room", "b", n+1)
		}
		snapshot := flow.Snapshot{Position: head(t, f), Data: []byte(`{}`)}
		if err := f.SaveSnapshot(t.Context(), "room", snapshot); err != nil {
			t.Fatal(err)
		}
		put(t, f, "room", "c", 1)
		before := contents(t, f, "room")

		promote(t, f)
		wantSame(t, contents(t, f.primary, "room"), before)
		got, err := f.primary.Snapshot(t.Context(), "room")
		if err != nil || got.Position != snapshot.Position || string(got.Data) != `{}` {
			t.Errorf("Snapshot = %+v, %v, want %+v", got, err, snapshot)
		}

		put(t, f, "room", "a", 101)
		wantSame(t, contents(t, f.primary, "room"), contents(t, f, "room"))
	})

	// A batch with a key is not written again by a retry that comes after the move (I1).
	t.Run("keys", func(t *testing.T) {
		f := newFixture(t)
		put(t, f, "room", "a", 1)
		batch := flow.Batch{Key: "k"}
		for n := range uint64(50) {
			batch.Operations = append(batch.Operations, operation("post", n+1))
		}
		first, err := f.Append(t.Context(), "room", batch)
		if err != nil {
			t.Fatal(err)
		}
		put(t, f, "room", "a", 2)

		promote(t, f)
		again, err := f.Append(t.Context(), "room", batch)
		if err != nil || fmt.Sprint(again) != fmt.Sprint(first) {
			t.Errorf("Append again = %+v, %v, want %+v", again, err, first)
		}
		if got := len(contents(t, f.primary, "room")); got != 52 {
			t.Errorf("the log has %d operations, want 52", got)
		}
	})
}

func TestStandby_PromoteOver(t *testing.T) {
	// A room that nobody used before is on the primary from its first operation.
	t.Run("new room", func(t *testing.T) {
		f := newFixture(t)
		promote(t, f)
		put(t, f, "room", "a", 1)
		if got := len(contents(t, f.primary, "room")); got != 1 {
			t.Errorf("the primary has %d operations, want 1", got)
		}
	})

	// A room that was looked at and never written to goes over, whatever the primary has.
	t.Run("empty room", func(t *testing.T) {
		f := newFixtureOver(t, memx.NewLog(memx.LogConfig{OperationLimit: 2}), memx.LogConfig{})
		stop := f.Follow("room", func(flow.Feed) {})
		defer stop()
		for n := range uint64(9) {
			put(t, f.primary, "room", "x", n+1)
		}
		promote(t, f)
		if got, want := head(t, f), head(t, f.primary); got != want || got.Seq != 9 {
			t.Errorf("head = %v, want the primary's, %v", got, want)
		}
	})

	// A copy that broke off is taken up where it ended.
	t.Run("partial copy", func(t *testing.T) {
		f := newFixture(t)
		for n := range uint64(10) {
			put(t, f, "room", "a", n+1)
			if n < 4 {
				put(t, f.primary, "room", "a", n+1)
			}
		}
		promote(t, f)
		wantSame(t, contents(t, f.primary, "room"), contents(t, f.memory, "room"))
	})

	// A primary that has all of ours and more is simply followed.
	t.Run("primary ahead", func(t *testing.T) {
		f := newFixture(t)
		put(t, f, "room", "a", 1)
		put(t, f.primary, "room", "a", 1)
		put(t, f.primary, "room", "b", 1)
		promote(t, f)
		if got := len(contents(t, f, "room")); got != 2 {
			t.Errorf("the log has %d operations, want the primary's 2", got)
		}
	})
}

func wantSame(t testing.TB, got, want []flow.Operation) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d operations, want %d", len(got), len(want))
	}
	for i := range got {
		if fmt.Sprint(got[i]) != fmt.Sprint(want[i]) {
			t.Fatalf("operation %d = %+v, want %+v", i, got[i], want[i])
		}
	}
}

func TestStandby_PromoteKeeps(t *testing.T) {
	// A room that has another log on the primary stays in memory and goes on there; that is told once,
	// and the other log is left as it is (I1).
	for name, theirs := range map[string]int{"shorter": 1, "equally long": 3, "longer": 5} {
		t.Run("other log, "+name, func(t *testing.T) {
			f := newFixture(t)
			for n := range uint64(3) {
				put(t, f, "room", "a", n+1)
			}
			for n := range uint64(theirs) {
				put(t, f.primary, "room", "x", n+1)
			}
			promote(t, f)
			promote(t, f)
			put(t, f, "room", "a", 4)
			here, there := len(contents(t, f, "room")), len(contents(t, f.primary, "room"))
			if here != 4 || there != theirs {
				t.Errorf("%d operations here and %d there, want 4 and %d", here, there, theirs)
			}
			if n := strings.Count(f.logged.String(), "a room stays in memory"); n != 1 {
				t.Errorf("told %d times, want once: %s", n, f.logged)
			}
			put(t, f, "other", "a", 1)
			if got := len(contents(t, f.primary, "other")); got != 1 {
				t.Errorf("another room has %d operations on the primary, want 1", got)
			}
		})
	}

	// A log whose beginning is trimmed cannot be written again, and stays.
	t.Run("trimmed", func(t *testing.T) {
		f := newFixtureOver(t, memx.NewLog(memx.LogConfig{}), memx.LogConfig{OperationLimit: 2})
		for n := range uint64(9) {
			put(t, f, "room", "a", n+1)
		}
		promote(t, f)
		if got := head(t, f).Seq; got != 9 {
			t.Errorf("head = %d, want 9", got)
		}
		if !strings.Contains(f.logged.String(), "trimmed") {
			t.Errorf("the log does not say why: %s", f.logged)
		}
	})
}

// A room that was deleted on one side is deleted on both.
func TestStandby_PromoteDeleted(t *testing.T) {
	wantDeleted := func(t *testing.T, f *fixture) {
		t.Helper()
		for name, l := range map[string]flow.Log{"standby": f, "primary": f.primary} {
			if _, err := l.Read(t.Context(), "room", flow.Query{}); flow.ErrorCode(err) != flow.CodeRoomDeleted {
				t.Errorf("%s: Read: %v, want %s", name, err, flow.CodeRoomDeleted)
			}
		}
	}
	t.Run("in memory", func(t *testing.T) {
		f := newFixture(t)
		put(t, f.primary, "room", "x", 1)
		if err := f.Delete(t.Context(), "room"); err != nil {
			t.Fatal(err)
		}
		promote(t, f)
		wantDeleted(t, f)
	})
	t.Run("on the primary", func(t *testing.T) {
		f := newFixture(t)
		put(t, f, "room", "a", 1)
		feeds := follow(t, f, "room")
		if err := f.primary.Delete(t.Context(), "room"); err != nil {
			t.Fatal(err)
		}
		promote(t, f)
		wantDeleted(t, f)
		feeds.want(t, "a feed after the move", func(f flow.Feed) bool { return f.Gap || f.Deleted })
	})
}
