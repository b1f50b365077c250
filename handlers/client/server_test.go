package client_test

import (
	"context"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/handlers"
	"github.com/fiberflow/flow/internal/browsertest"
	"github.com/fiberflow/flow/memx"
)

// site is a real server with a page on which client.js is loaded.
type site struct {
	hub *flow.Hub
	URL string
}

// stores are what instances share.
type stores struct {
	sessions flow.SessionStore
	bus      flow.Bus
	log      flow.Log
}

func newStores() stores {
	return stores{
		sessions: memx.NewSessionStore(memx.SessionConfig{}), bus: memx.NewBus(), log: memx.NewLog(memx.LogConfig{}),
	}
}

// world is what every page of these tests has: rooms that record what they are told, and sockets that can
// be cut and sent elsewhere.
const world = `<!doctype html><title>client</title><script type="module">
import { connect, mergePatch } from "/collab/client.js";
window.mergePatch = mergePatch;
window.sockets = [];
window.target = location.origin;
class Recorded extends WebSocket {
	constructor(url, protocols) {
		super(url.replace(/^ws:..[^/]+/, target.replace("http", "ws")), protocols);
		sockets.push(this);
	}
}
window.memory = (entries = []) => {
	const map = new Map(entries);
	return {
		map, getItem: (k) => map.get(k) ?? null, setItem: (k, v) => map.set(k, v), removeItem: (k) => map.delete(k),
	};
};
window.enter = (id, options = {}) => {
	const { storage = null, reduce, ...rest } = options;
	const client = connect({ WebSocket: Recorded, ...rest });
	const room = client.join(id, { storage, reduce });
	const told = { client, room, ops: [], nacks: [], resets: [], left: [], snapshots: [] };
	room.on("op", (op) => told.ops.push(op.data));
	room.on("nack", (nack) => told.nacks.push([nack.op.data, nack.error.code, nack.final]));
	room.on("reset", (reset) => { told.ops = []; told.resets.push(reset); });
	room.on("left", (left) => told.left.push(left.reason));
	return told;
};
window.ready = true;
</script>`

