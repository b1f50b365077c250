package conformance

import (
	"bytes"
	"strings"
	"sync"

	"github.com/fiberflow/flow"
)

func snapshotCases() []logCase {
	return []logCase{
		{name: "none", run: testSnapshotNone},
		{name: "newest", run: testSnapshotNewest},
		{name: "older", run: testSnapshotOlder},
		{name: "diverged", run: testSnapshotDiverged},
		{name: "trimmed", settings: LogSettings{OperationLimit: 4}, run: testSnapshotTrimmed},
		{name: "at zero", run: testSnapshotZero},
		{name: "data", run: testSnapshotData},
		{name: "at once", run: testSnapshotAtOnce},
	}
}

// save stores a snapshot that must be accepted.
func (t *logTest) save(p flow.Position, text string) {
	t.Helper()
	if err := t.one.SaveSnapshot(t.Context(), room, flow.Snapshot{Position: p, Data: []byte(text)}); err != nil {
		t.Fatalf("SaveSnapshot at %v: %v", p, err)
	}
}

// wantSnapshot checks the room's snapshot as every instance sees it.
func (t *logTest) wantSnapshot(p flow.Position, text string) {
	t.Helper()
	for _, log := range []flow.Log{t.one, t.other} {
		s, err := log.Snapshot(t.Context(), room)
		if err != nil {
			t.Fatalf("Snapshot: %v", err)
		}
		if s.Position != p || !bytes.Equal(s.Data, []byte(text)) {
			t.Errorf("Snapshot at %v has %d bytes, want it at %v with %d", s.Position, len(s.Data), p, len(text))
		}
	}
	want(t, "Page.Snapshot", t.facts("").Snapshot, p)
}

// A room without a snapshot answers CodeNotFound, also one without a log.
func testSnapshotNone(t *logTest) {
	_, err := t.one.Snapshot(t.Context(), room)
	wantCode(t, err, flow.CodeNotFound)
	t.confirm(ops("a", 1, 3)...)
	_, err = t.one.Snapshot(t.Context(), room)
	wantCode(t, err, flow.CodeNotFound)
	want(t, "Page.Snapshot", t.facts("").Snapshot, flow.Position{})
}

// A snapshot at or after the stored one takes its place.
func testSnapshotNewest(t *logTest) {
	sent := t.confirm(ops("a", 1, 5)...)
	t.save(sent[1].Position(), `"at 2"`)
	t.wantSnapshot(sent[1].Position(), `"at 2"`)
	t.save(sent[1].Position(), `"at 2 again"`)
	t.wantSnapshot(sent[1].Position(), `"at 2 again"`)
	t.save(sent[4].Position(), `"at 5"`)
	t.wantSnapshot(sent[4].Position(), `"at 5"`)
	t.wantAll(sent)
}

// One that is older than the stored one is dropped without an error, in the log or not.
func testSnapshotOlder(t *logTest) {
	sent := t.confirm(ops("a", 1, 5)...)
	t.save(sent[2].Position(), `"at 3"`)
	t.save(sent[1].Position(), `"at 2"`)
	t.save(flow.Position{Seq: 2, Hash: 1}, `"nowhere"`)
	t.wantSnapshot(sent[2].Position(), `"at 3"`)
}

// A position that is not in the log is CodeDiverged, and the stored snapshot stays.
func testSnapshotDiverged(t *logTest) {
	nowhere := func(p flow.Position) {
		t.Helper()
		err := t.one.SaveSnapshot(t.Context(), room, flow.Snapshot{Position: p, Data: []byte(`"nowhere"`)})
		wantCode(t, err, flow.CodeDiverged)
	}
	nowhere(flow.Position{Seq: 1, Hash: 1})
	sent := t.confirm(ops("a", 1, 5)...)
	nowhere(flow.Position{Seq: 1, Hash: sent[0].Hash ^ 1})
	t.save(sent[2].Position(), `"at 3"`)
	for _, p := range []flow.Position{
		{Seq: 3, Hash: 1}, {Seq: 5, Hash: sent[3].Hash}, {Seq: 6, Hash: 1}, {Seq: beyond, Hash: sent[4].Hash},
	} {
		nowhere(p)
	}
	t.wantSnapshot(sent[2].Position(), `"at 3"`)
}

// A position below the first operation kept is not in the log; the one right before it is.
func testSnapshotTrimmed(t *logTest) {
	sent := t.confirm(ops("a", 1, 9)...)
	for _, p := range []flow.Position{sent[3].Position(), {Seq: 5, Hash: 1}} {
		err := t.one.SaveSnapshot(t.Context(), room, flow.Snapshot{Position: p, Data: []byte(`{}`)})
		wantCode(t, err, flow.CodeDiverged)
	}
	t.save(sent[4].Position(), `"at 5"`)
	t.wantSnapshot(sent[4].Position(), `"at 5"`)
}

// At the zero position every room starts with nothing: a snapshot there is dropped without an error.
func testSnapshotZero(t *logTest) {
	for range 2 {
		t.save(flow.Position{}, `"nothing"`)
		_, err := t.one.Snapshot(t.Context(), room)
		wantCode(t, err, flow.CodeNotFound)
		t.append(op("a", 1))
	}
}

// The state of a room may be large, and is as opaque as an operation's data.
func testSnapshotData(t *logTest) {
	sent := t.confirm(ops("a", 1, 2)...)
	for _, text := range []string{`null`, "\x00\xff\r\n{}", strings.Repeat("x", 1<<20)} {
		t.save(sent[1].Position(), text)
		t.wantSnapshot(sent[1].Position(), text)
	}
}

// Of snapshots that are saved at once, the newest stays.
func testSnapshotAtOnce(t *logTest) {
	sent := t.confirm(ops("a", 1, 16)...)
	var running sync.WaitGroup
	for i, o := range sent {
		running.Go(func() {
			log := []flow.Log{t.one, t.other}[i%2]
			s := flow.Snapshot{Position: o.Position(), Data: o.Data}
			if err := log.SaveSnapshot(t.Context(), room, s); err != nil {
				t.Errorf("SaveSnapshot: %v", err)
			}
		})
	}
	running.Wait()
	t.wantSnapshot(sent[15].Position(), string(sent[15].Data))
}
