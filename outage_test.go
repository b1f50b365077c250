package flow_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/memx"
)

// awayLog is a log whose backend can go away.
type awayLog struct {
	flow.Log
	mu   sync.Mutex
	away bool
	// lossy executes appends and loses the answer.
	lossy bool
}

func (l *awayLog) set(away, lossy bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.away, l.lossy = away, lossy
}

func (l *awayLog) get() (away, lossy bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.away, l.lossy
}

func (l *awayLog) Append(ctx context.Context, room string, b flow.Batch) ([]flow.Appended, error) {
	away, lossy := l.get()
	if away && !lossy {
		return nil, flow.Unavailable(context.DeadlineExceeded)
	}
	answers, err := l.Log.Append(ctx, room, b)
	if lossy {
		return nil, flow.Unavailable(context.DeadlineExceeded)
	}
	return answers, err
}

func (l *awayLog) Read(ctx context.Context, room string, q flow.Query) (flow.Page, error) {
	if away, _ := l.get(); away {
		return flow.Page{}, flow.Unavailable(context.DeadlineExceeded)
	}
	return l.Log.Read(ctx, room, q)
}

func (l *awayLog) Health(room string) flow.Health {
	health := l.Log.Health(room)
	if away, _ := l.get(); away {
		health.State = flow.Degraded
	}
	return health
}

// It is all on synctest's clock, because what a tick sees of an outage depends on when it comes.
func TestHub_Outage(t *testing.T) {
	t.Run("queued and return", func(t *testing.T) { synctest.Test(t, testOutageQueuedAndReturn) })
	t.Run("lost answer", func(t *testing.T) { synctest.Test(t, testOutageLostAnswer) })
	t.Run("lost memory", func(t *testing.T) { synctest.Test(t, testOutageLostMemory) })
	t.Run("hold", func(t *testing.T) { synctest.Test(t, testOutageHold) })
	t.Run("reject", func(t *testing.T) { synctest.Test(t, testOutageReject) })
	t.Run("author gone", func(t *testing.T) { synctest.Test(t, testOutageAuthorGone) })
	t.Run("author moves", func(t *testing.T) { synctest.Test(t, testOutageAuthorMoves) })
}

// An author who comes from another instance while the log is away, and sends again what others have with its place,
// is told so: it is not shown to them anew. I2
func testOutageAuthorMoves(t *testing.T) {
	log := &awayLog{Log: memx.NewLog(memx.LogConfig{})}
	one, two := newHubs(t, flow.Config{Log: log, Secrets: func() [][]byte { return [][]byte{[]byte("shared")} }})
	a, b := dial(t, one, "ann"), dial(t, two, "bob")
	j := a.join("r")
	b.join("r")
	a.op("r", 1, "x")
	a.expect("op")
	b.expect("op")
	log.set(true, false)
	advance(time.Second)
	again := dial(t, two, "ann")
	again.join("r", msg{"resume": j.str("resume")})
	again.op("r", 1, "x")
	if got := again.expect("nack"); got.str("code") != "duplicate" || got.num("last") != 1 {
		t.Errorf("what was delivered is answered by %v", got)
	}
	again.op("r", 2, "y")
	if got := b.expect("tentative"); got.num("n") != 2 {
		t.Errorf("the others are shown %v", got)
	}
	log.set(false, false)
	advance(5 * time.Second)
	if got := b.count("op"); got != 2 {
		t.Errorf("the others got %d operations, want 2", got)
	}
}

