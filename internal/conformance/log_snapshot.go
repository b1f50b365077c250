package conformance

import (
	"bytes"
	"fmt"
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
		{name: "at once in one place", run: testSnapshotOnePlace},
		{name: "while the log goes on", settings: LogSettings{OperationLimit: 8}, run: testSnapshotMeanwhile},
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

// Of snapshots that are saved at once at one position, one stays, as it was sent.
func testSnapshotOnePlace(t *logTest) {
	sent := t.confirm(ops("a", 1, 3)...)
	var running sync.WaitGroup
	texts := make(map[string]bool)
	for i := range 12 {
		text := strings.Repeat(fmt.Sprint(i, " "), 1000*(i+1))
		texts[text] = true
		running.Go(func() {
			s := flow.Snapshot{Position: sent[1].Position(), Data: []byte(text)}
			wantError(t, []flow.Log{t.one, t.other}[i%2].SaveSnapshot(t.Context(), room, s), nil)
		})
	}
	running.Wait()
	s, err := t.one.Snapshot(t.Context(), room)
	wantError(t, err, nil)
	want(t, "the snapshot is one of those that were sent", texts[string(s.Data)], true)
	t.wantSnapshot(sent[1].Position(), string(s.Data))
}

// stateAt returns a snapshot whose data tell where it was taken, from end to end.
func stateAt(p flow.Position) flow.Snapshot {
	return flow.Snapshot{Position: p, Data: bytes.Repeat([]byte(p.String()+" "), 1000)}
}

// While others append, so that the log is trimmed, and save, whoever asks for the snapshot gets a whole
// one, and none that is older than the one before.
func testSnapshotMeanwhile(t *logTest) {
	first := t.confirm(op("first", 1))
	wantError(t, t.one.SaveSnapshot(t.Context(), room, stateAt(endOf(first))), nil)
	var running sync.WaitGroup
	running.Go(func() { t.writer(1, 60) })
	for _, log := range []flow.Log{t.one, t.other} {
		running.Go(func() { t.saveHeads(log, 40) })
		running.Go(func() { t.wantNewer(log, 60) })
	}
	running.Wait()
	head := t.facts("").Head
	wantError(t, t.other.SaveSnapshot(t.Context(), room, stateAt(head)), nil)
	t.wantSnapshot(head, string(stateAt(head).Data))
}

// saveHeads saves snapshots at the head, wherever it is, unless it was trimmed away meanwhile.
func (t *logTest) saveHeads(log flow.Log, times int) {
	for range times {
		page, err := log.Read(t.Context(), room, flow.Query{After: flow.Position{Seq: beyond}, Unchecked: true})
		if err == nil {
			err = log.SaveSnapshot(t.Context(), room, stateAt(page.Head))
		}
		if err != nil {
			wantCode(t, err, flow.CodeDiverged)
		}
	}
}

// wantNewer reads snapshots, each of which must be whole and not older than the one before.
func (t *logTest) wantNewer(log flow.Log, times int) {
	var last uint64
	for range times {
		s, err := log.Snapshot(t.Context(), room)
		if err != nil || s.Position.Seq < last || !bytes.Equal(s.Data, stateAt(s.Position).Data) {
			t.Errorf("Snapshot at %v has %d bytes after one at %d, %v", s.Position, len(s.Data), last, err)
			return
		}
		last = s.Position.Seq
	}
}