// serve runs an instance on the stores until the test ends.
func serve(t *testing.T, shared stores, change func(*flow.Config)) *site {
	t.Helper()
	config := flow.Config{
		Sessions: shared.sessions, Bus: shared.bus, Log: shared.log, Anonymous: true,
		Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&config)
	}
	hub, err := flow.New(config)
	if err != nil {
		t.Fatal(err)
	}
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	handlers.Register(app.Group("/collab"), handlers.Config{Hub: hub})
	app.Get("/", func(c *fiber.Ctx) error { return c.Type("html").SendString(world) })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- app.Listener(listener) }() // ends with the app, below
	t.Cleanup(func() {
		if err := hub.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		if err := app.Shutdown(); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return &site{hub: hub, URL: "http://" + listener.Addr().String()}
}

// visit opens the page of an instance in a window of its own.
func visit(t *testing.T, browser *browsertest.Browser, s *site) *browsertest.Window {
	t.Helper()
	w := browser.Person(t)
	w.Go(s.URL)
	w.Until("client.js is loaded", `window.ready`)
	return w
}

// The client and the hub keep the contract with each other, not only with what each takes the other for.
// What a case guarantees stands over its function.
func TestClient_Server(t *testing.T) {
	browser := browsertest.Start(t)
	for name, run := range map[string]func(*testing.T, *browsertest.Browser){
		"flood": flood, "refusals": refusals, "cut connection": cutConnection, "another instance": anotherInstance,
		"replaced": replaced, "kicked": kicked, "deleted": deleted, "token renewed": tokenRenewed, "snapshot": snapshot,
		"state": state, "snapshot by itself": snapshotByItself, "locks": locks,
	} {
		t.Run(name, func(t *testing.T) { run(t, browser) })
	}
}

// More than the server takes at once is written in order and once, however often it says no. I1, I2, I3
func flood(t *testing.T, browser *browsertest.Browser) {
	t.Helper()
	s := serve(t, newStores(), func(c *flow.Config) { c.Limits = flow.Limits{OpsPerSecond: 100, Pending: 16} })
	a, b := visit(t, browser, s), visit(t, browser, s)
	for name, w := range map[string]*browsertest.Window{"a": a, "b": b} {
		w.Do(`window.me = enter("room"); for (let i = 0; i < 300; i++) me.room.submit("` + name + `" + i)`)
	}
	for _, w := range []*browsertest.Window{a, b} {
		w.Until("all operations are confirmed", `me.ops.length >= 600 && me.room.pending.length === 0`)
		w.Until("each author's are in order", `["a", "b"].every((name) => JSON.stringify(me.ops.filter((op) =>
			op[0] === name)) === JSON.stringify(Array.from({ length: 300 }, (_, i) => name + i)))`)
	}
	if order := `JSON.stringify(me.ops)`; browsertest.Read[string](a, order) != browsertest.Read[string](b, order) {
		t.Error("two people see two orders")
	}
}

// What the application's hook refuses leaves no hole and takes nothing with it. I1
func refusals(t *testing.T, browser *browsertest.Browser) {
	t.Helper()
	s := serve(t, newStores(), func(c *flow.Config) {
		c.OnOperation = func(_ context.Context, op *flow.Proposal) error {
			if strings.Contains(string(op.Data), "bad") {
				return flow.Errorf(flow.CodeRejected, "bad")
			}
			return nil
		}
	})
	w := visit(t, browser, s)
	w.Do(`window.me = enter("room");
		for (const data of [1, "bad1", 2, 3, "bad2", "bad3", "x".repeat(70000), 4]) me.room.submit(data);`)
	w.Until("the good ones are confirmed", `JSON.stringify(me.ops) === "[1,2,3,4]" && me.room.pending.length === 0`)
	w.Until("the author was told of each", `JSON.stringify(me.nacks.map(([, code, final]) => [code, final]).sort()) ===
		JSON.stringify([["rejected", true], ["rejected", true], ["rejected", true], ["too_large", true]])`)
}

// A connection that breaks costs nothing: the same session, no reset, nothing missed or repeated. I4
func cutConnection(t *testing.T, browser *browsertest.Browser) {
	t.Helper()
	s := serve(t, newStores(), nil)
	a, b := visit(t, browser, s), visit(t, browser, s)
	for _, w := range []*browsertest.Window{a, b} {
		w.Do(`window.me = enter("room"); window.session = ""; me.room.on("synced", () => session ||= me.room.session)`)
		w.Until("the room is joined", `me.room.synced`)
	}
	for i := range 3 {
		a.Do(`me.room.submit("a` + strconv.Itoa(i) + `"); window.before = sockets.length; sockets.at(-1).close()`)
		b.Do(`me.room.submit("b` + strconv.Itoa(i) + `")`)
		a.Until("it is back", `sockets.length > before && me.room.status === "live"`)
	}
	for _, w := range []*browsertest.Window{a, b} {
		w.Until("everything is confirmed once", `me.ops.length === 6 && new Set(me.ops).size === 6`)
		w.Until("nothing is pending", `me.room.pending.length === 0`)
		w.Until("there was one reset", `me.resets.length === 1`)
		w.Until("the session is the same", `me.room.session === session`)
		w.Until("two people are listed", `me.room.participants.size === 2`)
	}
}

// Another instance on the same stores takes over where the first one ended. I4, I7, I10
func anotherInstance(t *testing.T, browser *browsertest.Browser) {
	t.Helper()
	shared := newStores()
	key := func() [][]byte { return [][]byte{[]byte("a key that both instances have")} }
	one := serve(t, shared, func(c *flow.Config) { c.Secrets = key })
	two := serve(t, shared, func(c *flow.Config) {
		c.Secrets, c.AllowedOrigins = key, []string{one.URL}
	})
	w := visit(t, browser, one)
	w.Do(`window.me = enter("room"); me.room.submit("first")`)
	w.Until("it is confirmed", `me.ops.length === 1`)
	w.Do(`window.session = me.room.session; window.target = "` + two.URL + `"`)
	if err := one.hub.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.Do(`me.room.submit("second")`)
	w.Until("it is confirmed there", `JSON.stringify(me.ops) === '["first","second"]'`)
	w.Until("the session is the same", `me.room.session === session && me.resets.length === 1`)
}

// Who takes a session over has it; the first one stops and does not fight.
func replaced(t *testing.T, browser *browsertest.Browser) {
	t.Helper()
	w := visit(t, browser, serve(t, newStores(), nil))
	w.Do(`window.first = enter("room", { storage: window.kept = memory() })`)
	w.Until("the room is joined", `first.room.synced`)
	w.Do(`window.session = first.room.session;
		window.second = enter("room", { storage: memory([...kept.map].map(([k, v]) =>
			[k, JSON.stringify({ ...JSON.parse(v), open: false })])) })`)
	w.Until("the second has the session", `second.room.synced && second.room.session === session`)
	w.Until("the first is told", `JSON.stringify(first.left) === '["replaced"]'`)
	w.Do(`second.room.submit(1)`)
	w.Until("the second works", `second.ops.length === 1 && second.room.participants.size === 1`)
	w.Until("the first stays out", `first.room.status === "left" && first.client.status === "closed"`)
	w.Until("there were two connections", `sockets.length === 2`)
}

// Who is kicked does not come back by itself.
func kicked(t *testing.T, browser *browsertest.Browser) {
	t.Helper()
	s := serve(t, newStores(), nil)
	w := visit(t, browser, s)
	w.Do(`window.me = enter("room")`)
	w.Until("the room is joined", `me.room.synced`)
	if err := s.hub.Kick(t.Context(), "room", browsertest.Read[string](w, `me.room.session`)); err != nil {
		t.Fatal(err)
	}
	w.Until("it is told", `JSON.stringify(me.left) === '["kicked"]'`)
	w.Until("the client is closed", `me.client.status === "closed" && me.client.reason === "kicked"`)
	w.Until("there was one connection", `sockets.length === 1`)
}

// A deleted room ends the membership, and the connection lives on.
func deleted(t *testing.T, browser *browsertest.Browser) {
	t.Helper()
	s := serve(t, newStores(), nil)
	w := visit(t, browser, s)
	w.Do(`window.me = enter("room"); me.room.submit(1)`)
	w.Until("it is confirmed", `me.ops.length === 1`)
	if err := s.hub.DeleteRoom(t.Context(), "room"); err != nil {
		t.Fatal(err)
	}
	w.Until("it is told", `JSON.stringify(me.left) === '["deleted"]' && me.client.status === "live"`)
	w.Do(`window.again = me.client.join("room", { storage: null })`)
	w.Until("the room cannot be joined", `again.status === "left" && again.reason === "room_deleted"`)
}

// A token that ends is renewed without anybody noticing.
func tokenRenewed(t *testing.T, browser *browsertest.Browser) {
	t.Helper()
	s := serve(t, newStores(), func(c *flow.Config) {
		c.Anonymous = false
		c.VerifyToken = func(_ context.Context, token string) (flow.User, error) {
			ms, err := strconv.ParseInt(strings.TrimPrefix(token, "until-"), 10, 64)
			return flow.User{ID: "ada", Expires: time.UnixMilli(ms)}, err
		}
	})
	w := visit(t, browser, s)
	w.Do(`window.asked = 0;
		window.me = enter("room", { getToken: async () => { asked++; return "until-" + (Date.now() + 1500); } })`)
	w.Until("the token was renewed three times", `asked >= 4`)
	w.Do(`me.room.submit(1)`)
	w.Until("the connection is the first one", `me.ops.length === 1 && sockets.length === 1`)
	w.Do(`window.bad = enter("room", { token: "nonsense" })`)
	w.Until("a bad token is told", `bad.client.status === "closed" && bad.client.reason === "unauthenticated"`)
}

// A snapshot is where a newcomer starts.
func snapshot(t *testing.T, browser *browsertest.Browser) {
	t.Helper()
	w := visit(t, browser, serve(t, newStores(), nil))
	w.Do(`window.me = enter("room"); for (const n of [1, 2, 3]) me.room.submit(n)`)
	w.Until("all is confirmed", `me.ops.length === 3`)
	w.Do(`me.room.snapshot({ sum: 6 })`)
	w.Do(`me.room.submit(4)`)
	w.Do(`window.late = enter("room")`)
	w.Until("a newcomer starts at the snapshot", `JSON.stringify([late.resets.map((r) => r.snapshot), late.ops]) ===
		'[[{"sum":6}],[4]]'`)
}
