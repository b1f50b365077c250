package flow_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/redistest"
	"github.com/fiberflow/flow/memx"
	"github.com/fiberflow/flow/redisx"
)

// onCluster runs a test with two hubs that share their storage: in memory, and on Redis, where each
// has a connection of its own, as instances have.
func onCluster(t *testing.T, cfg flow.Config, test func(t *testing.T, one, two *flow.Hub)) {
	t.Helper()
	cfg.Secrets = func() [][]byte { return [][]byte{[]byte("shared")} }
	run := func(name string, backends func(t *testing.T, cfg flow.Config) flow.Config) {
		t.Run(name, func(t *testing.T) {
			one, two := backends(t, cfg), backends(t, cfg)
			one.Instance, two.Instance = "one", "two"
			test(t, newHub(t, one), newHub(t, two))
		})
	}
	inMemory := memory(cfg)
	run("memory", func(*testing.T, flow.Config) flow.Config { return inMemory })
	prefix := redistest.Prefix(t)
	run("redis", func(t *testing.T, cfg flow.Config) flow.Config { return onRedis(t, cfg, prefix) })
}

// onRedis fills in backends on the shared Redis.
func onRedis(t *testing.T, cfg flow.Config, prefix string) flow.Config {
	t.Helper()
	conn, err := redisx.Open(t.Context(), redisx.Config{
		Addrs: []string{shared.Server(t).Addr()}, Prefix: prefix, Logger: quiet(),
		Timeout: patience, // a busy machine is no outage
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Errorf("close connection: %v", err)
		}
	})
	cfg.Log, cfg.Bus, cfg.Sessions = redisx.NewLog(conn), redisx.NewBus(conn), redisx.NewSessionStore(conn)
	return memory(cfg)
}

// Writers on two instances: everybody on both sees one order, with linked hashes. I1, I2, I3
func TestCluster_OneOrder(t *testing.T) {
	onCluster(t, flow.Config{Limits: flow.Limits{OpsPerSecond: 10000}}, func(t *testing.T, one, two *flow.Hub) {
		const writers, each = 6, 60
		var clients []*client
		for i := range writers {
			c := dial(t, []*flow.Hub{one, two}[i%2], fmt.Sprint("u", i))
			c.join("r")
			clients = append(clients, c)
		}
		var wg sync.WaitGroup
		for _, c := range clients {
			wg.Go(func() {
				for n := 1; n <= each; n++ {
					c.op("r", n, n)
				}
			})
		}
		wg.Wait()
		for _, c := range clients {
			checkStream(t, c, writers*each)
		}
	})
}

