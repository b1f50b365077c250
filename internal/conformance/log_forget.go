package conformance

import (
	"fmt"
	"time"

	"github.com/fiberflow/flow"
)

func forgetCases() []logCase {
	longer := LogSettings{SessionTTL: 48 * time.Hour}
	return []logCase{
		{name: "old sessions", run: testForgetOld},
		{name: "longer session TTL", settings: longer, run: testForgetLonger},
		{name: "few sessions", run: testForgetFew},
	}
}

const day = 24 * 60 * 60 * 1000 // in Unix milliseconds

// oneEach returns one operation of each of n sessions, whose names start with prefix, at a time.
func oneEach(prefix string, n int, ms int64) []flow.Operation {
	list := make([]flow.Operation, n)
	for i := range list {
		list[i] = op(fmt.Sprint(prefix, i), 1)
		list[i].Time = ms
	}
	return list
}

// fill appends operations of session "filler", at a time, until the head is at seq.
func (t *logTest) fill(seq uint64, ms int64) {
	t.Helper()
	page := t.facts("filler")
	list := ops("filler", page.Last["filler"]+1, page.Last["filler"]+seq-page.Head.Seq)
	for i := range list {
		list[i].Time = ms
	}
	t.confirm(list...)
}

// A session's last n is forgotten when more than 512 are known, the head passes a multiple of 1,024,
// and its last operation is more than a day older than the one at the head. So a room does not grow
// with everybody who ever was there (I9).
func testForgetOld(t *logTest) {
	t.confirm(oneEach("old", 300, noon)...)
	t.confirm(oneEach("edge", 300, noon+1)...)
	t.fill(1023, noon+day+1)
	want(t, "last before the sweep", t.facts("old0").Last["old0"], 1)
	t.fill(1024, noon+day+1)
	for _, session := range []string{"old0", "old299"} {
		want(t, "last of "+session, t.facts(session).Last[session], 0)
	}
	for _, session := range []string{"edge0", "edge299"} {
		want(t, "last of "+session, t.facts(session).Last[session], 1)
	}
	want(t, "answer", t.append(op("edge7", 1))[0].Status, flow.Duplicate)
	want(t, "answer", t.append(op("old7", 2))[0], flow.Appended{Status: flow.Gap})
	want(t, "answer", t.append(op("old7", 1))[0].Status, flow.Confirmed)
}

// A session that can still be resumed is not forgotten: the session TTL counts where it is longer than
// a day.
func testForgetLonger(t *logTest) {
	t.confirm(oneEach("old", 300, noon)...)
	t.confirm(oneEach("edge", 300, noon+1)...)
	t.fill(1030, noon+day+1)
	want(t, "last after a day", t.facts("old0").Last["old0"], 1)
	t.fill(2000, noon+day+1)
	t.fill(2050, noon+2*day+1) // one batch over the multiple: the sweep looks at its end
	want(t, "last after two days", t.facts("old0").Last["old0"], 0)
	want(t, "last at two days", t.facts("edge0").Last["edge0"], 1)
}

// Up to 512 sessions none is forgotten, however old.
func testForgetFew(t *logTest) {
	t.confirm(oneEach("old", 511, noon)...)
	t.fill(1030, noon+9*day)
	want(t, "last of one in 512", t.facts("old0").Last["old0"], 1)
	t.confirm(oneEach("new", 1, noon+9*day)...)
	want(t, "last before the next sweep", t.facts("old0").Last["old0"], 1)
	t.fill(2048, noon+9*day)
	want(t, "last of one in 513", t.facts("old0").Last["old0"], 0)
	want(t, "last of a new one", t.facts("new0").Last["new0"], 1)
}
