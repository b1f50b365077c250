package flow_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/memx"
)

// lossy is a hub on a log that can lose its memory, and what it told of data loss.
type lossy struct {
	*flow.Hub
	log  *swapLog
	lost atomic.Uint64
}

func newLossy(t *testing.T, cfg flow.Config) *lossy {
	t.Helper()
	l := &lossy{log: &swapLog{Log: memx.NewLog(memx.LogConfig{})}}
	cfg.Log = l.log
	cfg.Limits.OpsPerSecond = 100_000
	cfg.PositionCheck = 300 * time.Millisecond
	cfg.OnDataLoss = func(_ string, count uint64) { l.lost.Add(count) }
	h, err := flow.New(memory(cfg))
	if err != nil {
		t.Fatal(err)
	}
	l.Hub = h
	return l
}

func (l *lossy) close(t *testing.T, clients ...*client) {
	t.Helper()
	for _, c := range clients {
		c.drop()
	}
	if err := l.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// operations returns all that the log has.
func (l *lossy) operations(t *testing.T) []flow.Operation {
	t.Helper()
	page, err := l.log.Read(t.Context(), "r", flow.Query{Limit: 100_000})
	if flow.ErrorCode(err) == flow.CodeTrimmed {
		page, err = l.log.Read(t.Context(), "r", flow.Query{After: page.Base, Limit: 100_000})
	}
	if err != nil {
		t.Fatal(err)
	}
	return page.Operations
}

// older gives the hub a log that has only the first operations of the one before, and some of others.
func (l *lossy) older(t *testing.T, keep int, others ...flow.Operation) {
	t.Helper()
	log := memx.NewLog(memx.LogConfig{Settle: -1})
	batch := flow.Batch{Restore: true, Operations: l.operations(t)[:keep]}
	if _, err := log.Append(t.Context(), "r", batch); err != nil {
		t.Fatal(err)
	}
	if _, err := log.Append(t.Context(), "r", flow.Batch{Operations: others}); err != nil {
		t.Fatal(err)
	}
	l.log.swap(log)
}

// write has a client write operations n to n+count-1, and waits until they are confirmed.
func write(c *client, n, count int) {
	c.t.Helper()
	for i := n; i < n+count; i++ {
		c.op("r", i, i)
		c.find(func(m msg) bool { return m.str("type") == "op" && m.str("user") == c.user && m.num("n") == int64(i) })
	}
}

// A log that lost its tail gets it again, at the same positions: nobody notices. I1, I2
func TestRecover_Tail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLossy(t, flow.Config{})
		a := dial(t, l.Hub, "ann")
		a.join("r")
		write(a, 1, 5)
		l.older(t, 3)
		advance(2 * time.Second)
		if got := len(l.operations(t)); got != 5 {
			t.Errorf("the log has %d operations", got)
		}
		write(a, 6, 1)
		if a.count("rewind") > 0 || l.lost.Load() > 0 {
			t.Errorf("rewound or lost: %s", a.transcript())
		}
		l.close(t, a)
	})
}

// A log with another history behind a common beginning gets what it lacks behind that, and members go
// back to where the histories part. I1, I2
func TestRecover_Fork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLossy(t, flow.Config{})
		a, b := dial(t, l.Hub, "ann"), dial(t, l.Hub, "bob")
		a.join("r")
		b.join("r")
		write(a, 1, 5)
		at := l.operations(t)[2].Position()
		l.older(t, 3, flow.Operation{Session: "other", N: 1, User: "u", Data: []byte(`"o"`)})
		advance(2 * time.Second)
		ops := l.operations(t)
		if got := names(ops[3:]); got != fmt.Sprint("other1 ", ops[0].Session, "4 ", ops[0].Session, "5 ") {
			t.Fatalf("the log has %s", got)
		}
		for _, c := range []*client{a, b} {
			r := c.expect("rewind")
			if r.str("position") != at.String() || r.str("reason") != "repair" {
				t.Errorf("rewind is %v", r)
			}
			for i := range 3 {
				if op := c.expect("op"); op.str("hash") != ops[3+i].Hash.String() {
					t.Errorf("op is %v", op)
				}
			}
		}
		write(a, 6, 1)
		l.close(t, a, b)
	})
}

