package handlers_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/fasthttp/websocket"

	"github.com/fiberflow/flow"
)

// sentText is one text of a client, and what has to come of it: the code of an error or a nack, or, of
// a text that is fine, a part of the answer.
type sentText struct{ name, text, code, answer string }

func sentTexts() []sentText {
	const invalid, fine = string(flow.CodeInvalidMessage), ""
	event := func(data string) string {
		return `{"type":"event","room":"r","name":"e","id":"1","echo":true,"data":` + data + `}`
	}
	op := func(data string) string { return `{"type":"op","room":"r","n":1,"data":` + data + `}` }
	nested := func(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }
	texts := []sentText{
		{"depth 512", event(nested(511)), fine, nested(511)},
		{"depth 513", event(nested(513)), invalid, ""},
		{"depth 30,000", event(nested(30_000)), invalid, ""},
		{"60,000 that never close", strings.Repeat("[", 60_000), invalid, ""},
		{"60,000 objects", strings.Repeat(`{"a":`, 12_000), invalid, ""},
		{"a number of 256 digits", event(strings.Repeat("9", 256)), fine, strings.Repeat("9", 256)},
		{"a number of 300 digits", event(strings.Repeat("9", 300)), invalid, ""},
		{"a number of 60,000 digits", op("0." + strings.Repeat("1", 60_000)), invalid, ""},
		{"an exponent of 4 digits", event("1e-9999"), fine, "1e-9999"},
		{"an exponent of 5 digits", event("1e99999"), invalid, ""},
		{"an exponent of zeros", event("1e-000000001"), invalid, ""},
		{"repeated type", `{"type":"ping","type":"auth","id":"1"}`, invalid, ""},
		{"repeated room", `{"type":"event","room":"r","room":"hidden","name":"e","id":"1"}`, invalid, ""},
		{"repeated n", `{"type":"op","room":"r","n":1,"n":2,"data":1}`, invalid, ""},
		{"a name in disguise repeated", `{"type":"ping","typ\u0065":"auth","id":"1"}`, invalid, ""},
		{"repeated names in data", event(`{"a":1,"a":2,"__proto__":{}}`), fine, `{"a":1,"a":2,"__proto__":{}}`},
		{"half of a pair in data", event(`"\ud800 \udc00\ud800"`), fine, `"\ud800 \udc00\ud800"`},
		{"half of a pair in a room", `{"type":"join","room":"\ud800","id":"1"}`, string(flow.CodeInvalidRoom), ""},
		{"NUL in a room", `{"type":"join","room":"r\u0000","id":"1"}`, string(flow.CodeInvalidRoom), ""},
		{"NUL in data", event(`"\u0000"`), fine, `"\u0000"`},
		{"a bare NUL", "{\"type\":\"ping\",\"id\":\"\x00\"}", invalid, ""},
		{"a huge name", `{"type":"ping","id":"1","` + strings.Repeat("k", 60_000) + `":1}`, fine, `"pong"`},
		{"a huge name in data", event(`{"` + strings.Repeat("k", 60_000) + `":1}`), fine, strings.Repeat("k", 60_000)},
		{"a huge id", `{"type":"ping","id":"` + strings.Repeat("i", 65) + `"}`, invalid, ""},
		{"a huge event name", `{"type":"event","room":"r","name":"` + strings.Repeat("e", 129) + `"}`, invalid, ""},
		{"a huge type", `{"type":"` + strings.Repeat("t", 60_000) + `","id":"1"}`, string(flow.CodeUnknownType), ""},
		{"257 elements", "[" + strings.Repeat(`{"type":"ping"},`, 256) + `{"type":"ping"}]`, invalid, ""},
		{"elements that are none", `[1,null,"x",[]]`, invalid, ""},
		{"an array in an array", `[[{"type":"ping"}]]`, invalid, ""},
		{"a trailing comma", `[{"type":"ping"},]`, invalid, ""},
		{"two texts", `{"type":"ping"}{"type":"ping"}`, invalid, ""},
		{"a byte order mark", "\ufeff{\"type\":\"ping\"}", invalid, ""},
		{"n beyond 2^53", `{"type":"op","room":"r","n":9007199254740992,"data":1}`, invalid, ""},
		{"n as 1e0", `{"type":"op","room":"r","n":1e0,"data":1}`, invalid, ""},
	}
	for _, field := range []string{"type", "id", "room", "name", "data", "n", "to", "echo"} {
		text := fmt.Sprintf(`{"type":"event","%s":null,"%[1]s":null}`, field)
		texts = append(texts, sentText{"null as " + field, text, invalid, ""})
	}
	return texts
}

