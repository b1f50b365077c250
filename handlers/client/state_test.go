package client_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/browsertest"
	"github.com/fiberflow/flow/memx"
	"github.com/fiberflow/flow/mergepatch"
)

// reducing runs an instance that has the state of its rooms, and makes quiet what is loud.
func reducing(t *testing.T) *site {
	t.Helper()
	return serve(t, newStores(), func(c *flow.Config) {
		c.Reductions = []flow.Reduction{{Rooms: "*", Reducer: mergepatch.Reducer{}}}
		c.SnapshotEvery = 3
		c.OnOperation = func(_ context.Context, op *flow.Proposal) error {
			if strings.Contains(string(op.Data), "LOUD") {
				op.Data = []byte(strings.ToLower(string(op.Data)))
			}
			return nil
		}
	})
}

// All who reduce come to the state that the server has, whatever it puts in the place of what was written. An own
// operation with other data is confirmed, and not sent again. I1, I2
func state(t *testing.T, browser *browsertest.Browser) {
	t.Helper()
	s := reducing(t)
	a, b := visit(t, browser, s), visit(t, browser, s)
	for _, w := range []*browsertest.Window{a, b} {
		w.Do(`window.me = enter("room", { reduce: mergePatch })`)
		w.Until("the room is joined", `me.room.synced`)
	}
	a.Do(`for (const data of [{ a: { x: 1, y: 2 } }, { b: "LOUD" }, { a: { x: null } }, { c: 1 }]) me.room.submit(data);
		window.at = JSON.stringify([me.room.state, me.room.optimistic])`)
	a.Until("what is pending was shown at once", `at === '[null,{"a":{"y":2},"b":"LOUD","c":1}]'`)
	const want = `{"a":{"y":2},"b":"loud","c":1}`
	for _, w := range []*browsertest.Window{a, b} {
		w.Until("all is confirmed", `me.ops.length === 4 && me.room.pending.length === 0`)
		w.Until("this is the state", `JSON.stringify(me.room.state) === '`+want+`'`)
		w.Until("it is what is shown", `JSON.stringify(me.room.optimistic) === '`+want+`'`)
	}
	server, err := s.hub.RoomState(t.Context(), "room")
	if err != nil {
		t.Fatal(err)
	}
	var parsed map[string]any
	if err := json.Unmarshal(server.Data, &parsed); err != nil {
		t.Fatal(err)
	}
	if got, _ := json.Marshal(parsed); string(got) != want { // in the order of the keys
		t.Errorf("the server has %s", got)
	}
	a.Do(`window.late = enter("room", { reduce: mergePatch })`)
	a.Until("a newcomer has it too", `late.room.synced && JSON.stringify(late.room.state) === '`+want+`'`)
}

// Where the server has no reducer, a room that reduces answers when it is asked for a snapshot.
func snapshotByItself(t *testing.T, browser *browsertest.Browser) {
	t.Helper()
	w := visit(t, browser, serve(t, newStores(), func(c *flow.Config) { c.SnapshotEvery = 3 }))
	w.Do(`window.sum = (state = 0, data) => state + data;
		window.me = enter("room", { reduce: sum }); for (const n of [1, 2, 3, 4]) me.room.submit(n)`)
	w.Until("all is confirmed", `me.ops.length === 4 && me.room.state === 10`)
	w.Until("somebody who comes later starts from it", `(() => {
		if (!window.late?.room.synced) { window.late ??= enter("room", { reduce: sum }); return false; }
		if (late.resets[0].snapshot === 10 && late.ops.length === 0 && late.room.state === 10) return true;
		late.client.close(); late = undefined; return false;
	})()`)
}

// One has a lock, and the others see who; it stays over a break of the connection, and goes to the next after it
// was given back.
func locks(t *testing.T, browser *browsertest.Browser) {
	t.Helper()
	s := serve(t, newStores(), func(c *flow.Config) {
		log := memx.NewLog(memx.LogConfig{})
		c.Log, c.Leases = log, log
	})
	a, b := visit(t, browser, s), visit(t, browser, s)
	const take = `window.failed = undefined; window.lock = undefined; me.room.lock("card", { ttl: 60000 }).then(
		(lock) => { window.lock = lock; }, (err) => { window.failed = err; })`
	for _, w := range []*browsertest.Window{a, b} {
		w.Do(`window.me = enter("room")`)
		w.Until("the room is joined", `me.room.synced`)
	}
	a.Do(take)
	a.Until("it has the lock", `lock?.held === true`)
	holder := `me.room.locks.get("card")?.session`
	session := browsertest.Read[string](a, `me.room.session`)
	for _, w := range []*browsertest.Window{a, b} {
		w.Until("everybody sees who has it", holder+` === "`+session+`"`)
	}
	b.Do(take)
	b.Until("another does not get it", `failed?.code === "locked" &&
		failed.retryAfter > 0 && failed.retryAfter <= 60000`)
	a.Do(`sockets.at(-1).close()`)
	a.Until("it is back", `sockets.length > 1 && me.room.status === "live"`)
	a.Until("it still has the lock", `lock.held && me.room.locks.get("card")?.self === true`)
	b.Do(take)
	b.Until("nobody else", `failed?.code === "locked"`)
	a.Do(`lock.release()`)
	b.Until("it is free", `me.room.locks.size === 0`)
	b.Do(take)
	b.Until("now it has it", `lock?.held === true && me.room.locks.get("card")?.self === true`)
	a.Until("which the first one sees", `me.room.locks.get("card")?.self === false && !lock.held`)
}
