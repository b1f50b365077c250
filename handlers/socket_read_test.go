package handlers_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/fiberflow/flow"
)

func anonymous(c *flow.Config) { c.Anonymous = true }

// What is no text message ends the socket as the contract says, with a bye only where it promises one.
func TestSocket_Read_brokenInput(t *testing.T) {
	s := start(t, options{hub: anonymous})
	const broken, notUTF8 = websocket.CloseProtocolError, websocket.CloseInvalidFramePayloadData
	cases := []struct {
		name  string
		input []byte
		code  int
		bye   bool
	}{
		{"binary message", masked(0x82, []byte("{}")), flow.ByeProtocol.CloseCode(), true},
		{"invalid UTF-8", masked(0x81, []byte("{\"a\":\"\xff\"}")), notUTF8, false},
		{"UTF-8 cut by the end of the message", masked(0x81, []byte("\xe2\x82")), notUTF8, false},
		{"surrogate half", masked(0x81, []byte("\xed\xa0\x80")), notUTF8, false},
		{"reserved bit", masked(0xc1, []byte("{}")), broken, false},
		{"unknown opcode", masked(0x83, []byte("{}")), broken, false},
		{"continuation of nothing", masked(0x80, []byte("{}")), broken, false},
		{"frame without mask", []byte{0x81, 2, '{', '}'}, broken, false},
		{"long control frame", masked(0x89, make([]byte, 126)), broken, false},
		{"control frame in parts", masked(0x09, nil), broken, false},
		{"close code that must not be sent", masked(0x88, []byte{0x03, 0xed}), broken, false},
		{
			"negative length", []byte{0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0},
			broken, false,
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			raw := s.dialRaw(t)
			raw.awaitFrame(t, 0x81)
			raw.write(t, c.input)
			code, bye := raw.closing(t)
			if code != c.code || bye != c.bye {
				t.Fatalf("close %d, bye %v; want %d, %v", code, bye, c.code, c.bye)
			}
			raw.wantEnd(t)
		})
	}
}

// Text in several frames, with control frames between them, is one message.
func TestSocket_Read_fragments(t *testing.T) {
	s := start(t, options{hub: anonymous})
	raw := s.dialRaw(t)
	raw.awaitFrame(t, 0x81)
	text := []byte(`{"type":"ping","id":"€"}`)
	cut := strings.Index(string(text), "€") + 1 // inside the character
	raw.write(t, masked(0x01, text[:cut]))
	raw.write(t, masked(0x89, []byte("between")))
	if pong := raw.awaitFrame(t, 0x8a); string(pong) != "between" {
		t.Errorf("pong %q", pong)
	}
	raw.write(t, masked(0x80, text[cut:]))
	answer := string(raw.awaitFrame(t, 0x81))
	if !strings.Contains(answer, `"type":"pong"`) || !strings.Contains(answer, "€") {
		t.Errorf("answer %s", answer)
	}
}

// A message may be as large as the limit and no larger; the goodbye arrives although the client is
// still sending.
func TestSocket_Read_limit(t *testing.T) {
	const limit = 65536
	s := start(t, options{hub: anonymous})
	ping := func(size int) string {
		head, tail := `{"type":"ping","id":"x","pad":"`, `"}`
		return head + strings.Repeat("p", size-len(head)-len(tail)) + tail
	}
	ws := s.dial(t, "")
	for _, size := range []int{4095, 4096, 4097, limit - 1, limit} {
		ws.send(t, ping(size))
		if id := ws.await(t, "pong").str("id"); id != "x" {
			t.Fatalf("size %d: pong %q", size, id)
		}
	}
	ws.send(t, ping(limit+1))
	ws.wantClose(t, flow.ByeTooLarge, websocket.CloseMessageTooBig)

	flood := s.dial(t, "")
	flood.await(t, "welcome")
	_ = flood.WriteMessage(websocket.TextMessage, []byte(ping(1<<20))) // the server may be gone before the end
	flood.wantClose(t, flow.ByeTooLarge, websocket.CloseMessageTooBig)

	parts := s.dialRaw(t)
	parts.write(t, masked(0x01, []byte("{")))
	for range limit / 4096 {
		parts.write(t, masked(0x00, make([]byte, 4096)))
	}
	if code, bye := parts.closing(t); code != websocket.CloseMessageTooBig || !bye {
		t.Errorf("close %d, bye %v", code, bye)
	}
}