// names writes down whose operations these are.
func names(ops []flow.Operation) (text string) {
	for _, op := range ops {
		text += fmt.Sprint(op.Session, op.N, " ")
	}
	return text
}

// What the ring has of a log that lost more than the ring holds is written again; what nobody has is
// counted, and told to the application. I1, I14
func TestRecover_Hole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLossy(t, flow.Config{})
		a := dial(t, l.Hub, "ann")
		a.join("r")
		write(a, 1, 1100)
		l.older(t, 10)
		advance(10 * time.Second)
		ops := l.operations(t)
		if len(ops) != 10+1024 || ops[len(ops)-1].N != 1100 || ops[10].N != 1100-1023 {
			t.Errorf("the log has %d operations", len(ops))
		}
		a.expect("rewind")
		if got := l.lost.Load(); got != 1100-1024-10 || l.Stats().DataLoss != int64(got) {
			t.Errorf("%d operations are called lost", got)
		}
		write(a, 1101, 1)
		l.close(t, a)
	})
}

// A log that is gone is written again as far as the ring reaches back, at the same positions: members
// notice nothing, and what is gone is counted. I1, I2
func TestRecover_Missing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLossy(t, flow.Config{})
		a := dial(t, l.Hub, "ann")
		a.join("r")
		b := dial(t, l.Hub, "bob")
		b.join("r")
		write(b, 1, 3)
		write(a, 1, 1100)
		l.log.swap(memx.NewLog(memx.LogConfig{}))
		advance(2 * time.Second)
		write(b, 4, 1) // though nothing of bob is in the ring
		page, err := l.log.Read(t.Context(), "r", flow.Query{Unchecked: true})
		if flow.ErrorCode(err) != flow.CodeTrimmed || page.Base.Seq != 1103-1024 || page.Head.Seq != 1104 {
			t.Errorf("page is %+v, %v", page, err)
		}
		if a.count("rewind")+b.count("rewind")+b.count("nack") > 0 {
			t.Error("members noticed")
		}
		if got := l.lost.Load(); got != 1103-1024 {
			t.Errorf("%d operations are called lost", got)
		}
		l.close(t, a, b)
	})
}

// Two instances with rings of different reach restore one log together, whoever comes first. I1
func TestRecover_Together(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLossy(t, flow.Config{})
		a := dial(t, l.Hub, "ann")
		a.join("r")
		write(a, 1, 20)
		cfg := memory(flow.Config{Log: l.log, PositionCheck: 100 * time.Millisecond})
		late, err := flow.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		b := dial(t, late, "bob")
		b.join("r")
		write(a, 21, 5)
		advance(time.Second)
		l.log.swap(memx.NewLog(memx.LogConfig{}))
		advance(3 * time.Second)
		if ops := l.operations(t); len(ops) != 25 || ops[0].Seq != 1 {
			t.Errorf("the log has %d operations", len(ops))
		}
		if l.lost.Load() > 0 || a.count("rewind")+b.count("rewind") > 0 {
			t.Error("something is called lost, or taken back")
		}
		b.drop()
		if err := late.Close(context.Background()); err != nil {
			t.Error(err)
		}
		l.close(t, a)
	})
}

// A room that was deleted stays deleted, also when the log has forgotten that.
func TestRecover_Deleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLossy(t, flow.Config{})
		a := dial(t, l.Hub, "ann")
		a.join("r")
		write(a, 1, 3)
		if err := l.DeleteRoom(t.Context(), "r"); err != nil {
			t.Fatal(err)
		}
		if got := a.expect("left"); got.str("reason") != "deleted" {
			t.Errorf("left is %v", got)
		}
		l.log.swap(memx.NewLog(memx.LogConfig{}))
		advance(time.Second)
		if got := a.request(msg{"type": "join", "room": "r"}); got.str("code") != "room_deleted" {
			t.Errorf("join answered %v", got)
		}
		advance(11 * time.Minute)
		a.join("r")
		l.close(t, a)
	})
}

