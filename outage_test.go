package flow_test

import (
	"context"
	"sync"
	"testing"
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

func TestHub_Outage(t *testing.T) {
	t.Run("nack and return", testOutageNackAndReturn)
	t.Run("lost answer", testOutageLostAnswer)
	t.Run("lost memory", testOutageLostMemory)
}

// While the log is away ops are nacked with a wait, joins and events go on, clients are told, and
// after its return everything goes on where it was. I1, I8
func testOutageNackAndReturn(t *testing.T) {
	log := &awayLog{Log: memx.NewLog(memx.LogConfig{})}
	h := newHub(t, flow.Config{Log: log})
	a := dial(t, h, "ann")
	a.join("r")
	a.op("r", 1, 1)
	at := a.expect("op")
	log.set(true, false)
	a.op("r", 2, 2)
	nack := a.expect("nack")
	if nack.str("code") != "unavailable" || nack.num("last") != 1 || nack.num("retryAfter") < 1 {
		t.Fatalf("nack is %v", nack)
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
	c := dial(t, h, "cem")
	c.join("fresh")
	a.send(msg{"type": "event", "room": "r", "name": "x"})
	b.expect("event")
	log.set(false, false)
	a.op("r", 2, 2)
	for _, who := range []*client{a, b} {
		if op := who.expect("op"); op.num("seq") != 2 {
			t.Fatalf("op is %v", op)
		}
	}
	if got := a.expect("state"); got.str("state") != "live" {
		t.Fatalf("state is %v", got)
	}
	c.op("fresh", 1, 1)
	c.expect("op")
}

// An append whose answer was lost is found to be in the log: the resend is a duplicate, and
// everybody sees the op once. I1
func testOutageLostAnswer(t *testing.T) {
	log := &awayLog{Log: memx.NewLog(memx.LogConfig{})}
	h := newHub(t, flow.Config{Log: log})
	a := dial(t, h, "ann")
	a.join("r")
	log.set(false, true)
	a.op("r", 1, 1)
	a.expect("nack")
	log.set(false, false)
	a.op("r", 1, 1)
	if got := a.expect("nack"); got.str("code") != "duplicate" || got.num("last") != 1 {
		t.Fatalf("nack is %v", got)
	}
	a.op("r", 2, 2)
	a.find(func(m msg) bool { return m.num("seq") == 2 })
	if n := a.count("op"); n != 2 {
		t.Fatalf("%d ops came", n)
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
	if op := a.expect("op"); op.num("seq") != 101 {
		t.Fatalf("op is %v", op)
	}
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
