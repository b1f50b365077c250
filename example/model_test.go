package main

import (
	"testing"

	"github.com/fiberflow/flow/internal/browsertest"
)

// What is drawn is the optimistic state, clean, and marked where it is not confirmed: ours above what is of others.
func modelView(t *testing.T, browser *browsertest.Browser) {
	t.Helper()
	server, w := start(t), browser.Person(t)
	w.Go(server.URL + "/")
	got := browsertest.Read[string](w, `import("/web/model.js").then(({ boardOf }) => {
		const state = {
			nodes: { a: { x: 5, y: 1, text: "A", color: "blue" }, b: { x: 2, y: 2, text: "B", color: "pink" },
				c: { x: 1 }, d: { x: 7, y: 7, text: "d" }, f: "none" },
			edges: { e: { from: "a", to: "b" }, g: { from: "a", to: "c" } },
		};
		const ours = [{ nodes: { a: { x: 5 } } }, { edges: { e: { from: "a", to: "b" } } }, "not a patch"];
		const theirs = [{ nodes: { a: { x: 4 }, b: { text: "B" } } }, null];
		const { nodes, edges } = boardOf(state, ours, theirs);
		return JSON.stringify([[...nodes.values()], [...edges.values()],
			...[undefined, null, "text", []].map((s) => boardOf(s, ours).nodes.size)]);
	})`)
	want := `[[{"id":"a","x":5,"y":1,"text":"A","color":"blue","unconfirmed":"ours"},` +
		`{"id":"b","x":2,"y":2,"text":"B","color":"slate","unconfirmed":"theirs"},` +
		`{"id":"d","x":7,"y":7,"text":"d","color":"slate","unconfirmed":""}],` +
		`[{"id":"e","from":"a","to":"b","unconfirmed":"ours"}],0,0,0,0]`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
