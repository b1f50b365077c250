package mergepatch_test

import (
	"encoding/json"
	"flag"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fiberflow/flow/internal/browsertest"
	"github.com/fiberflow/flow/mergepatch"
)

var clientSeed = flag.Uint64("client", 0, "the seed of TestClient; 0 for a new one")

// chain is a state, patches that follow, and what this package makes of them.
type chain struct {
	State   string   `json:"state"` // "" for none
	Patches []string `json:"patches"`
	Refused []bool   `json:"refused"` // by Check; the state stays as it is
	Want    string   `json:"want"`
}

// compare applies chains in the page and returns the first that comes to something else, with what it came
// to. Numbers are compared by Object.is, so that -0 is not 0; the order of members is not compared.
const compare = `(chains) => import("/client.js").then(({ mergePatch }) => {
	const isObject = (v) => v !== null && typeof v === "object";
	const alike = (a, b) => {
		if (!isObject(a) || !isObject(b)) return Object.is(a, b);
		const keys = Object.keys(a);
		return Array.isArray(a) === Array.isArray(b) && keys.length === Object.keys(b).length &&
			keys.every((key) => Object.hasOwn(b, key) && alike(a[key], b[key]));
	};
	const run = (chain) => {
		let state = chain.state === "" ? undefined : JSON.parse(chain.state);
		for (const [i, patch] of chain.patches.entries()) {
			let refused = false;
			try {
				state = mergePatch(state, JSON.parse(patch));
			} catch (error) {
				if (!(error instanceof RangeError)) throw error;
				refused = true;
			}
			if (refused !== chain.refused[i]) return [i + " is refused: " + refused];
		}
		return alike(state, chain.want === "" ? undefined : JSON.parse(chain.want)) ? [] : [JSON.stringify(state)];
	};
	for (const [at, chain] of chains.entries()) {
		const [got] = run(chain);
		if (got !== undefined) return { at, got };
	}
	return { at: -1, got: "" };
})`

// The function mergePatch of the client comes to the states that this package comes to, and refuses what it
// refuses: so a page that reduces shows what the server's snapshots say.
func TestClient(t *testing.T) {
	seed := *clientSeed
	if seed == 0 {
		seed = rand.Uint64() | 1
	}
	chains := make([]chain, 400)
	for i := range chains {
		chains[i] = rapid.Custom(drawChain).Example(int(seed>>1) + i)
		chains[i].apply(t)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte("<!doctype html><title>merge patch</title>"))
	})
	mux.Handle("GET /client.js", http.FileServerFS(os.DirFS("../handlers/client")))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	window := browsertest.Start(t).Person(t)
	window.Go(server.URL)

	argument, err := json.Marshal(chains)
	if err != nil {
		t.Fatal(err)
	}
	differs := browsertest.Read[struct {
		At  int    `json:"at"`
		Got string `json:"got"`
	}](window, "("+compare+")("+string(argument)+")")
	if differs.At >= 0 {
		c := chains[differs.At]
		patches := strings.Join(c.Patches, "\n        ")
		t.Errorf("-client=%d, chain %d\nstate   %s\npatches %s\nclient  %s\nserver  %s",
			seed, differs.At, short(c.State), short(patches), short(differs.Got), short(c.Want))
	}
}

// short returns a text that a person can read, however deep it is.
func short(text string) string {
	text = strings.ReplaceAll(text, strings.Repeat(`{"a":`, 500), `500*{"a":`)
	return strings.ReplaceAll(text, strings.Repeat("}", 500), "500*}")
}

// drawChain draws a chain whose texts stand at a depth of their own, in one chain of four near the limit.
// There no member is repeated: the page does not see those that do not count, and Check does.
func drawChain(t *rapid.T) chain {
	x, depth := texts{repeated: true, halves: true}, rapid.IntRange(0, 3).Draw(t, "depth")
	if rapid.IntRange(0, 3).Draw(t, "deep") == 0 {
		depth, x.repeated = rapid.IntRange(505, 512).Draw(t, "levels"), false
	}
	var c chain
	if rapid.IntRange(0, 7).Draw(t, "has no state") > 0 {
		c.State = nested(min(depth, 508), x.draw(t, 4))
	}
	for _, patch := range x.patches(t) {
		c.Patches = append(c.Patches, nested(depth, string(patch)))
	}
	return c
}

// apply fills in what this package makes of the chain.
func (c *chain) apply(t *testing.T) {
	t.Helper()
	state := []byte(c.State)
	for _, patch := range c.Patches {
		refused := mergepatch.Reducer{}.Check([]byte(patch)) != nil
		c.Refused = append(c.Refused, refused)
		if refused {
			continue
		}
		var err error
		if state, err = (mergepatch.Reducer{}).Apply(state, []byte(patch)); err != nil {
			t.Fatalf("%s on %s: %v", patch, c.State, err)
		}
	}
	c.Want = string(state)
}