// Participants, presence and leaves cross, whoever opened the room first. I5
func TestCluster_Presence(t *testing.T) {
	onCluster(t, flow.Config{}, func(t *testing.T, one, two *flow.Hub) {
		a, b := dial(t, one, "ann"), dial(t, two, "bob")
		ja := a.join("r", msg{"presence": msg{"x": 1}})
		jb := b.join("r")
		// participants of a client: those of joined, changed by every presence message.
		list := map[*client]map[string]string{a: {}, b: {}}
		see := func(c *client, session string) string {
			for {
				m, ok := c.poll(func(m msg) bool { return m.str("type") == "presence" })
				if !ok {
					return list[c][session]
				}
				apply(list[c], m)
			}
		}
		apply(list[b], msg{"join": jb["participants"]})
		eventually(t, "ann sees bob", func() bool { return see(a, jb.str("session")) != "" })
		eventually(t, "bob sees ann", func() bool { return see(b, ja.str("session")) == "map[x:1]" })
		a.send(msg{"type": "presence", "room": "r", "data": msg{"x": 2}})
		eventually(t, "bob sees ann move", func() bool { return see(b, ja.str("session")) == "map[x:2]" })
		c := dial(t, two, "cem")
		if j := c.join("r"); !strings.Contains(fmt.Sprint(j["participants"]), ja.str("session")) {
			t.Fatalf("a newcomer does not see ann: %v", j["participants"])
		}
		b.request(msg{"type": "leave", "room": "r"})
		eventually(t, "ann sees bob leave", func() bool { return see(a, jb.str("session")) == "" })
		var closing sync.WaitGroup
		closing.Go(func() {
			if err := two.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
		for _, gone := range []*client{b, c} {
			if code := gone.closed(); code != 1012 {
				t.Errorf("close code is %d", code)
			}
		}
		closing.Wait()
		eventually(t, "ann is alone", func() bool { see(a, ""); return len(list[a]) <= 1 })
	})
}

// apply changes a list as a client does.
func apply(list map[string]string, m msg) {
	if m["reset"] == true {
		clear(list)
	}
	joins, _ := m["join"].([]any)
	for _, j := range joins {
		p := msg(j.(map[string]any))
		list[p.str("session")] = fmt.Sprint(p["presence"])
	}
	updates, _ := m["update"].(map[string]any)
	for session, keys := range updates {
		list[session] = fmt.Sprint(keys)
	}
	leaves, _ := m["leave"].([]any)
	for _, l := range leaves {
		delete(list, msg(l.(map[string]any)).str("session"))
	}
}

// Events reach their receivers on the other instance, once. I6
func TestCluster_Event(t *testing.T) {
	onCluster(t, flow.Config{}, func(t *testing.T, one, two *flow.Hub) {
		a, b, other := dial(t, one, "ann"), dial(t, two, "bob"), dial(t, two, "eve")
		ja := a.join("r")
		jb := b.join("r")
		other.join("q")
		a.knows(jb.str("session"))
		b.knows(ja.str("session"))
		for _, to := range []msg{nil, {"session": jb.str("session")}, {"user": "bob"}} {
			m := msg{"type": "event", "room": "r", "name": fmt.Sprint(to), "data": 1}
			if to != nil {
				m["to"] = to
			}
			a.send(m)
			if e := b.expect("event"); e.str("name") != fmt.Sprint(to) || e.str("user") != "ann" {
				t.Fatalf("event is %v", e)
			}
		}
		if err := one.PublishUser(t.Context(), "eve", flow.Event{Name: "psst"}); err != nil {
			t.Fatal(err)
		}
		if e := other.expect("event"); e.str("name") != "psst" {
			t.Fatalf("event is %v", e)
		}
		if b.count("event") != 3 || other.count("event") != 1 {
			t.Fatal("somebody heard too much")
		}
	})
}

// A session resumes on the other instance with all its ops, and the first one lets it go. I4, I7
func TestCluster_Resume(t *testing.T) {
	onCluster(t, flow.Config{}, func(t *testing.T, one, two *flow.Hub) {
		a := dial(t, one, "ann")
		j := a.join("r", msg{"presence": msg{"x": 1}})
		a.op("r", 1, 1)
		at := a.expect("op")
		a2 := dial(t, two, "ann")
		j2 := a2.join("r", msg{"resume": j.str("resume"), "position": "1:" + at.str("hash")})
		if j2.str("session") != j.str("session") || j2["resumed"] != true || j2["n"] != 1.0 {
			t.Fatalf("joined is %v", j2)
		}
		if !strings.Contains(fmt.Sprint(j2["participants"]), "presence:map[x:1]") {
			t.Fatalf("presence was lost: %v", j2["participants"])
		}
		if left := a.expect("left"); left.str("reason") != "replaced" {
			t.Fatalf("left is %v", left)
		}
		a2.op("r", 2, 2)
		if op := a2.expect("op"); op.num("seq") != 2 || op.num("n") != 2 {
			t.Fatalf("op is %v", op)
		}
		eventually(t, "one session is listed", func() bool {
			all, err := two.Participants(t.Context(), "r", "", 10)
			return err == nil && len(all) == 1
		})
	})
}

// knows waits until a client was told of a session. When that is another instance's, what others say reaches
// this client's instance from there on: a subscription that takes long is not waited for by a join.
func (c *client) knows(session string) {
	c.t.Helper()
	eventually(c.t, "the session is shown", func() bool { return strings.Contains(c.transcript(), session) })
}

// kick ends a session. On a busy machine another instance may take too long to say that it did.
func kick(t *testing.T, h *flow.Hub, room, session string) {
	t.Helper()
	if err := h.Kick(t.Context(), room, session); err != nil && flow.ErrorCode(err) != flow.CodeUnavailable {
		t.Fatal(err)
	}
}

// Kick returns when another instance has ended the session, and says when that does not answer.
func TestHub_KickElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := &muteBus{Bus: memx.NewBus()}
		one, two := newHubs(t, flow.Config{Bus: bus})
		first, second := dial(t, two, "bob"), dial(t, two, "bob")
		if err := one.Kick(t.Context(), "r", first.join("r").str("session")); err != nil {
			t.Error(err)
		}
		if code := first.closed(); code != 4102 {
			t.Errorf("close code is %d", code)
		}
		session := second.join("r").str("session")
		bus.mute("two")
		if err := one.Kick(t.Context(), "r", session); flow.ErrorCode(err) != flow.CodeUnavailable {
			t.Errorf("without an answer: %v", err)
		}
	})
}

// A kick acts on whatever instance the session is; an unknown one is not found.
func TestCluster_Kick(t *testing.T) {
	onCluster(t, flow.Config{}, func(t *testing.T, one, two *flow.Hub) {
		a, b := dial(t, one, "ann"), dial(t, two, "bob")
		a.join("r")
		jb := b.join("r")
		kick(t, one, "r", jb.str("session"))
		if left := b.expect("left"); left.str("reason") != "kicked" {
			t.Fatalf("left is %v", left)
		}
		if code := b.closed(); code != 4102 {
			t.Fatalf("close code is %d", code)
		}
		if err := one.Kick(t.Context(), "r", "nobody"); flow.ErrorCode(err) != flow.CodeNotFound {
			t.Fatalf("got %v", err)
		}
		if err := two.KickUser(t.Context(), "ann"); err != nil {
			t.Fatal(err)
		}
		if code := a.closed(); code != 4102 {
			t.Fatalf("close code is %d", code)
		}
		eventually(t, "the store is empty", func() bool {
			rooms, err := one.Rooms(t.Context(), "", 10)
			return err == nil && len(rooms) <= 1 // open here until it is idle, without a session
		})
	})
}