// Whatever text a client sends, its answer is the contract's and JSON in UTF-8, its socket lives on, and
// others are served at once.
func TestSocket_Hostile_texts(t *testing.T) {
	s := start(t, options{hub: anonymous})
	other := s.join(t, "", "r")
	for _, c := range sentTexts() {
		t.Run(c.name, func(t *testing.T) {
			raw := s.dialRaw(t)
			raw.write(t, masked(0x81, []byte(`{"type":"join","room":"r","id":"join"}`)))
			raw.awaitText(t, `"joined"`)
			raw.write(t, masked(0x81, []byte(c.text)))
			want := c.answer
			if c.code != "" {
				want = `"code":"` + c.code + `"`
			}
			raw.awaitText(t, want)
			raw.write(t, masked(0x81, []byte(`{"type":"ping","id":"after"}`)))
			raw.awaitText(t, `"after"`)
			other.send(t, `{"type":"ping","id":"other"}`)
			other.await(t, "pong")
		})
	}
}

// awaitText reads on to a text with the part in it, and checks all texts on the way.
func (r *rawSocket) awaitText(t testing.TB, part string) {
	t.Helper()
	for {
		text := r.awaitFrame(t, 0x81)
		if !utf8.Valid(text) || !json.Valid(text) {
			t.Fatalf("the server sent %.200q", text)
		}
		if bytes.Contains(text, []byte(`"type":"bye"`)) {
			t.Fatalf("waiting for %.100q: %s", part, text)
		}
		if bytes.Contains(text, []byte(part)) {
			return
		}
	}
}

// Half of a surrogate pair, which no text may hold, does not make the server send to others what is no
// UTF-8, wherever it stands.
func TestSocket_Hostile_surrogates(t *testing.T) {
	s := start(t, options{hub: anonymous})
	reader, raw := s.join(t, "", "r"), s.dialRaw(t)
	for _, text := range []string{
		`{"type":"join","room":"r","id":"\ud800","presence":{"\udc00":"\ud800","a\ud83d\ude00":1}}`,
		`{"type":"event","room":"r","name":"\udfff","id":"\ud800\ud800","data":{"\ud800":"\udc00"}}`,
		`{"type":"presence","room":"r","data":{"\udc00":null,"\ud800":"\ud800\u0000"},"id":"p"}`,
		`{"type":"op","room":"r","n":1,"data":{"\ud800":["\udc00\ud800"]}}`,
	} {
		raw.write(t, masked(0x81, []byte(text)))
	}
	raw.awaitText(t, `"type":"op"`)
	for _, kind := range []string{"event", "op"} {
		reader.await(t, kind) // the client's library checks UTF-8, and the test that it is JSON
	}
}

// Arrays of 256 messages are served whole, empty ones cost nothing but their rate.
func TestSocket_Hostile_arrays(t *testing.T) {
	s := start(t, options{hub: anonymous})
	ws := s.dial(t, "")
	ws.send(t, "[]")
	ws.send(t, "["+strings.Repeat(`{"type":"nothing"},`, 99)+`{"type":"ping","id":"last"}]`)
	if id := ws.await(t, "pong").str("id"); id != "last" {
		t.Errorf("pong %q", id)
	}
	many := s.dial(t, "")
	many.send(t, "["+strings.Repeat(`{"type":"ping","id":"p"},`, 255)+`{"type":"ping","id":"p"}]`)
	pongs, limited := 0, 0
	for pongs+limited < 256 {
		m, err := many.next()
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case m.str("type") == "pong":
			pongs++
		case m.str("code") == string(flow.CodeRateLimited):
			limited++
		}
	}
	if pongs < 200 {
		t.Errorf("%d of 256 were answered, the burst is 200", pongs)
	}
	if err := many.WriteMessage(websocket.TextMessage, []byte("[]")); err != nil {
		t.Error(err)
	}
}
