package outage_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/fasthttp/websocket"
)

// visitor is a client that does one thing after the other, so no goroutine reads for it.
type visitor struct {
	w    *world
	conn *websocket.Conn
	ids  int
	seen []message // and not asked for yet
}

// visit connects to an instance as a user, or as nobody in particular.
func (w *world) visit(at *instance, user string) *visitor {
	w.t.Helper()
	header := http.Header{}
	if user != "" {
		header.Set("Authorization", "Bearer "+w.token(user))
	}
	dialer := websocket.Dialer{HandshakeTimeout: patience, Subprotocols: []string{"flow.v1"}}
	conn, _, err := dialer.Dial("ws"+strings.TrimPrefix(at.base, "http")+"/ws", header)
	w.must(err)
	w.t.Cleanup(func() { _ = conn.Close() })
	return &visitor{w: w, conn: conn}
}

// request returns the answer to a message.
func (v *visitor) request(m map[string]any) message {
	v.w.t.Helper()
	v.ids++
	id := fmt.Sprint("v", v.ids)
	m["id"] = id
	v.send(m)
	return v.find(fmt.Sprint("an answer to ", m), func(got message) bool { return got.ID == id })
}

func (v *visitor) send(m map[string]any) {
	v.w.t.Helper()
	text, err := json.Marshal(m)
	v.w.must(err)
	v.w.must(v.conn.WriteMessage(websocket.TextMessage, text))
}

// resume joins a room with a token, or anew without.
func (v *visitor) resume(room, token string) message {
	v.w.t.Helper()
	m := map[string]any{"type": "join", "room": room}
	if token != "" {
		m["resume"] = token
	}
	return v.request(m)
}

// expect returns the next message of a type; others are kept.
func (v *visitor) expect(kind string) message {
	v.w.t.Helper()
	return v.find(kind, func(got message) bool { return got.Type == kind })
}

func (v *visitor) find(what string, right func(message) bool) message {
	v.w.t.Helper()
	v.w.must(v.conn.SetReadDeadline(time.Now().Add(patience)))
	for {
		for i, got := range v.seen {
			if right(got) {
				v.seen = append(v.seen[:i:i], v.seen[i+1:]...)
				return got
			}
		}
		_, text, err := v.conn.ReadMessage()
		if err != nil {
			v.w.t.Fatalf("%s did not come: %v; kept %+v", what, err, v.seen)
		}
		list, err := messages(text)
		v.w.must(err)
		v.seen = append(v.seen, list...)
	}
}

// closed reads to the end of the connection, and returns its code.
func (v *visitor) closed() int {
	v.w.t.Helper()
	v.w.must(v.conn.SetReadDeadline(time.Now().Add(patience)))
	for {
		if _, _, err := v.conn.ReadMessage(); err != nil {
			var end *websocket.CloseError
			if !errors.As(err, &end) {
				v.w.t.Fatalf("the connection ended with %v", err)
			}
			return end.Code
		}
	}
}
