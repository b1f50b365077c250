package main

import (
	"testing"

	"github.com/fiberflow/flow/internal/browsertest"
)

// What is pending lies over what others have no place for yet, and both over the confirmed board, marked.
// Confirmed changes below do not disturb it.
func modelView(t *testing.T, browser *browsertest.Browser) {
	t.Helper()
	server, w := start(t), browser.Person(t)
	w.Go(server.URL + "/")
	got := browsertest.Read[string](w, `import("/web/model.js").then(({ Board }) => {
		const board = new Board();
		board.reset({ nodes: { a: { x: 1, y: 1, text: "a", color: "blue" }, b: { x: 2, y: 2, text: "b" },
			d: { x: 7, y: 7, text: "d" } } });
		const pending = [{ nodes: { a: { x: 5 } } }, { edges: { e: { from: "a", to: "b" } } }];
		board.apply({ nodes: { a: { x: 3, text: "A" }, c: { x: 1 } } });
		board.apply("not a patch");
		const { nodes, edges } = board.view(pending, [{ nodes: { a: { x: 4 }, b: { text: "B" } } }, null]);
		return JSON.stringify([[...nodes.values()], [...edges.values()], board.view([]).nodes.get("a").x]);
	})`)
	want := `[[{"id":"a","x":5,"y":1,"text":"A","color":"blue","unconfirmed":"ours"},` +
		`{"id":"b","x":2,"y":2,"text":"B","color":"slate","unconfirmed":"theirs"},` +
		`{"id":"d","x":7,"y":7,"text":"d","color":"slate","unconfirmed":""}],` +
		`[{"id":"e","from":"a","to":"b","unconfirmed":"ours"}],3]`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
