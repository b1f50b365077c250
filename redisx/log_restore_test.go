package redisx_test

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/redistest"
	"github.com/fiberflow/flow/redisx"
)

// chain returns operations one after the other behind a position, each by a session of its own.
func chain(at flow.Position, count, bytesEach int) []flow.Operation {
	list := make([]flow.Operation, count)
	for i := range list {
		o := op(fmt.Sprint("session-", i), 7) // the ones before were trimmed away
		o.Data = bytes.Repeat([]byte{'x'}, bytesEach)
		at = at.Next(o.Session, o.N, flow.DigestOf(o.Data))
		o.Seq, o.Hash = at.Seq, at.Hash
		list[i] = o
	}
	return list
}

// A log that Redis lost is written again from the rings of instances, in batches of 256 operations from
// the newest to the oldest, at the same positions (I1); when it has settled, it goes on.
func TestLog_Restore_Ring(t *testing.T) {
	client, prefix := shared.Server(t).Client(t), redistest.Prefix(t)
	ordering := redisx.NewLog(open(t, redisx.Config{Prefix: prefix, Settle: 200 * time.Millisecond}))
	r := follow(t, ordering, "room")
	base := flow.Position{Seq: 5000, Hash: 1}
	ring := chain(base, 1024, 1000)
	last := map[string]uint64{}
	for i := range 3000 {
		last[fmt.Sprint("earlier-", i)] = uint64(i) + 1
	}
	before := r.gapsTold()
	for from := 768; from >= 0; from -= 256 {
		batch := flow.Batch{Restore: true, Fence: base, Operations: ring[from : from+256], Sessions: last}
		if from > 0 {
			batch.Fence = ring[from-1].Position()
		}
		answers, err := ordering.Append(t.Context(), "room", batch)
		if err != nil || len(answers) != 256 || answers[255].Hash != ring[from+255].Hash {
			t.Fatalf("restore from %d: %d answers, %v", from, len(answers), err)
		}
	}
	eventually(t, "followers are told of a gap", func() bool { return r.gapsTold() > before })
	page, err := ordering.Read(t.Context(), "room", flow.Query{After: base, Sessions: []string{"earlier-2999"}})
	if err != nil || page.Base != base || page.Head != ring[1023].Position() || page.Last["earlier-2999"] != 3000 ||
		page.Restored < time.Now().Add(-time.Minute).UnixMilli() {
		t.Errorf("Read = %+v, %v", page, err)
	}
	if got := readFrom(t, ordering, base); len(got) != 1024 || !bytes.Equal(got[300].Data, ring[300].Data) {
		t.Errorf("%d operations, want 1024", len(got))
	}
	wantKeys(t, client, prefix, "{room}:head", "{room}:ops")
	wantOneTTL(t, client, prefix+":{room}:")

	eventually(t, "the log has settled", func() bool {
		batch := flow.Batch{Fence: page.Head, Operations: []flow.Operation{op("session-1023", 8), op("earlier-0", 2)}}
		answers, err := ordering.Append(t.Context(), "room", batch)
		if err != nil && !errors.Is(err, flow.ErrSettling) {
			t.Fatalf("Append: %v", err)
		}
		return err == nil && answers[1].Status == flow.Confirmed
	})
}

