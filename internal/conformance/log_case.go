package conformance

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/fiberflow/flow"
)

const (
	// room is the room that a case speaks about when it names none.
	room = "room"
	// noon is the time of operations whose time does not matter.
	noon = 1_760_000_000_000
	// beyond is a seq that no log of these cases reaches.
	beyond = 1 << 40
)

// logTest is one case under way, with the words that cases are told in. What they do, they do in room
// and through the first handle.
type logTest struct {
	*testing.T

	one, other flow.Log
	settings   LogSettings
}

// op returns the operation n of a session; its data says which it is.
func op(session string, n uint64) flow.Operation {
	return flow.Operation{
		Session: session, N: n, User: "user of " + session, Time: noon,
		Data: fmt.Appendf(nil, `{"session":%q,"n":%d}`, session, n),
	}
}

// ops returns the operations from to to of a session.
func ops(session string, from, to uint64) []flow.Operation {
	var list []flow.Operation
	for n := from; n <= to; n++ {
		list = append(list, op(session, n))
	}
	return list
}

// append adds operations, without a fence.
func (t *logTest) append(list ...flow.Operation) []flow.Appended {
	t.Helper()
	return t.appendTo(t.one, flow.Batch{Operations: list})
}

func (t *logTest) appendTo(l flow.Log, b flow.Batch) []flow.Appended {
	t.Helper()
	answers, err := l.Append(t.Context(), room, b)
	if err != nil {
		t.Fatalf("Append: %v", err)
	}
	if len(answers) != len(b.Operations) {
		t.Fatalf("Append gave %d answers for %d operations", len(answers), len(b.Operations))
	}
	return answers
}

// confirm adds operations that must be confirmed, and returns them with their places.
func (t *logTest) confirm(list ...flow.Operation) []flow.Operation {
	t.Helper()
	placed := slices.Clone(list)
	for i, a := range t.append(list...) {
		if a.Status != flow.Confirmed {
			t.Fatalf("operation %d (%s, %d): %+v, want confirmed", i, list[i].Session, list[i].N, a)
		}
		placed[i].Seq, placed[i].Hash = a.Seq, a.Hash
	}
	return placed
}

// try adds a batch of one new operation with the given fence.
func (t *logTest) try(fence flow.Position) error {
	t.Helper()
	_, err := t.one.Append(t.Context(), room, flow.Batch{
		Fence: fence, Operations: []flow.Operation{op("trying", 1)},
	})
	return err
}

func (t *logTest) read(q flow.Query) flow.Page {
	t.Helper()
	page, err := t.one.Read(t.Context(), room, q)
	if err != nil {
		t.Fatalf("Read(%+v): %v", q, err)
	}
	return page
}

// facts reads what is known about the room, and no operations.
func (t *logTest) facts(session string) flow.Page {
	t.Helper()
	return t.read(flow.Query{After: flow.Position{Seq: beyond}, Unchecked: true, Sessions: []string{session}})
}

// all reads every operation kept, and checks that they are linked from base to head (I2).
func (t *logTest) all() []flow.Operation {
	t.Helper()
	return readAll(t, t.one, room)
}

func readAll(t testing.TB, l flow.Log, room string) []flow.Operation {
	t.Helper()
	page, err := l.Read(t.Context(), room, flow.Query{After: flow.Position{Seq: beyond}, Unchecked: true})
	if err != nil {
		t.Fatalf("Read of the facts: %v", err)
	}
	var list []flow.Operation
	at, head := page.Base, page.Head
	for at != head {
		page, err := l.Read(t.Context(), room, flow.Query{After: at, Limit: 100})
		if err != nil || len(page.Operations) == 0 {
			t.Fatalf("Read after %v: %d operations, %v; the head is %v", at, len(page.Operations), err, head)
		}
		for _, o := range page.Operations {
			if !o.Follows(at) {
				t.Fatalf("operation %v (%s, %d) does not follow %v", o.Position(), o.Session, o.N, at)
			}
			at = o.Position()
		}
		list = append(list, page.Operations...)
	}
	return list
}

// wantAll checks that the log is exactly these operations.
func (t *logTest) wantAll(want []flow.Operation) {
	t.Helper()
	wantOperations(t, t.all(), want)
}

func wantOperations(t testing.TB, got, want []flow.Operation) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d operations, want %d", len(got), len(want))
	}
	for i := range got {
		if !sameOperation(got[i], want[i]) {
			t.Fatalf("operation %d is %+v, want %+v", i, got[i], want[i])
		}
	}
}

func sameOperation(a, b flow.Operation) bool {
	sameIdentity := a.Session == b.Session && a.N == b.N && a.User == b.User && a.Time == b.Time
	return sameIdentity && a.Position() == b.Position() && bytes.Equal(a.Data, b.Data)
}

func wantCode(t testing.TB, err error, want flow.Code) {
	t.Helper()
	if err == nil || flow.ErrorCode(err) != want {
		t.Errorf("error is %v, want code %s", err, want)
	}
}

func wantError(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error is %v, want %v", err, want)
	}
}

func want[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}