// What is JSON but no message is answered, and the socket lives on.
func TestSocket_Read_notAMessage(t *testing.T) {
	s := start(t, options{hub: anonymous})
	ws := s.dial(t, "")
	for _, text := range []string{"", "nonsense", `"text"`, `{"no":"type"}`} {
		ws.send(t, text)
		if code := ws.await(t, "error").str("code"); code != string(flow.CodeInvalidMessage) {
			t.Errorf("%q: code %q", text, code)
		}
	}
	ws.send(t, `[{"type":"ping","id":"a"},{"type":"ping","id":"b"}]`)
	for _, want := range []string{"a", "b"} {
		if id := ws.await(t, "pong").str("id"); id != want {
			t.Errorf("pong %q, want %q", id, want)
		}
	}
}

// A socket that shows no sign of life is ended, over a real connection, too.
func TestSocket_Read_timeout(t *testing.T) {
	s := start(t, options{hub: func(c *flow.Config) {
		c.Anonymous = true
		c.Heartbeat, c.Timeout = 100*time.Millisecond, 800*time.Millisecond
	}})
	if code, bye := s.dialRaw(t).closing(t); code != flow.ByeTimeout.CloseCode() || !bye {
		t.Errorf("close %d, bye %v", code, bye)
	}
	eventually(t, "the socket is gone", func() bool { return s.hub.Stats().Connections == 0 })
}

// The server pings at the heartbeat, and every ping of a client is answered, the newest at least.
func TestSocket_Read_pings(t *testing.T) {
	s := start(t, options{hub: func(c *flow.Config) {
		c.Anonymous = true
		c.Heartbeat = 20 * time.Millisecond
	}})
	raw := s.dialRaw(t)
	for range 3 {
		if payload := raw.awaitFrame(t, 0x89); len(payload) != 0 {
			t.Errorf("ping with %q", payload)
		}
	}
	var burst []byte
	for i := range 150 {
		burst = append(burst, masked(0x89, fmt.Appendf(nil, "%03d", i))...)
	}
	raw.write(t, burst)
	for last := ""; last != "149"; {
		next := string(raw.awaitFrame(t, 0x8a))
		if next <= last {
			t.Fatalf("pong %q after %q", next, last)
		}
		last = next
	}
	long := strings.Repeat("x", 125)
	raw.write(t, masked(0x89, []byte(long)))
	if pong := raw.awaitFrame(t, 0x8a); string(pong) != long {
		t.Errorf("pong %q", pong)
	}
}

// A hook that panics on the reader's goroutine refuses that one message, and tells the client nothing more.
func TestSocket_Read_panic(t *testing.T) {
	s := start(t, options{hub: func(c *flow.Config) {
		c.Anonymous = true
		c.Authorize = func(_ context.Context, _ flow.User, room string) (flow.Access, error) {
			if room == "cursed" {
				panic("secret detail of a panic")
			}
			return flow.Editor, nil
		}
	}})
	other := s.join(t, "", "fine")
	raw := s.dialRaw(t)
	raw.awaitFrame(t, 0x81)
	raw.write(t, masked(0x81, []byte(`{"type":"join","id":"1","room":"cursed"}`)))
	if answer := string(raw.awaitFrame(t, 0x81)); !strings.Contains(answer, `"code":"unavailable"`) ||
		strings.Contains(answer, "secret") {
		t.Errorf("answer %s", answer)
	}
	if !s.log.contains("secret detail of a panic") {
		t.Error("the panic was not logged")
	}
	other.send(t, `{"type":"ping","id":"1"}`)
	other.await(t, "pong")
}