// A deleted room tells its members on all instances, and cannot be joined for a while.
func TestCluster_Delete(t *testing.T) {
	onCluster(t, flow.Config{}, func(t *testing.T, one, two *flow.Hub) {
		a, b := dial(t, one, "ann"), dial(t, two, "bob")
		a.join("r")
		b.join("r")
		a.op("r", 1, 1)
		b.expect("op")
		if err := two.DeleteRoom(t.Context(), "r"); err != nil {
			t.Fatal(err)
		}
		for _, c := range []*client{a, b} {
			if left := c.expect("left"); left.str("reason") != "deleted" {
				t.Fatalf("left is %v", left)
			}
			if got := c.request(msg{"type": "join", "room": "r"}); got.str("code") != "room_deleted" {
				t.Fatalf("join answered %v", got)
			}
		}
	})
}

// The participants of an instance that died vanish within the TTL and two seconds. I5
func TestCluster_DeadInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		deaf := &muteBus{Bus: memx.NewBus()}
		sessions := memx.NewSessionStore(memx.SessionConfig{InstanceTTL: 15 * time.Second})
		one, two := newHubs(t, flow.Config{Bus: deaf, Sessions: sessions})
		a, b := dial(t, one, "ann"), dial(t, two, "bob")
		a.join("r")
		b.join("r")
		advance(time.Second)
		deaf.mute("two")
		advance(17 * time.Second)
		gone := a.find(func(m msg) bool { return m["leave"] != nil })
		if !strings.Contains(fmt.Sprint(gone["leave"]), "disconnected") {
			t.Errorf("presence is %v", gone)
		}
	})
}

// muteBus is a bus that loses what one instance says.
type muteBus struct {
	flow.Bus
	mu   sync.Mutex
	dumb string
}

func (b *muteBus) mute(instance string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dumb = instance
}

func (b *muteBus) Publish(ctx context.Context, topic string, payload []byte) error {
	b.mu.Lock()
	dumb := b.dumb
	b.mu.Unlock()
	if dumb != "" && strings.HasPrefix(string(payload), dumb) {
		return nil
	}
	return b.Bus.Publish(ctx, topic, payload)
}

// With its feed silently dead, an instance still learns of operations by looking at the log. I11
func TestCluster_DeafFeed(t *testing.T) {
	log := memx.NewLog(memx.LogConfig{})
	one := newHub(t, flow.Config{Log: log})
	two := newHub(t, flow.Config{Log: deafLog{log}, PositionCheck: 300 * time.Millisecond})
	a, b := dial(t, one, "ann"), dial(t, two, "bob")
	a.join("r")
	b.join("r")
	a.op("r", 1, 1)
	if op := b.expect("op"); op.num("seq") != 1 {
		t.Fatalf("op is %v", op)
	}
}

// deafLog is a shared log whose notifications never come.
type deafLog struct{ flow.Log }

func (deafLog) Follow(string, func(flow.Feed)) (stop func()) { return func() {} }

func (l deafLog) Health(room string) flow.Health {
	health := l.Log.Health(room)
	health.Backend = "redis"
	return health
}

// A session that the store has lost is resumed elsewhere as long as anybody has it. I4, I7
func TestCluster_StoreForgot(t *testing.T) {
	// Within its grace the session does not get into the store again by itself.
	onCluster(t, flow.Config{Grace: time.Hour}, func(t *testing.T, one, two *flow.Hub) {
		a, b := dial(t, one, "ann"), dial(t, two, "bob")
		j := a.join("r")
		shown := fmt.Sprint(b.join("r")["participants"])
		eventually(t, "two has heard of one", func() bool {
			m, _ := b.poll(func(m msg) bool { return m.str("type") == "presence" })
			shown += fmt.Sprint(m)
			return strings.Contains(shown, j.str("session"))
		})
		if err := one.Config().Sessions.Delete(t.Context(), j.str("session")); err != nil {
			t.Fatal(err)
		}
		a.drop()
		a = dial(t, two, "ann")
		eventually(t, "it is resumed", func() bool { // at once, unless the other one is too busy to say that it has it
			return a.resume("r", j.str("resume")).str("session") == j.str("session")
		})
		a.request(msg{"type": "leave", "room": "r"})
		eventually(t, "the session has ended everywhere", func() bool {
			_, err := two.Config().Sessions.Get(t.Context(), j.str("session"))
			return flow.ErrorCode(err) == flow.CodeNotFound && one.Stats().Sessions == 0
		})
		got := a.request(msg{"type": "join", "room": "r", "resume": j.str("resume")})
		if got.str("code") != "stale_session" {
			t.Errorf("an ended session was resumed: %v", got)
		}
	})
}