// While the log is away operations are queued and shown to the others, joins and events go on, clients are
// told, and after its return everything is confirmed in order. I1, I3, I8, I14
func testOutageQueuedAndReturn(t *testing.T) {
	log := &awayLog{Log: memx.NewLog(memx.LogConfig{})}
	h := newHub(t, flow.Config{Log: log})
	a := dial(t, h, "ann")
	ja := a.join("r")
	a.op("r", 1, 1)
	at := a.expect("op")
	advance(time.Second) // the next tick is not due yet
	log.set(true, false)
	a.op("r", 2, "x")
	if q := a.expect("queued"); q.num("n") != 2 || q.str("room") != "r" {
		t.Fatalf("queued is %v", q)
	}
	state := a.expect("state")
	if state.str("state") != "degraded" || state.str("scope") != "instance" || state.num("since") == 0 {
		t.Fatalf("state is %v", state)
	}
	b := dial(t, h, "bob")
	j := b.join("r", msg{"position": "1:" + at.str("hash")})
	if j["resumed"] != true || j["n"] != nil || j.str("state") != "degraded" {
		t.Fatalf("joined is %v", j)
	}
	shown := b.expect("tentative")
	if shown.str("session") != ja.str("session") || shown.num("n") != 2 || shown["data"] != "x" || shown["seq"] != nil {
		t.Fatalf("tentative is %v", shown)
	}
	a.op("r", 3, 3)
	a.expect("queued")
	if shown := b.expect("tentative"); shown.num("n") != 3 {
		t.Fatalf("tentative is %v", shown)
	}
	a.op("r", 3, 3)
	if q := a.expect("queued"); q.num("n") != 3 {
		t.Fatalf("the answer to a resend is %v", q)
	}
	c := dial(t, h, "cem")
	if j := c.join("r"); j.str("position") != "0:0000000000000000" {
		t.Fatalf("joined is %v", j)
	}
	eventually(t, "a newcomer has what the instance has", func() bool { return c.count("op") == 1 })
	a.send(msg{"type": "event", "room": "r", "name": "x"})
	b.expect("event")
	log.set(false, false)
	checkStream(t, c, 3)
	for _, who := range []*client{a, b} {
		for seq := int64(2); seq <= 3; seq++ {
			if op := who.expect("op"); op.num("seq") != seq || op.num("n") != seq {
				t.Fatalf("op is %v", op)
			}
		}
	}
	a.find(func(m msg) bool { return m.str("type") == "state" && m.str("state") == "live" })
	a.op("r", 4, 4)
	if op := b.expect("op"); op.num("seq") != 4 {
		t.Fatalf("op is %v", op)
	}
	for _, who := range []*client{a, b, c} {
		if n := who.count("nack") + who.count("rewind"); n > 0 {
			t.Fatalf("%d operations were refused or taken back: %s", n, who.transcript())
		}
	}
}

// An append whose answer was lost is found to be in the log: everybody sees the operation once. I1
func testOutageLostAnswer(t *testing.T) {
	log := &awayLog{Log: memx.NewLog(memx.LogConfig{})}
	h := newHub(t, flow.Config{Log: log})
	a := dial(t, h, "ann")
	a.join("r")
	log.set(false, true)
	a.op("r", 1, 1)
	a.expect("queued")
	log.set(false, false)
	a.op("r", 1, 1)
	a.op("r", 2, 2)
	a.find(func(m msg) bool { return m.num("seq") == 2 })
	if n := a.count("op"); n != 2 {
		t.Fatalf("%d ops came", n)
	}
}

// With hold nothing is shown before it is confirmed. I14
func testOutageHold(t *testing.T) {
	log := &awayLog{Log: memx.NewLog(memx.LogConfig{})}
	h := newHub(t, flow.Config{Log: log, Outage: flow.OutageHold})
	a, b := dial(t, h, "ann"), dial(t, h, "bob")
	a.join("r")
	b.join("r")
	log.set(true, false)
	a.op("r", 1, 1)
	a.expect("queued")
	log.set(false, false)
	b.expect("op")
	if n := b.count("tentative"); n > 0 {
		t.Fatalf("%d operations were shown", n)
	}
}

// With reject operations are refused, and taken again after the return. I8, I14
func testOutageReject(t *testing.T) {
	log := &awayLog{Log: memx.NewLog(memx.LogConfig{})}
	h := newHub(t, flow.Config{Log: log, Outage: flow.OutageReject})
	a := dial(t, h, "ann")
	a.join("r")
	log.set(true, false)
	for range 2 {
		a.op("r", 1, 1)
		nack := a.expect("nack")
		if nack.str("code") != "unavailable" || nack.num("last") != 0 || nack.num("retryAfter") < 1 {
			t.Fatalf("nack is %v", nack)
		}
	}
	_, err := h.Submit(t.Context(), "r", flow.User{ID: "bot"}, "", []byte("1"))
	if flow.ErrorCode(err) != flow.CodeUnavailable || flow.ErrorRetryAfter(err) == 0 {
		t.Fatalf("Submit: %v", err)
	}
	advance(time.Second) // clients are told of the outage, and then of its end
	log.set(false, false)
	a.find(func(m msg) bool { return m.str("state") == "live" })
	a.op("r", 1, 1)
	a.expect("op")
}

