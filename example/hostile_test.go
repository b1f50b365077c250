package main

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/golang-jwt/jwt/v5"

	"github.com/fiberflow/flow/internal/browsertest"
)

// hostileTexts are what somebody may try to be called, or to write: each would leave its mark in window.owned if it
// ever became code.
func hostileTexts() []string {
	return []string{
		`<script>owned=1</script>`, `<img src=x onerror=owned=1>`, `"><svg onload=owned=1>`, `javascript:owned=1`,
		`</title><script>owned=1</script>`, `' onfocus=owned=1 autofocus '`, `url(javascript:owned=1)`,
		"\u202Edenwo\u202C\u2067turned", "\u200B\u200B\u200D", "two\nlines\ttab", strings.Repeat("long ", 800),
		`__proto__`, `constructor`, `{{owned=1}}${owned=1}`,
	}
}

// cut returns the beginning of a text.
func cut(text string, bytes int) string { return text[:min(len(text), bytes)] }

// hostile is a program that takes part in a board without being one.
type hostile struct {
	t  *testing.T
	ws *websocket.Conn
}

// dialHostile joins a board as somebody whom a token gives such a name and picture.
func dialHostile(t *testing.T, server *instance, room, text string, presence map[string]any) hostile {
	t.Helper()
	user := strings.NewReplacer("\n", " ", "\t", " ").Replace(cut(text, 255)) // a token has no other ids
	picture := "javascript:owned=1//" + cut(text, 300)
	if strings.HasPrefix(text, "<") {
		picture = `data:text/html,<script>owned=1</script>`
	}
	header := http.Header{"Authorization": {"Bearer " + token(t, user, jwt.MapClaims{
		"name": cut(text, 512), "picture": picture,
	})}}
	dialer := websocket.Dialer{HandshakeTimeout: time.Minute}
	ws, response, err := dialer.Dial("ws"+strings.TrimPrefix(server.URL, "http")+"/collab/ws", header)
	if err != nil {
		t.Fatalf("%v: %v", err, response)
	}
	t.Cleanup(func() { _ = ws.Close() })
	h := hostile{t, ws}
	h.send(map[string]any{"type": "join", "id": "1", "room": room, "presence": presence})
	h.await("joined")
	return h
}

func (h hostile) send(m map[string]any) {
	h.t.Helper()
	if err := h.ws.WriteJSON(m); err != nil {
		h.t.Fatal(err)
	}
}

// await reads on to a message of the type.
func (h hostile) await(kind string) {
	h.t.Helper()
	for {
		if err := h.ws.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			h.t.Fatal(err)
		}
		_, text, err := h.ws.ReadMessage()
		if err != nil {
			h.t.Fatalf("waiting for %s: %v", kind, err)
		}
		if strings.Contains(string(text), `"type":"`+kind+`"`) {
			return
		}
		if strings.Contains(string(text), `"type":"error"`) {
			h.t.Fatalf("waiting for %s: %.300s", kind, text)
		}
	}
}

// untouched is true while no text has become code or markup: nothing has run, and there is no element or attribute
// that the page did not make itself.
const untouched = `!("owned" in window) && Object.keys(Object.prototype).length === 0 &&
	[...document.body.querySelectorAll("*")].every((e) =>
		!/^(script|img|iframe|object|embed|link|style|base|form|animate|set)$/i.test(e.localName) &&
		e.getAttributeNames().every((name) => !/^(on|srcdoc)/i.test(name) &&
			!(/(href|src|action|data)$/i.test(name) && /^\s*(javascript|data):/i.test(e.getAttribute(name)))))`

// Whatever people are called, in tokens and in presence, and whatever they write, is text: on the board nothing of
// it runs, makes an element, or breaks the page. I6
func hostilePeople(t *testing.T, browser *browsertest.Browser) {
	t.Helper()
	server := start(t, "COLLAB_JWT_SECRET="+secret)
	board := page{browser.Person(t)}
	board.Go(server.URL + "/board/bad#token=" + token(t, "ada", jwt.MapClaims{"name": "Ada"}))
	board.Live()
	texts := hostileTexts()
	nodes, edges := map[string]any{}, map[string]any{}
	for i, text := range texts {
		at, id := []int{100 + 40*i, 80 + 40*i}, cut(text, 100)
		presence := map[string]any{
			"cursor": at, "selection": []any{id, 7, nil}, "edit": id,
			"drag":  []any{map[string]any{"id": id, "x": id, "y": 1}},
			"color": id, "__proto__": map[string]any{"owned": 1}, id: id,
		}
		if i%2 == 0 {
			presence["name"] = cut(text, 1000)
		}
		h := dialHostile(t, server, "bad", text, presence)
		h.send(map[string]any{"type": "event", "id": "e", "room": "bad", "name": id, "data": text})
		h.await("ok")
		nodes[text] = map[string]any{"x": at[0], "y": at[1], "text": text, "color": text}
		edges[text] = map[string]any{"from": text, "to": texts[(i+1)%len(texts)], "color": text}
	}
	writer := dialHostile(t, server, "bad", "writer", map[string]any{})
	patch := map[string]any{"nodes": nodes, "edges": edges, "__proto__": map[string]any{"owned": 1}}
	writer.send(map[string]any{"type": "op", "room": "bad", "n": 1, "data": patch})
	writer.await("op")
	board.People(len(texts) + 2)
	board.count(len(texts), ".node")
	board.Edges(len(texts))
	for _, text := range texts {
		board.Shows(cut(text, 500)) // as much as a card holds
	}
	for _, name := range []string{texts[0], texts[1], texts[3], texts[4], "two lines tab", "denwo turned"} {
		board.Until("a name is shown as "+name, `[...document.querySelectorAll("#people b")].some((b) =>
			b.textContent === `+strconv.Quote(cut(name, 40))+`)`)
	}
	board.Until("every name can be seen, and turns no text", `[...document.querySelectorAll("#people b, .cursor span")]
		.map((b) => b.textContent).every((name) => name.length <= 40 && /[^\p{Cf}\p{Z}]/u.test(name) &&
			!/\p{Bidi_Control}/u.test(name))`)
	board.Until("nothing ran", untouched)
	hostileNotices(t, board, texts)
	hostileRooms(t, board, server, texts)
}

// hostileNotices shows the page errors and reasons with such texts.
func hostileNotices(t *testing.T, board page, texts []string) {
	t.Helper()
	for _, text := range texts {
		quoted := strconv.Quote(text)
		board.Do(`import("/web/status.js").then(({ notify, showEnding }) => {
			showEnding(` + quoted + `);
			notify(` + quoted + `);
		})`)
		board.Until("the notice is "+text, `document.querySelector("#notice span").textContent === `+quoted)
	}
	board.Until("nothing ran", untouched)
}

// hostileRooms opens boards that cannot be.
func hostileRooms(t *testing.T, board page, server *instance, texts []string) {
	t.Helper()
	for _, text := range texts[:5] {
		quoted := strconv.Quote(text)
		board.Go(server.URL + "/?room=" + url.QueryEscape(text))
		board.Until("the room is shown as "+text, `document.querySelector("#room").textContent === `+quoted)
		board.Until("there is no such board",
			`document.querySelector("#notice").textContent.includes("cannot be a board")`)
		board.Until("nothing ran", untouched)
		board.Go(server.URL + "/board/" + url.PathEscape(text))
		board.Until("it is text", `document.contentType === "text/plain" && !("owned" in window)`)
	}
}
