package redisx

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fiberflow/flow"
)

// stretch writes operations as the scripts do.
func stretch(at flow.Position, operations ...flow.Operation) string {
	var b strings.Builder
	fmt.Fprintf(&b, "ops %d %s %d\n", at.Seq, at.Hash, len(operations))
	for _, o := range operations {
		at = at.Next(o.Session, o.N, flow.DigestOf(o.Data))
		fmt.Fprintf(&b, "%s %d %d %d %d %d\n", at.Hash, o.N, o.Time, len(o.Session), len(o.User), len(o.Data))
		b.WriteString(o.Session + o.User + string(o.Data))
	}
	return b.String()
}

func sample() []flow.Operation {
	return []flow.Operation{
		{Session: "s", N: 1, User: "u\n1", Time: 5, Data: []byte("{}\n ops")},
		{Session: "", N: 2, User: "", Time: -1, Data: nil},
	}
}

// What is written is read: every field, the seq, and a chain that holds (I2).
func TestDecodeOperations(t *testing.T) {
	at := flow.Position{Seq: 7, Hash: 9}
	got, err := decodeOperations(stretch(at, sample()...))
	if err != nil || len(got) != 2 {
		t.Fatalf("decodeOperations = %+v, %v", got, err)
	}
	for i, want := range sample() {
		if !got[i].Follows(at) {
			t.Errorf("operation %d does not follow %v", i, at)
		}
		at = got[i].Position()
		same := got[i].Session == want.Session && got[i].User == want.User && got[i].N == want.N &&
			got[i].Time == want.Time && string(got[i].Data) == string(want.Data)
		if !same {
			t.Errorf("operation %d = %+v, want %+v", i, got[i], want)
		}
	}
}

// What an instance works out of a batch is what the log publishes of it, and what is read again.
func TestOutcomeOf(t *testing.T) {
	at := flow.Position{Seq: 7, Hash: 9}
	e := outcomeOf(flow.Batch{Fence: at, Operations: sample()})
	if e == nil || string(e.feed) != stretch(at, sample()...) {
		t.Fatalf("outcomeOf = %+v, want the feed %q", e, stretch(at, sample()...))
	}
	read, err := decodeOperations(string(e.feed))
	if err != nil || fmt.Sprint(read) != fmt.Sprint(e.operations) {
		t.Errorf("read %v, %v, want %v", read, err, e.operations)
	}
	for i, answer := range e.answers() {
		o := e.operations[i]
		if want := (flow.Appended{Status: flow.Confirmed, Seq: o.Seq, Hash: o.Hash, Last: o.N}); answer != want {
			t.Errorf("answer %d is %+v, want %+v", i, answer, want)
		}
	}
	for name, b := range map[string]flow.Batch{
		"no fence": {Operations: sample()}, "jump": {Fence: at, Jump: true, Operations: sample()},
		"key": {Fence: at, Key: "k", Operations: sample()}, "empty": {Fence: at},
		"many": {Fence: at, Operations: make([]flow.Operation, readyOperations+1)},
		"long": {Fence: at, Operations: []flow.Operation{{Data: make([]byte, readyBytes+1)}}},
	} {
		if e := outcomeOf(b); e != nil {
			t.Errorf("%s: the outcome is taken for known", name)
		}
	}
}

// What is no stretch of a log, or not a whole one, or has a byte changed, is an error and not a panic.
func TestDecodeOperations_Bad(t *testing.T) {
	good := stretch(flow.Position{Seq: 7, Hash: 9}, sample()...)
	for i := range good {
		if _, err := decodeOperations(good[:i]); err == nil {
			t.Errorf("the first %d bytes are taken for the whole", i)
		}
	}
	for _, bad := range []string{
		"", "deleted", "ops", "ops 0 0000000000000000 0\n", "ops 0 0000000000000000 -1\n", "ops 1 x 1\n",
		"ops 0 0000000000000000 99999999999\n", "ops 9007199254740993 0000000000000000 1\n", good + "x",
		strings.Replace(good, "{}", "[]", 1), strings.Replace(good, "ops 7", "ops 0", 1),
		"ops 0 0000000000000000 1\n0000000000000000 1 1 -1 0 1\nx", "ops 0 0000000000000000 1\n0 1 1 0 0 0\n",
	} {
		if got, err := decodeOperations(bad); err == nil {
			t.Errorf("decodeOperations(%q) = %+v", bad, got)
		}
	}
}

// Nothing that arrives on a channel makes the decoder panic, or take what breaks the chain (I6).
func FuzzDecodeOperations(f *testing.F) {
	f.Add(stretch(flow.Position{}, sample()...))
	f.Add("ops 0 0000000000000000 1\n")
	f.Add(deletedPayload)
	f.Fuzz(func(t *testing.T, text string) {
		operations, err := decodeOperations(text)
		if err != nil {
			return
		}
		for i := 1; i < len(operations); i++ {
			if !operations[i].Follows(operations[i-1].Position()) {
				t.Fatalf("operation %d does not follow", i)
			}
		}
	})
}

// Answers are read for every operation, or not at all.
func TestParseAnswers(t *testing.T) {
	got, err := parseAnswers("c 3 00000000000000ff 2\nd 2\ng 0", 3)
	want := []flow.Appended{
		{Status: flow.Confirmed, Seq: 3, Hash: 255, Last: 2}, {Status: flow.Duplicate, Last: 2}, {Status: flow.Gap},
	}
	if err != nil || len(got) != 3 || got[0] != want[0] || got[1] != want[1] || got[2] != want[2] {
		t.Errorf("parseAnswers = %+v, %v", got, err)
	}
	for _, bad := range []string{"", "x", "c", "c 1", "c 1 2 3", "c 3 00000000000000ff x", "d", "d 1\nd 2", "d -1"} {
		if got, err := parseAnswers(bad, 1); err == nil {
			t.Errorf("parseAnswers(%q) = %+v", bad, got)
		}
	}
}
