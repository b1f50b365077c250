package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fiberflow/flow"
)

// rows returns the rows of a room in order.
func (a *archive) rows(t *testing.T, room string) []entry {
	t.Helper()
	rows, err := a.db.QueryContext(t.Context(),
		`SELECT seq, hash, session, n, user, time, data FROM operations WHERE room = ? ORDER BY seq`, room)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var all []entry
	for rows.Next() {
		var e entry
		var data []byte
		if err := rows.Scan(&e.Seq, &e.Hash, &e.Session, &e.N, &e.User, &e.Time, &data); err != nil {
			t.Fatal(err)
		}
		e.Data = data
		all = append(all, e)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func (a *archive) count(t *testing.T, table string) (rows int) {
	t.Helper()
	if err := a.db.QueryRowContext(t.Context(), `SELECT count(*) FROM `+table).Scan(&rows); err != nil {
		t.Fatal(err)
	}
	return rows
}

// wantData checks the data of a room's rows.
func (a *archive) wantData(t *testing.T, want ...string) {
	t.Helper()
	var got []string
	for _, e := range a.rows(t, "plan") {
		got = append(got, string(e.Data))
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the rows are %v, want %v", got, want)
	}
}

// after returns a stretch of the room "plan" that follows a position.
func after(p flow.Position, data ...string) flow.Committed {
	c := flow.Committed{Room: "plan", After: p}
	for i, text := range data {
		op := flow.Operation{Session: "s", N: uint64(i) + 1, User: "ann", Time: 7, Data: []byte(text)}
		p = p.Next(op.Session, op.N, flow.DigestOf(op.Data))
		op.Seq, op.Hash = p.Seq, p.Hash
		c.Operations = append(c.Operations, op)
	}
	return c
}

func end(c flow.Committed) flow.Position { return c.Operations[len(c.Operations)-1].Position() }

func begin(t *testing.T) *archive {
	t.Helper()
	a, err := openArchive(t.Context(), filepath.Join(t.TempDir(), "archive.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.close() })
	return a
}

func (a *archive) mustWrite(t *testing.T, stretches ...flow.Committed) {
	t.Helper()
	for _, c := range stretches {
		if err := a.write(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
}

// A stretch that comes again, also a part of one, changes nothing.
func TestArchive_Again(t *testing.T) {
	a := begin(t)
	first := after(flow.Position{}, "1", "2", "3")
	second := after(end(first), "4", "5")
	longer := flow.Committed{Room: "plan", Operations: append(first.Operations[:3:3], second.Operations...)}
	a.mustWrite(t, first, first, second, first, longer)
	a.wantData(t, "1", "2", "3", "4", "5")
	if a.count(t, "replaced")+a.count(t, "missed") != 0 {
		t.Error("something was replaced or missed")
	}
}

// What Redis lost for good makes room for what came in its place, and is kept beside it.
func TestArchive_Rewound(t *testing.T) {
	a := begin(t)
	first := after(flow.Position{}, "1", "2")
	lost := after(end(first), "3", "4")
	other := after(end(first), "three")
	other.Rewound = true
	a.mustWrite(t, first, lost, other, other)
	a.wantData(t, "1", "2", "three")
	if got := a.count(t, "replaced"); got < 2 {
		t.Errorf("%d rows were set aside, want the two that were lost", got)
	}
}

// A room that was deleted, or ended with its TTL, and began anew has other operations in the same places:
// its hashes tell, although nothing else does.
func TestArchive_BegunAnew(t *testing.T) {
	a := begin(t)
	first := after(flow.Position{}, "1", "2", "3", "4")
	a.mustWrite(t, first, after(flow.Position{}, "1", "two"))
	a.wantData(t, "1", "two")
	if got := a.count(t, "replaced"); got != 3 {
		t.Errorf("%d rows were set aside, want 3", got)
	}

	// It may be noticed only behind what was trimmed away.
	elsewhere := after(flow.Position{}, "a", "b")
	trimmed := after(end(elsewhere), "c")
	trimmed.Missed = 2
	a.mustWrite(t, trimmed)
	a.wantData(t, "c")
}

// What was trimmed away before it came is noted once, with its place.
func TestArchive_Missed(t *testing.T) {
	a := begin(t)
	first := after(flow.Position{}, "1")
	gone := after(end(first), "2", "3", "4")
	next := after(end(gone), "5")
	next.Missed = 3
	a.mustWrite(t, first, next, next)
	a.wantData(t, "1", "5")
	var before, count int
	row := a.db.QueryRowContext(t.Context(), `SELECT before, count FROM missed WHERE room = 'plan'`)
	err := row.Scan(&before, &count)
	if err != nil || before != 5 || count != 3 || a.count(t, "missed") != 1 {
		t.Errorf("missed is (%d, %d), %v, want (5, 3) once", before, count, err)
	}
}

// A stretch that cannot be written whole leaves nothing behind, and the error says so.
func TestArchive_Refused(t *testing.T) {
	a := begin(t)
	c := after(flow.Position{}, "1", "2")
	c.Operations[1].Data = nil
	if err := a.write(t.Context(), c); err == nil || !strings.Contains(err.Error(), "NOT NULL") {
		t.Errorf("error = %v, want one about data", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.write(ctx, after(flow.Position{}, "1")); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want that the context has ended", err)
	}
	a.wantData(t)
	a.mustWrite(t, after(flow.Position{}, "1", "2"))
	a.wantData(t, "1", "2")
}
