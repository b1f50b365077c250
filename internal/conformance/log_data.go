package conformance

import (
	"bytes"
	"slices"
	"strings"

	"github.com/fiberflow/flow"
)

func dataCases() []logCase {
	return []logCase{
		{name: "opaque", run: testDataOpaque},
		{name: "large", run: testDataLarge},
		{name: "names", run: testNames},
		{name: "times", run: testTimes},
		{name: "input untouched", run: testInputUntouched},
		{name: "output immutable", run: testOutputImmutable},
	}
}

// Data is opaque: what was sent is stored and read back byte for byte, whatever JSON makes of it, and
// the hash is over these bytes (I1).
func testDataOpaque(t *logTest) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	texts := []string{
		`null`, `""`, `0`, `-0.0`, `1e400`, `12345678901234567890123`, `[]`, `{"b":1,"a":1,"b":2}`,
		`"\u00e9\ud83d\ude00\/"`, `"é😀"`, `{"a":" white  space "}`, `"\n"`, "line\nline\r\n", "\x00", string(every),
		`{"__proto__":{"x":1}}`, "\xff\xfe", `$1 KEYS[1] %s {tag}`,
	}
	var sent []flow.Operation
	for i, text := range texts {
		o := op("a", uint64(i)+1)
		o.Data = []byte(text)
		sent = append(sent, t.confirm(o)...)
	}
	t.wantAll(sent)
	wantOperations(t, readAll(t, t.other, room), sent)
}

// An operation may have 64 KiB, and a hundred of them a page.
func testDataLarge(t *logTest) {
	var sent []flow.Operation
	for n := uint64(1); n <= 10; n++ {
		o := op("a", n)
		o.Data = bytes.Repeat([]byte{'"', byte('a' + n)}, 32<<10)
		sent = append(sent, t.confirm(o)...)
	}
	for n := uint64(1); n <= 100; n++ {
		o := op("b", n)
		o.Data = bytes.Repeat([]byte{byte(n)}, 650)
		sent = append(sent, o)
	}
	copy(sent[10:], t.confirm(sent[10:]...))
	t.wantAll(sent)
}

// Session and user ids of any text that the root lets through are told apart and come back as they
// were.
func testNames(t *logTest) {
	sessions := []string{
		"a", "A", "a ", "a:b", "a|b", "a,b", "a\tb", "{a}", "*", "ünïcode😀", "top", "seq", "hash", "first", "n:a",
		"1", "01", "1.0", strings.Repeat("s", 255),
	}
	var sent []flow.Operation
	for i, s := range sessions {
		o := op(s, 1)
		o.User = sessions[len(sessions)-1-i]
		sent = append(sent, t.confirm(o)...)
	}
	anonymous := op("nobody's", 1)
	anonymous.User = ""
	sent = append(sent, t.confirm(anonymous)...)
	t.wantAll(sent)
	for _, s := range sessions {
		want(t, "last of "+s, t.facts(s).Last[s], 1)
	}
}

// Times come back as they were, to the millisecond and in any order.
func testTimes(t *logTest) {
	var sent []flow.Operation
	for i, ms := range []int64{noon, 0, 1, noon - 1, 253_402_300_799_999, noon + 1} {
		o := op("a", uint64(i)+1)
		o.Time = ms
		sent = append(sent, t.confirm(o)...)
	}
	t.wantAll(sent)
}

// What goes in is not modified.
func testInputUntouched(t *logTest) {
	batch := flow.Batch{Key: "key", Operations: ops("a", 1, 3)}
	before := slices.Clone(batch.Operations)
	t.appendTo(t.one, batch)
	t.appendTo(t.one, batch)
	wantOperations(t, batch.Operations, before)
	wantOperations(t, batch.Operations, ops("a", 1, 3))
}

// A page that was read stays as it is, whatever happens to the room afterwards, also when the reader
// appends to it.
func testOutputImmutable(t *logTest) {
	sent := t.confirm(ops("a", 1, 20)...)
	page := t.read(flow.Query{Limit: 10})
	rest := t.read(flow.Query{After: sent[9].Position(), Limit: 10})
	kept := len(page.Operations)
	_ = append(page.Operations, op("stray", 1), op("stray", 2))
	wantOperations(t, rest.Operations, sent[10:10+len(rest.Operations)])
	t.confirm(ops("a", 21, 40)...)
	if err := t.one.Delete(t.Context(), room); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	wantOperations(t, page.Operations, sent[:kept])
}