// A snapshot that outlived its log is told of as soon as its position is in the log again, and not before;
// one from before what was restored is dropped.
func TestLog_Restore_Snapshot(t *testing.T) {
	client := shared.Server(t).Client(t)
	for at, kept := range map[int]bool{2: false, 4: true, 6: true} {
		t.Run(fmt.Sprint("at ", at), func(t *testing.T) {
			prefix := redistest.Prefix(t)
			ordering := redisx.NewLog(open(t, redisx.Config{Prefix: prefix, Settle: -1}))
			sent := chain(flow.Position{}, 8, 10)
			restore := func(from, to int) {
				fence := sent[from-1].Position()
				batch := flow.Batch{Restore: true, Fence: fence, Operations: sent[from:to]}
				if _, err := ordering.Append(t.Context(), "room", batch); err != nil {
					t.Fatalf("restore %d to %d: %v", from, to, err)
				}
			}
			restore(1, 8)
			save(t, ordering, "room", sent[at-1].Position())
			if err := client.Del(t.Context(), prefix+":{room}:head", prefix+":{room}:ops").Err(); err != nil {
				t.Fatalf("Del: %v", err)
			}
			if _, err := ordering.Snapshot(t.Context(), "room"); flow.ErrorCode(err) != flow.CodeNotFound {
				t.Errorf("Snapshot without a log: %v", err)
			}
			restore(4, 5)
			wantSnapshot(t, ordering, kept && at == 4)
			restore(5, 8)
			wantSnapshot(t, ordering, kept)
			if n, err := client.Exists(t.Context(), prefix+":{room}:snap").Result(); err != nil || (n == 1) != kept {
				t.Errorf("%d snapshots kept, %v, want that: %v", n, err, kept)
			}
		})
	}
}

// A snapshot that is not in the log does not keep a newer one of the log from being stored.
func TestLog_Restore_StaleSnapshot(t *testing.T) {
	client, prefix := shared.Server(t).Client(t), redistest.Prefix(t)
	ordering := redisx.NewLog(open(t, redisx.Config{Prefix: prefix}))
	at := confirm(t, ordering, "room", "a", 1)
	stale := []any{"seq", 9, "hash", at.Hash.String(), "data", "9"}
	if err := client.HSet(t.Context(), prefix+":{room}:snap", stale...).Err(); err != nil {
		t.Fatalf("HSet: %v", err)
	}
	wantSnapshot(t, ordering, false)
	save(t, ordering, "room", at)
	wantSnapshot(t, ordering, true)
}

// A log that is restored while Redis has no memory left is refused whole, and stays as it was.
func TestLog_Restore_OutOfMemory(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	ordering := redisx.NewLog(open(t, redisx.Config{Addrs: []string{server.Addr()}, Prefix: "flow"}))
	sent := chain(flow.Position{}, 6, 10)
	restore := func(from, to int) error {
		batch := flow.Batch{Restore: true, Fence: sent[from-1].Position(), Operations: sent[from:to]}
		_, err := ordering.Append(t.Context(), "room", batch)
		return err
	}
	if err := restore(3, 6); err != nil {
		t.Fatalf("restore: %v", err)
	}
	client := server.Client(t)
	before := dump(t, client, "flow")
	limit(t, server, "1")
	wantCode(t, restore(1, 3), flow.CodeUnavailable)
	limit(t, server, "0")
	if after := dump(t, client, "flow"); after != before {
		t.Errorf("changed from\n%s\nto\n%s", before, after)
	}
	eventually(t, "it is restored", func() bool { return restore(1, 3) == nil })
	if got := readFrom(t, ordering, sent[0].Position()); len(got) != 5 {
		t.Errorf("%d operations, want 5", len(got))
	}
}

// readFrom reads all operations after a position, and checks that they are linked.
func readFrom(t testing.TB, l flow.Log, at flow.Position) []flow.Operation {
	t.Helper()
	var list []flow.Operation
	for {
		page, err := l.Read(t.Context(), "room", flow.Query{After: at, Limit: 1000})
		if err != nil {
			t.Fatalf("Read after %v: %v", at, err)
		}
		for _, o := range page.Operations {
			if !o.Follows(at) {
				t.Fatalf("%v does not follow %v", o.Position(), at)
			}
			at = o.Position()
		}
		list = append(list, page.Operations...)
		if at == page.Head {
			return list
		}
	}
}

// wantSnapshot checks that all who ask are told of a snapshot, or none.
func wantSnapshot(t testing.TB, l flow.Log, want bool) {
	t.Helper()
	s, err := l.Snapshot(t.Context(), "room")
	page, readErr := l.Read(t.Context(), "room", flow.Query{After: flow.Position{Seq: 1 << 40}, Unchecked: true})
	if (err == nil) != want || readErr != nil || page.Snapshot != s.Position {
		t.Errorf("Snapshot = %+v, %v, Read = %v, %v; want one: %v", s, err, page.Snapshot, readErr, want)
	}
}
