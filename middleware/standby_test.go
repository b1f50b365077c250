package middleware

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/conformance"
	"github.com/fiberflow/flow/memx"
	"github.com/fiberflow/flow/redisx"
)

// fixture is a standby over two logs that the test can see.
type fixture struct {
	*standby
	primary, memory flow.Log
	logged          *strings.Builder
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	return newFixtureOver(t, memx.NewLog(memx.LogConfig{}), memx.LogConfig{})
}

func newFixtureOver(t testing.TB, primary flow.Log, c memx.LogConfig) *fixture {
	t.Helper()
	f := &fixture{primary: primary, memory: memx.NewLog(c), logged: &strings.Builder{}}
	f.standby = newStandby(primary, f.memory, slog.New(slog.NewTextHandler(f.logged, nil)))
	return f
}

// put appends one operation of a session, without a fence.
func put(t testing.TB, l flow.Log, room, session string, n uint64) {
	t.Helper()
	answers, err := l.Append(t.Context(), room, flow.Batch{Operations: []flow.Operation{operation(session, n)}})
	if err != nil || answers[0].Status != flow.Confirmed {
		t.Fatalf("Append(%s, %s, %d) = %+v, %v", room, session, n, answers, err)
	}
}

func operation(session string, n uint64) flow.Operation {
	return flow.Operation{
		Session: session, N: n, User: "u", Time: 1_760_000_000_000, Data: fmt.Appendf(nil, `[%q,%d]`, session, n),
	}
}

// contents reads a whole log, and checks that it is linked (I2).
func contents(t testing.TB, l flow.Log, room string) []flow.Operation {
	t.Helper()
	var at flow.Position
	var all []flow.Operation
	for {
		page, err := l.Read(t.Context(), room, flow.Query{After: at, Limit: 100})
		if err != nil {
			t.Fatalf("Read(%s): %v", room, err)
		}
		if len(page.Operations) == 0 {
			return all
		}
		for _, op := range page.Operations {
			if !op.Follows(at) {
				t.Fatalf("%v does not follow %v", op.Position(), at)
			}
			at = op.Position()
		}
		all = append(all, page.Operations...)
	}
}

// head returns where the log of room "room" ends.
func head(t testing.TB, l flow.Log) flow.Position {
	t.Helper()
	page, err := facts(t.Context(), l, "room")
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	return page.Head
}

func promote(t testing.TB, f *fixture) {
	t.Helper()
	if err := f.promote(t.Context()); err != nil {
		t.Fatalf("promote: %v", err)
	}
}

// healthy is a log whose health is not asked about.
type healthy struct{ flow.Log }

func (healthy) Health() flow.Health {
	return flow.Health{Backend: "any", State: flow.Live, Since: time.Now(), LastProof: time.Now()}
}

// A standby keeps the contract of flow.Log before Redis was ever there and after; what it says of
// itself before is the matter of TestStandby_Health.
func TestStandby_Conformance(t *testing.T) {
	t.Run("primary live", func(t *testing.T) {
		conformance.Log(t, func(t *testing.T, s conformance.LogSettings) (one, other flow.Log) {
			t.Helper()
			f := newFixtureOver(t, memx.NewLog(memx.LogConfig(s)), memx.LogConfig{})
			promote(t, f)
			return f, f
		})
	})
	t.Run("primary dead", func(t *testing.T) {
		dead := deadLog(t)
		conformance.Log(t, func(t *testing.T, s conformance.LogSettings) (one, other flow.Log) {
			t.Helper()
			f := newFixtureOver(t, dead, memx.LogConfig(s))
			return healthy{f}, healthy{f}
		})
	})
}

// deadLog is a log on a Redis that does not exist.
func deadLog(t *testing.T) flow.Log {
	t.Helper()
	conn, err := redisx.Open(t.Context(), redisx.Config{
		Addrs: []string{"127.0.0.1:1"}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return redisx.NewLog(conn)
}

// What a standby says of itself: degraded and from memory until Redis is there, recovering while a
// room is still in memory, and then whatever Redis says.
func TestStandby_Health(t *testing.T) {
	f := newFixture(t)
	want := func(state flow.State, serving string) {
		t.Helper()
		if h := f.Health(); h.State != state || h.Serving != serving || h.Since.IsZero() {
			t.Errorf("Health = %+v, want %s, serving %q", h, state, serving)
		}
	}
	want(flow.Degraded, "memory")
	put(t, f, "room", "a", 1)
	want(flow.Degraded, "memory")
	put(t, f.primary, "room", "b", 1)
	promote(t, f)
	want(flow.Recovering, "memory")

	f = newFixture(t)
	put(t, f, "room", "a", 1)
	promote(t, f)
	want(flow.Live, "")
}
