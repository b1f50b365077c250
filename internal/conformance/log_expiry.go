package conformance

import (
	"time"

	"github.com/fiberflow/flow"
)

func expiryCases() []logCase {
	return []logCase{
		{name: "idle", settings: LogSettings{OperationTTL: 100 * time.Millisecond}, run: testExpiryIdle},
		{name: "renewed", settings: LogSettings{OperationTTL: renewing}, run: testExpiryRenewed},
		{name: "renewed by reading", settings: LogSettings{OperationTTL: renewing}, run: testExpiryRead},
	}
}

// The log of an idle room vanishes after its TTL, with the snapshot and what it knew of sessions;
// reading does not keep it. An instance that knew it is told ErrNoLog.
func testExpiryIdle(t *logTest) {
	t.follow(t.one) // a room may be kept for its followers
	sent := t.confirm(ops("a", 1, 5)...)
	s := flow.Snapshot{Position: sent[2].Position(), Data: []byte(`{}`)}
	if err := t.one.SaveSnapshot(t.Context(), room, s); err != nil {
		wantCode(t, err, flow.CodeDiverged) // a slow machine: the log is gone already
	}
	eventually(t, "the log vanishes", func() bool {
		page, err := t.other.Read(t.Context(), room, flow.Query{Sessions: []string{"a"}})
		return err == nil && page.Head == flow.Position{} && page.Last["a"] == 0 && page.Snapshot == flow.Position{}
	})
	_, err := t.one.Snapshot(t.Context(), room)
	wantCode(t, err, flow.CodeNotFound)
	wantError(t, t.try(sent[4].Position()), flow.ErrNoLog)
	want(t, "seq of the first of a new log", t.confirm(op("a", 1))[0].Seq, 1)
}

// An append that confirms something and a snapshot that is stored renew the TTL of everything; an
// append of which all is refused, a probe and a read do not.
func testExpiryRenewed(t *logTest) {
	sent := t.confirm(ops("a", 1, 3)...)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("renewing: %v", err)
		}
	}
	for _, name := range []string{"saved", "idle"} {
		_, err := t.one.Append(t.Context(), name, flow.Batch{Operations: ops("a", 1, 3)})
		must(err)
	}
	saved := flow.Snapshot{Position: sent[0].Position(), Data: []byte(`{}`)} // same operations, same hash
	eventually(t, "the idle room vanishes", func() bool {
		sent = append(sent, t.confirm(op("a", uint64(len(sent))+1))...)
		must(t.one.SaveSnapshot(t.Context(), "saved", saved))
		_, err := t.one.Append(t.Context(), "idle", flow.Batch{Operations: ops("a", 2, 2)})
		must(err)
		page, err := t.other.Read(t.Context(), "idle", flow.Query{})
		must(err)
		return page.Head == flow.Position{}
	})
	t.wantAll(sent)
	want(t, "length of the room with a snapshot", len(readAll(t, t.one, "saved")), 3)
	s, err := t.one.Snapshot(t.Context(), "saved")
	must(err)
	want(t, "its position", s.Position, saved.Position)
}

// A read with Renew renews the TTL of everything, whatever else it asks for, and also when it is told that
// its position is not in the log; any other does not.
func testExpiryRead(t *logTest) {
	nowhere := flow.Position{Seq: 2, Hash: 1}
	renewing := map[string]flow.Query{
		"facts":   {Renew: true},
		"page":    {Renew: true, Limit: 10},
		"nowhere": {Renew: true, After: nowhere},
	}
	var at flow.Position
	for _, name := range []string{"facts", "page", "nowhere", room} {
		answers, err := t.one.Append(t.Context(), name, flow.Batch{Operations: ops("a", 1, 3)})
		wantError(t, err, nil)
		at = flow.Position{Seq: answers[2].Seq, Hash: answers[2].Hash} // in all of them
		wantError(t, t.one.SaveSnapshot(t.Context(), name, flow.Snapshot{Position: at, Data: []byte(`{}`)}), nil)
	}
	eventually(t, "the idle room vanishes", func() bool {
		for name, q := range renewing {
			if _, err := t.other.Read(t.Context(), name, q); err != nil {
				wantCode(t, err, flow.CodeDiverged)
			}
		}
		return t.read(flow.Query{Limit: 10}).Head == flow.Position{}
	})
	for name := range renewing {
		want(t, "length of the room "+name, len(readAll(t, t.one, name)), 3)
		page, err := t.one.Read(t.Context(), name, flow.Query{Sessions: []string{"a"}})
		wantError(t, err, nil)
		wantPage(t, page, flow.Page{Head: at, Snapshot: at, Last: map[string]uint64{"a": 3}})
		_, err = t.one.Snapshot(t.Context(), name)
		wantError(t, err, nil)
	}
}
