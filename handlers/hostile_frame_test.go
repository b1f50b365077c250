package handlers_test

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/fasthttp/websocket"

	"github.com/fiberflow/flow"
)

// brokenFrames returns what no frame of a client may look like.
func brokenFrames() map[string][]byte {
	frames := map[string][]byte{
		"no mask":                      {0x81, 2, '{', '}'},
		"no mask on a ping":            {0x89, 0},
		"text inside a text":           append(masked(0x01, []byte("{")), masked(0x81, []byte("{}"))...),
		"a part of nothing":            masked(0x00, nil),
		"a part behind the end":        append(masked(0x81, []byte("[]")), masked(0x80, nil)...),
		"a control frame of 126 bytes": masked(0x8a, make([]byte, 126)),
		"a control frame of 64 KiB":    masked(0x89, make([]byte, 65536)),
		"a control frame in parts":     masked(0x0a, nil),
		"a close in parts":             masked(0x08, []byte{0x03, 0xe8}),
		"a long length on a ping":      {0x89, 0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 'x'},
		"a close of one byte":          masked(0x88, []byte{0x03}),
		"a close without UTF-8":        masked(0x88, []byte{0x03, 0xe8, 0xff}),
		"a length of 2^63":             {0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"a length of 2^64-1":           {0x81, 0xff, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0},
		"a part with such a length": append(masked(0x01, []byte("{")),
			0x80, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
	}
	for _, kind := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		frames[fmt.Sprintf("kind %d", kind)] = masked(0x80|kind, nil)
	}
	for _, bit := range []byte{0x40, 0x20, 0x10} {
		for _, kind := range []byte{0x81, 0x88, 0x89} {
			frames[fmt.Sprintf("bit %#x with kind %d", bit, kind&15)] = masked(kind|bit, nil)
		}
		frames[fmt.Sprintf("bit %#x in a part", bit)] = append(masked(0x01, nil), masked(0x80|bit, nil)...)
	}
	for _, code := range []uint16{0, 999, 1004, 1005, 1006, 1014, 1015, 1016, 2999, 5000, 65535} {
		frames[fmt.Sprintf("close code %d", code)] = masked(0x88, binary.BigEndian.AppendUint16(nil, code))
	}
	return frames
}

// A broken frame ends its socket with 1002, and nobody else notices.
func TestSocket_Hostile_frames(t *testing.T) {
	s := start(t, options{hub: anonymous})
	other := s.join(t, "", "r")
	for name, frames := range brokenFrames() {
		t.Run(name, func(t *testing.T) {
			raw := s.dialRaw(t)
			raw.write(t, frames)
			if code, bye := raw.closing(t); code != websocket.CloseProtocolError || bye {
				t.Errorf("close %d, bye %v", code, bye)
			}
			other.send(t, `{"type":"ping","id":"1"}`)
			other.await(t, "pong")
		})
	}
	eventually(t, "all of them are gone", func() bool { return s.hub.Stats().Connections == 1 })
}

// Frames that are odd and allowed are read as what they are: control frames between the parts of a text, parts
// without anything in them, a length written longer than it has to be.
func TestSocket_Hostile_oddFrames(t *testing.T) {
	s := start(t, options{hub: anonymous})
	ping := func(id string) []byte { return fmt.Appendf(nil, `{"type":"ping","id":%q}`, id) }
	var parts []byte
	text := ping("parts")
	parts = append(parts, masked(0x01, nil)...)
	for i := range text {
		parts = append(parts, masked(0x00, text[i:i+1])...)
		parts = append(parts, masked(0x00, nil)...)
		parts = append(parts, masked(0x89, text[i:i+1])...)
	}
	parts = append(parts, masked(0x80, nil)...)
	long := ping("long")
	wide := append([]byte{0x81, 0xff, 0, 0, 0, 0, 0, 0, 0, byte(len(long)), 0, 0, 0, 0}, long...)
	for want, frames := range map[string][]byte{"parts": parts, "long": wide} {
		raw := s.dialRaw(t)
		raw.write(t, frames)
		raw.awaitText(t, `"id":"`+want+`"`)
	}
}

// A length that is only announced takes no memory, and none that is too large is waited for.
func TestSocket_Hostile_announced(t *testing.T) {
	s := start(t, options{hub: anonymous})
	limit := s.hub.Config().Limits.MessageBytes
	for name, frames := range map[string][]byte{
		"one more than may be": {0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0},
		"2^63-1":               {0x81, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0},
		"in the second part": append(masked(0x01, bytes.Repeat([]byte(" "), limit)),
			masked(0x00, []byte(" "))...),
		"in two parts that overflow together": append(masked(0x01, []byte(" ")),
			0x80, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0),
	} {
		t.Run(name, func(t *testing.T) {
			raw := s.dialRaw(t)
			raw.write(t, frames)
			if code, bye := raw.closing(t); code != flow.ByeTooLarge.CloseCode() || !bye {
				t.Errorf("close %d, bye %v", code, bye)
			}
		})
	}
}

// Before a client has said who it is it may send as much as a token takes, and as much as others after it.
func TestSocket_Hostile_strangers(t *testing.T) {
	const before = 16 << 10
	s := start(t, options{})
	ping := func(size int) string {
		const head, tail = `{"type":"ping","id":"x","pad":"`, `"}`
		return head + strings.Repeat("p", size-len(head)-len(tail)) + tail
	}
	ws := s.dial(t, "")
	ws.send(t, ping(before))
	ws.await(t, "pong")
	ws.send(t, `{"type":"auth","id":"1","token":"as-ann"}`)
	ws.await(t, "ok")
	ws.send(t, ping(4*before))
	ws.await(t, "pong")

	stranger := s.dial(t, "")
	stranger.send(t, ping(before+1))
	stranger.wantClose(t, flow.ByeTooLarge, flow.ByeTooLarge.CloseCode())
}

// Compression is never negotiated, whatever the client offers, and what comes compressed anyway ends the
// socket unread: no byte of a bomb is inflated.
func TestSocket_Hostile_deflateBomb(t *testing.T) {
	s := start(t, options{hub: anonymous})
	for _, offer := range []string{
		"permessage-deflate", "permessage-deflate; client_max_window_bits; server_no_context_takeover",
		"x-webkit-deflate-frame",
	} {
		raw := s.dialRaw(t, "Sec-WebSocket-Extensions", offer)
		if got := raw.header.Values("Sec-Websocket-Extensions"); len(got) > 0 {
			t.Errorf("%s: the answer has %q", offer, got)
		}
	}
	bomb := deflated(t, 60<<20)
	if len(bomb) > 64<<10 {
		t.Fatalf("the bomb has %d bytes", len(bomb))
	}
	other := s.join(t, "", "r")
	for _, frames := range [][]byte{masked(0xc1, bomb), append(masked(0x41, bomb[:10]), masked(0x80, bomb[10:])...)} {
		raw := s.dialRaw(t, "Sec-WebSocket-Extensions", "permessage-deflate")
		raw.write(t, frames)
		if code, bye := raw.closing(t); code != websocket.CloseProtocolError || bye {
			t.Errorf("close %d, bye %v", code, bye)
		}
		other.send(t, `{"type":"ping","id":"1"}`)
		other.await(t, "pong")
	}
	unmarked := s.dialRaw(t, "Sec-WebSocket-Extensions", "permessage-deflate")
	unmarked.write(t, masked(0x81, bomb))
	if code, _ := unmarked.closing(t); code != websocket.CloseInvalidFramePayloadData {
		t.Errorf("close %d", code)
	}
}

// deflated returns a message of so many spaces, as permessage-deflate compresses it.
func deflated(t *testing.T, size int) []byte {
	t.Helper()
	var bomb bytes.Buffer
	w, err := flate.NewWriter(&bomb, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	spaces := bytes.Repeat([]byte(" "), 1<<20)
	for range size / len(spaces) {
		if _, err := w.Write(spaces); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSuffix(bomb.Bytes(), []byte{0, 0, 0xff, 0xff})
}
