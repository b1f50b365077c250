package main

import (
	"encoding/json"
	"testing"

	"github.com/fiberflow/flow/internal/browsertest"
)

// mergePatch gives what the appendix of RFC 7396 asks for. The same targets are then patched together, to
// see that a patch changes nothing that somebody else still holds.
func mergePatch(t *testing.T, browser *browsertest.Browser) {
	t.Helper()
	server, w := start(t), browser.Person(t)
	w.Go(server.URL + "/")
	for _, c := range []struct{ target, patch, want string }{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`["a","b"]`, `["c","d"]`, `["c","d"]`},
		{`{"a":"b"}`, `["c"]`, `["c"]`},
		{`{"a":"foo"}`, `null`, `null`},
		{`{"a":"foo"}`, `"bar"`, `"bar"`},
		{`{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`},
		{`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
		{`{}`, `{"__proto__":{"a":1},"toString":null}`, `{"__proto__":{"a":1}}`},
	} {
		target, _ := json.Marshal(c.target)
		patch, _ := json.Marshal(c.patch)
		got := browsertest.Read[[]string](w, `import("/web/model.js").then(({ mergePatch }) => {
			const target = JSON.parse(`+string(target)+`);
			const merged = JSON.stringify(mergePatch(target, JSON.parse(`+string(patch)+`)));
			return [merged, JSON.stringify(target)];
		})`)
		if got[0] != c.want || got[1] != c.target {
			t.Errorf("%s with %s is %s, want %s (the target became %s)", c.target, c.patch, got[0], c.want, got[1])
		}
	}
}

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