// What is queued is confirmed after the return also when its author has left. I14
func testOutageAuthorGone(t *testing.T) {
	log := &awayLog{Log: memx.NewLog(memx.LogConfig{})}
	h := newHub(t, flow.Config{Log: log})
	a, b := dial(t, h, "ann"), dial(t, h, "bob")
	a.join("r")
	b.join("r")
	log.set(true, false)
	a.op("r", 1, 1)
	a.expect("queued")
	a.request(msg{"type": "leave", "room": "r"})
	got, err := h.Submit(t.Context(), "r", flow.User{ID: "bot"}, "k", []byte("2"))
	if err != nil || !got.Queued {
		t.Fatalf("Submit: %+v, %v", got, err)
	}
	log.set(false, false)
	checkStream(t, b, 2)
	again, err := h.Submit(t.Context(), "r", flow.User{ID: "bot"}, "k", []byte("2"))
	if err != nil || again.Queued || again.Operations[0].Seq != 2 {
		t.Fatalf("Submit again: %+v, %v", again, err)
	}
}

// A log that came back empty is written again from the ring: clients notice nothing. I1, I2
func testOutageLostMemory(t *testing.T) {
	log := &swapLog{Log: memx.NewLog(memx.LogConfig{})}
	h := newHub(t, flow.Config{Log: log, Limits: flow.Limits{OpsPerSecond: 10000}})
	a := dial(t, h, "ann")
	a.join("r")
	for n := 1; n <= 100; n++ {
		a.op("r", n, n)
		a.expect("op")
	}
	log.swap(memx.NewLog(memx.LogConfig{}))
	a.op("r", 101, 101)
	a.find(func(m msg) bool { return m.num("seq") == 101 })
	checkStream(t, func() *client { b := dial(t, h, "bob"); b.join("r"); return b }(), 101)
	if n := a.count("rewind"); n != 0 {
		t.Fatal("a client was rewound")
	}
}

// swapLog is a log that can lose its memory.
type swapLog struct {
	flow.Log
	mu sync.Mutex
}

func (l *swapLog) swap(to flow.Log) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Log = to
}

func (l *swapLog) now() flow.Log {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Log
}

func (l *swapLog) Append(ctx context.Context, room string, b flow.Batch) ([]flow.Appended, error) {
	return l.now().Append(ctx, room, b)
}

func (l *swapLog) Read(ctx context.Context, room string, q flow.Query) (flow.Page, error) {
	return l.now().Read(ctx, room, q)
}

// Health says that the log is one that can lose its memory.
func (l *swapLog) Health(room string) flow.Health {
	health := l.now().Health(room)
	health.Backend = "redis"
	return health
}

// A log that came back empty is written again also when nobody writes: looking at it is enough. I1, I2
func TestHub_LostLogIsFound(t *testing.T) {
	log := &swapLog{Log: memx.NewLog(memx.LogConfig{})}
	h := newHub(t, flow.Config{Log: log, PositionCheck: 300 * time.Millisecond})
	a := dial(t, h, "ann")
	a.join("r")
	for n := 1; n <= 5; n++ {
		a.op("r", n, n)
		a.expect("op")
	}
	empty := memx.NewLog(memx.LogConfig{})
	log.swap(empty)
	eventually(t, "the log is whole again", func() bool {
		page, err := empty.Read(t.Context(), "r", flow.Query{Unchecked: true})
		return err == nil && page.Head.Seq == 5
	})
	if n := a.count("rewind"); n != 0 {
		t.Fatal("a client was rewound")
	}
}
