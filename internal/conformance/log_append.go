package conformance

import (
	"crypto/sha1" //nolint:gosec // fixed by the wire contract
	"encoding/hex"
	"fmt"

	"github.com/fiberflow/flow"
)

func appendCases() []logCase {
	return []logCase{
		{name: "confirmed in order", run: testConfirmed},
		{name: "hash chain", run: testHashChain},
		{name: "duplicate", run: testDuplicate},
		{name: "gap", run: testGap},
		{name: "each answered for itself", run: testMixedBatch},
		{name: "order of the batch", run: testBatchOrder},
		{name: "nothing", run: testAppendNothing},
		{name: "place ignored", run: testPlaceIgnored},
		{name: "rooms apart", run: testRoomsApart},
		{name: "one order for all instances", run: testOneOrder},
		{name: "long batch", run: testLongBatch},
	}
}

// Confirmed operations get seq 1, 2, 3 … in the order of the batches, and are read back as they were
// sent, with the places that were answered (I1).
func testConfirmed(t *logTest) {
	sent := t.confirm(op("a", 1), op("a", 2), op("b", 1))
	sent = append(sent, t.confirm(op("b", 2), op("a", 3))...)
	for i, o := range sent {
		want(t, "seq", o.Seq, uint64(i)+1)
	}
	t.wantAll(sent)
}

// The hash of every operation is that of protocol 1.4, here computed from its text alone.
func testHashChain(t *logTest) {
	first := op("s1", 1)
	first.Data = []byte(`{"x":1}`)
	sent := t.confirm(first, op("s2", 1), op("s1", 2))
	previous := "0000000000000000"
	for _, o := range sent {
		digest := sha1.Sum(o.Data) //nolint:gosec // see the import
		text := fmt.Sprintf("%s\n%s\n%d\n%s", previous, o.Session, o.N, hex.EncodeToString(digest[:]))
		sum := sha1.Sum([]byte(text)) //nolint:gosec // see the import
		previous = hex.EncodeToString(sum[:])[:16]
		want(t, "hash of "+o.Session, o.Hash.String(), previous)
	}
	want(t, "head", t.facts("").Head.String(), "3:"+previous)
	// A constant, so that suite and backend cannot be wrong together.
	want(t, "first hash", sent[0].Hash.String(), firstHash)
}

// firstHash is the first 16 digits of SHA-1("0000000000000000\ns1\n1\n" + SHA-1(`{"x":1}`)).
const firstHash = "1db59e3ef39f1976"

// An operation whose n is not above the session's last is refused as a duplicate with that last, and
// not written again (I1).
func testDuplicate(t *logTest) {
	sent := t.confirm(ops("a", 1, 3)...)
	for n := range uint64(4) {
		want(t, "answer", t.append(op("a", n))[0], flow.Appended{Status: flow.Duplicate, Last: 3})
	}
	want(t, "answer for n 0 of a new session", t.append(op("new", 0))[0], flow.Appended{Status: flow.Duplicate})
	t.wantAll(sent)
}

// An operation whose n is more than one above the session's last is refused as a gap with that last,
// and not written (I3).
func testGap(t *logTest) {
	sent := t.confirm(ops("a", 1, 3)...)
	want(t, "answer", t.append(op("a", 5))[0], flow.Appended{Status: flow.Gap, Last: 3})
	want(t, "answer", t.append(op("a", flow.MaxN))[0], flow.Appended{Status: flow.Gap, Last: 3})
	want(t, "answer for a new session", t.append(op("b", 2))[0], flow.Appended{Status: flow.Gap})
	t.wantAll(sent)
}

// Refused operations do not stop the others of their batch, and every answer tells the session's last
// after its operation.
func testMixedBatch(t *logTest) {
	t.confirm(ops("a", 1, 2)...)
	got := t.append(op("a", 2), op("b", 1), op("a", 4), op("a", 3), op("a", 4), op("b", 3))
	log := t.all()
	placed := func(seq int, last uint64) flow.Appended {
		return flow.Appended{Status: flow.Confirmed, Seq: uint64(seq), Hash: log[seq-1].Hash, Last: last}
	}
	expected := []flow.Appended{
		{Status: flow.Duplicate, Last: 2}, placed(3, 1), {Status: flow.Gap, Last: 2},
		placed(4, 3), placed(5, 4), {Status: flow.Gap, Last: 1},
	}
	for i := range expected {
		want(t, fmt.Sprintf("answer %d", i), got[i], expected[i])
	}
	want(t, "length of the log", len(log), 5)
}

// The operations of a batch get their places in the order of the batch, whatever their times say.
func testBatchOrder(t *logTest) {
	late, early := op("a", 1), op("b", 1)
	late.Time, early.Time = noon+1000, noon-1000
	t.wantAll(t.confirm(late, early))
}

// A batch of nothing, and one of which all is refused, is answered and leaves a room that was never
// written.
func testAppendNothing(t *logTest) {
	t.append()
	t.append(op("a", 2), op("b", 7))
	page := t.read(flow.Query{Limit: 10, Sessions: []string{"a"}})
	if len(page.Operations) != 0 || page.Head != (flow.Position{}) || page.Last["a"] != 0 {
		t.Errorf("Read = %+v, want an empty log", page)
	}
	wantError(t, t.try(flow.Position{Seq: 1, Hash: 1}), flow.ErrNoLog)
}

// What Seq and Hash of an operation say when it is sent does not matter.
func testPlaceIgnored(t *logTest) {
	o := op("a", 1)
	o.Seq, o.Hash = 77, 77
	sent := t.confirm(o)
	want(t, "seq", sent[0].Seq, 1)
	t.wantAll(sent)
}

// Rooms have logs, sessions and positions of their own (I6).
func testRoomsApart(t *logTest) {
	here := t.confirm(ops("a", 1, 3)...)
	names := []string{"Room", "room2", "roo", "r", "room:1", "room~._-:x", "0" + longName(127)}
	for _, name := range names {
		answers, err := t.one.Append(t.Context(), name, flow.Batch{Operations: ops("a", 1, 1)})
		if err != nil || answers[0].Status != flow.Confirmed || answers[0].Seq != 1 {
			t.Errorf("Append to %q: %+v, %v, want seq 1", name, answers, err)
		}
	}
	t.wantAll(here)
	for _, name := range names {
		want(t, "length of "+name, len(readAll(t, t.one, name)), 1)
	}
}

// Instances that share the log append to one order and see each other's operations (I2).
func testOneOrder(t *logTest) {
	var sent []flow.Operation
	for n := uint64(1); n <= 5; n++ {
		sent = append(sent, t.confirm(op("a", n))...)
		o := op("b", n)
		a := t.appendTo(t.other, flow.Batch{Fence: sent[len(sent)-1].Position(), Operations: []flow.Operation{o}})[0]
		o.Seq, o.Hash = a.Seq, a.Hash
		sent = append(sent, o)
		resent := t.appendTo(t.other, flow.Batch{Operations: ops("a", n, n)})[0]
		want(t, "answer elsewhere", resent.Status, flow.Duplicate)
	}
	t.wantAll(sent)
	wantOperations(t, readAll(t, t.other, room), sent)
}

// A batch may be long: what an instance kept through an outage comes at once.
func testLongBatch(t *logTest) {
	t.wantAll(t.confirm(ops("a", 1, 1024)...))
}

func longName(n int) string {
	name := make([]byte, n)
	for i := range name {
		name[i] = "abcXYZ019._:~-"[i%14]
	}
	return string(name)
}
