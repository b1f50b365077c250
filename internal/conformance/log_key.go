package conformance

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fiberflow/flow"
)

func keyCases() []logCase {
	return []logCase{
		{name: "same answer", run: testKeySameAnswer},
		{name: "other content", run: testKeyOtherContent},
		{name: "before the fence", run: testKeyBeforeFence},
		{name: "refusals remembered", run: testKeyRefusals},
		{name: "errors not remembered", run: testKeyErrors},
		{name: "of its room", run: testKeyOfRoom},
		{name: "at once", run: testKeyAtOnce},
		{name: "ends", settings: LogSettings{KeyTTL: 100 * time.Millisecond}, run: testKeyEnds},
	}
}

// keyed is a batch of one session's first operations with the given texts as data.
func keyed(key, session string, texts ...string) flow.Batch {
	b := flow.Batch{Key: key, Operations: ops(session, 1, uint64(len(texts)))}
	for i, text := range texts {
		b.Operations[i].Data = []byte(text)
	}
	return b
}

// A batch with a key that was used with the same data answers what the first one answered and writes
// nothing, on any instance, whatever the sessions, users and times of its operations (I1).
func testKeySameAnswer(t *logTest) {
	for i, key := range []string{"k", "with space: \x00é{}", strings.Repeat("k", 200)} {
		retrying := fmt.Sprint("retrying ", i)
		first := keyed(key, fmt.Sprint("first ", i), `{"x":1}`, `{"x":2}`)
		answers := t.appendTo(t.one, first)
		want(t, "status", answers[0].Status, flow.Confirmed)
		sent := t.all()
		t.confirm(op("between", uint64(i)+1))
		again := keyed(key, retrying, `{"x":1}`, `{"x":2}`)
		again.Operations[1].User, again.Operations[1].Time = "somebody", noon+5
		for _, log := range []flow.Log{t.one, t.other, t.one} {
			if got := t.appendTo(log, again); !slices.Equal(got, answers) {
				t.Errorf("answers are %+v, want %+v", got, answers)
			}
		}
		want(t, "length of the log", len(t.all()), len(sent)+1)
		want(t, "last of the session of the retry", t.facts(retrying).Last[retrying], 0)
	}
}

// A key that was used with other data, another number of operations, another order or other borders
// between them is CodeRejected, and nothing is written.
func testKeyOtherContent(t *logTest) {
	t.appendTo(t.one, keyed("k", "a", "1", "23"))
	sent := t.all()
	for _, texts := range [][]string{{"1"}, {"1", "24"}, {"23", "1"}, {"12", "3"}, {"123"}, {"1", "23", ""}, {}} {
		for _, log := range []flow.Log{t.one, t.other} {
			_, err := log.Append(t.Context(), room, keyed("k", "b", texts...))
			wantCode(t, err, flow.CodeRejected)
		}
	}
	t.wantAll(sent)
}

// A retry is recognised before its fence is judged: the log has moved on since, by the batch itself.
func testKeyBeforeFence(t *logTest) {
	batch := keyed("k", "b", "1")
	batch.Fence = t.confirm(op("a", 1))[0].Position()
	answers := t.appendTo(t.one, batch)
	if got := t.appendTo(t.one, batch); !slices.Equal(got, answers) {
		t.Errorf("answers are %+v, want %+v", got, answers)
	}
	batch.Fence.Hash ^= 1
	if got := t.appendTo(t.one, batch); !slices.Equal(got, answers) {
		t.Errorf("answers with another fence are %+v, want %+v", got, answers)
	}
}

// A retry is answered what the first was answered, also where that was a refusal that would not be
// one now.
func testKeyRefusals(t *logTest) {
	batch := keyed("k", "a", "1", "2", "3")
	batch.Operations[0].N, batch.Operations[1].N, batch.Operations[2].N = 2, 1, 1
	answers := t.appendTo(t.one, batch)
	want(t, "first status", answers[0].Status, flow.Gap)
	want(t, "second status", answers[1].Status, flow.Confirmed)
	want(t, "third status", answers[2].Status, flow.Duplicate)
	if got := t.appendTo(t.other, batch); !slices.Equal(got, answers) {
		t.Errorf("answers are %+v, want %+v", got, answers)
	}
	want(t, "length of the log", len(t.all()), 1)
}

// A batch that ended in an error has not used its key.
func testKeyErrors(t *logTest) {
	batch := keyed("k", "a", "1")
	batch.Fence = flow.Position{Seq: 5, Hash: 5}
	_, err := t.one.Append(t.Context(), room, batch)
	wantError(t, err, flow.ErrNoLog)
	want(t, "status", t.appendTo(t.one, keyed("k", "a", "2"))[0].Status, flow.Confirmed)
}

// A key means nothing in another room.
func testKeyOfRoom(t *logTest) {
	t.appendTo(t.one, keyed("k", "a", "1"))
	answers, err := t.one.Append(t.Context(), "elsewhere", keyed("k", "a", "2"))
	if err != nil || answers[0].Status != flow.Confirmed {
		t.Errorf("the same key elsewhere: %+v, %v", answers, err)
	}
}

// Retries that overtake each other are written once and answered alike (I1).
func testKeyAtOnce(t *logTest) {
	var mu sync.Mutex
	var all [][]flow.Appended
	var running sync.WaitGroup
	for i := range 8 {
		running.Go(func() {
			log := []flow.Log{t.one, t.other}[i%2]
			answers, err := log.Append(t.Context(), room, keyed("k", longName(i+1), "1", "2"))
			if err != nil {
				t.Errorf("Append: %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, answers)
		})
	}
	running.Wait()
	for _, answers := range all {
		if !slices.Equal(answers, all[0]) {
			t.Errorf("answers differ: %+v and %+v", answers, all[0])
		}
	}
	want(t, "length of the log", len(t.all()), 2)
}

// After its time a key is as good as new.
func testKeyEnds(t *logTest) {
	t.appendTo(t.one, keyed("k", "a", "1"))
	eventually(t, "the key is forgotten", func() bool {
		answers, err := t.one.Append(t.Context(), room, keyed("k", "b", "2"))
		return err == nil && answers[0].Status == flow.Confirmed
	})
}