// A room that others have written since its tombstone was lost is theirs: what they wrote is confirmed, also
// when its log has been trimmed meanwhile. I1
func TestRecover_DeletedAndWritten(t *testing.T) {
	for _, count := range []uint64{1, 20} {
		synctest.Test(t, func(t *testing.T) { testDeletedAndWritten(t, count) })
	}
}

func testDeletedAndWritten(t *testing.T, count uint64) {
	t.Helper()
	l := newLossy(t, flow.Config{})
	a := dial(t, l.Hub, "ann")
	a.join("r")
	write(a, 1, 3)
	if err := l.DeleteRoom(t.Context(), "r"); err != nil {
		t.Fatal(err)
	}
	a.expect("left")
	advance(time.Second)
	l.log.swap(memx.NewLog(memx.LogConfig{OperationLimit: 8}))
	for n := range count {
		op := flow.Operation{Session: "other", N: n + 1, User: "u", Time: time.Now().UnixMilli(), Data: []byte("1")}
		if _, err := l.log.Append(t.Context(), "r", flow.Batch{Operations: []flow.Operation{op}}); err != nil {
			t.Fatal(err)
		}
	}
	a.join("r")
	a.op("r", 1, 1)
	a.find(func(m msg) bool {
		return m.str("type") == "op" && m.num("seq") == int64(count)+1 && m.str("user") == "ann"
	})
	l.close(t, a)
}

// An instance that began while the log was away takes over what the log has when it comes, and adds what
// waited. I2, I14
func TestRecover_StartedWithout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := &awayLog{Log: memx.NewLog(memx.LogConfig{})}
		for n := uint64(1); n <= 5; n++ {
			batch := flow.Batch{Operations: []flow.Operation{{Session: "before", N: n, User: "u", Data: []byte("1")}}}
			if _, err := away.Log.Append(t.Context(), "r", batch); err != nil {
				t.Fatal(err)
			}
		}
		away.set(true, false)
		h, err := flow.New(memory(flow.Config{Log: away}))
		if err != nil {
			t.Fatal(err)
		}
		a := dial(t, h, "ann")
		if j := a.join("r"); j.str("state") != "degraded" || j["n"] != nil {
			t.Errorf("joined is %v", j)
		}
		a.op("r", 1, 1)
		a.expect("queued")
		away.set(false, false)
		advance(3 * time.Second)
		checkStream(t, a, 6)
		if a.count("rewind") > 0 {
			t.Error("rewound")
		}
		live := func(m msg) bool { return m.str("type") == "state" && m.str("state") == "live" }
		if got := a.find(live); got["room"] != nil {
			t.Errorf("state is %v", got)
		}
		a.drop()
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// A store that forgot the sessions of an instance without going away gets them again. I7
func TestRecover_Sessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memx.NewSessionStore(memx.SessionConfig{})
		h, err := flow.New(memory(flow.Config{Sessions: store}))
		if err != nil {
			t.Fatal(err)
		}
		var all []*client
		var sessions []string
		for i := range 10 {
			c := dial(t, h, fmt.Sprint("u", i))
			sessions = append(sessions, c.join("r").str("session"))
			all = append(all, c)
		}
		advance(time.Second)
		for _, session := range sessions {
			if err := store.Delete(t.Context(), session); err != nil {
				t.Fatal(err)
			}
		}
		advance(6 * time.Second)
		for _, session := range sessions {
			if _, err := store.Get(t.Context(), session); err != nil {
				t.Errorf("session %s: %v", session, err)
			}
		}
		for _, c := range all {
			c.drop()
		}
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
