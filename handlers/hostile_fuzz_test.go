package handlers

import (
	"bytes"
	"encoding/binary"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/fiberflow/flow"
)

// receiver is a hub's side that keeps what it was told.
type receiver struct {
	deaf

	texts []string
	why   flow.Bye
}

func (l *receiver) Receive(text []byte) { l.texts = append(l.texts, string(text)) }
func (l *receiver) Close(why flow.Bye)  { l.why = why }

// expected is what a stream of frames means, read in the plainest way: all of it at once.
type expected struct {
	texts []string
	why   flow.Bye
	code  int
}

func expect(b []byte, limit int) (e expected) {
	var message []byte
	underway := false
	for {
		head, payload, rest, code := plainFrame(b)
		if code != 0 || head == 0 {
			e.code = code
			return e
		}
		kind, final := head&kindOfFrame, head&finalFrame != 0
		switch {
		case kind == 8:
			if payload == nil {
				return e
			}
			e.code = plainFarewell(payload)
			return e
		case kind > 8 && payload == nil:
			return e
		case kind > 8:
			b = rest
			continue
		case (kind == continuation) != underway:
			e.code = 1002
			return e
		}
		if underway = !final; e.why == "" && kind == 2 {
			e.why = flow.ByeProtocol
		}
		if e.why == "" && announced(b) > limit-len(message) {
			e.why = flow.ByeTooLarge
		}
		if payload == nil {
			return e
		}
		message = append(message, payload...)
		if final && e.why == "" {
			if !utf8.Valid(message) {
				e.code = 1007
				return e
			}
			e.texts = append(e.texts, string(message))
		}
		if final {
			message = nil
		}
		b = rest
	}
}

// plainFrame cuts a frame off b. head is 0 when there is not so much as a header, payload nil when not all
// of it is there.
func plainFrame(b []byte) (head byte, payload, rest []byte, code int) {
	if len(b) < 2 {
		return 0, nil, nil, 0
	}
	kind, short := b[0]&15, b[1]&127
	if b[0]&0x70 != 0 || b[1]&128 == 0 || (kind > 2 && kind < 8) || kind > 10 ||
		(kind >= 8 && (short > 125 || b[0]&128 == 0)) {
		return 0, nil, nil, 1002
	}
	header := 2 + map[byte]int{126: 2, 127: 8}[short]
	if len(b) < header {
		return 0, nil, nil, 0
	}
	size := announced(b)
	if size < 0 {
		return 0, nil, nil, 1002
	}
	if len(b) < header+4 {
		return 0, nil, nil, 0
	}
	mask, body := b[header:header+4], b[header+4:]
	if len(body) < size {
		return b[0] | 0x40, nil, nil, 0 // the bit only makes it differ from no header
	}
	payload = make([]byte, size)
	for i := range payload {
		payload[i] = body[i] ^ mask[i%4]
	}
	return b[0] | 0x40, payload, body[size:], 0
}

func announced(b []byte) int {
	switch b[1] & 127 {
	case 126:
		return int(binary.BigEndian.Uint16(b[2:]))
	case 127:
		return int(binary.BigEndian.Uint64(b[2:]))
	default:
		return int(b[1] & 127)
	}
}

func plainFarewell(payload []byte) int {
	if len(payload) == 0 {
		return 1005
	}
	allowed := []int{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013}
	if len(payload) == 1 || !utf8.Valid(payload[2:]) {
		return 1002
	}
	code := int(binary.BigEndian.Uint16(payload))
	if slices.Contains(allowed, code) || code/1000 == 3 || code/1000 == 4 {
		return code
	}
	return 1002
}

// Whatever bytes come, the reader hands on the texts that a plain reading of the frames finds, and ends as
// that does; nothing panics.
func FuzzFrames(f *testing.F) {
	for _, seed := range [][]byte{
		clientFrame(0x81, `{"type":"ping"}`),
		slices.Concat(clientFrame(0x01, "{"), clientFrame(0x89, "p"), clientFrame(0x00, ""), clientFrame(0x80, "}")),
		slices.Concat(clientFrame(0x82, "x"), clientFrame(0x81, "{}"), clientFrame(0x88, "\x03\xe8bye")),
		slices.Concat(clientFrame(0x01, "\xe2\x82"), clientFrame(0x80, "\xac")),
		slices.Concat(clientFrame(0x01, strings.Repeat("a", 1000)), clientFrame(0x80, strings.Repeat("b", 25))),
		{0x81, 0xff, 0x7f, 255, 255, 255, 255, 255, 255, 255, 1, 2, 3, 4, 5},
		{0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4},
		clientFrame(0xc1, "{}"), {0x81, 0}, {0x88, 0x80, 0, 0, 0, 0},
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	shared := newBuffers()
	f.Fuzz(func(t *testing.T, stream []byte, bytewise bool) {
		hub := &receiver{}
		s := &socket{buffers: shared, peer: hub, stage: &stage{}}
		var in io.Reader = bytes.NewReader(stream)
		if bytewise {
			in = iotest.OneByteReader(in)
		}
		s.in.in = &intake{conn: in, buffers: shared}
		last := s.read()
		want := expect(stream, hub.MessageLimit())
		if !slices.Equal(hub.texts, want.texts) || hub.why != want.why || last.code != want.code {
			t.Errorf("%x: texts %q, bye %q, code %d; want %+v", stream, hub.texts, hub.why, last.code, want)
		}
		if s.message.buf != nil {
			t.Error("the memory of a message was kept")
		}
	})
}

var tokenText = regexp.MustCompile(`^[A-Za-z0-9._~-]+$`)

// Of what a client offers as sub-protocols at most one token is read, which is a copy and well-formed; the
// answer never has a token in it, nor anything that was not offered.
func FuzzSubProtocols(f *testing.F) {
	for _, seed := range [][2]string{
		{"flow.v1", ""}, {"flow.v1, flow.bearer.abc", ""}, {"flow.bearer.abc", "flow.v1"},
		{" flow.v1 ,\tflow.bearer.a~b", ""},
		{"flow.bearer.a,flow.bearer.a", ""}, {"flow.bearer.a", "flow.bearer.b"}, {"flow.bearer.", ""},
		{"flow.bearer.a b", ""}, {"flow.bearer.\xff", ""}, {"FLOW.V1", ""}, {",,,", ""}, {"flow.bearer.flow.v1", ""},
	} {
		f.Add(seed[0], seed[1])
	}
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	f.Fuzz(func(t *testing.T, first, second string) {
		c := app.AcquireCtx(&fasthttp.RequestCtx{})
		defer app.ReleaseCtx(c)
		header := &c.Request().Header
		for _, line := range []string{first, second} {
			header.Add(fasthttp.HeaderSecWebSocketProtocol, line)
		}
		var offers []string
		for _, line := range header.PeekAll(fasthttp.HeaderSecWebSocketProtocol) {
			for offer := range strings.SplitSeq(string(line), ",") {
				offers = append(offers, strings.TrimSpace(offer))
			}
		}
		offered, token, err := subProtocols(c)
		if err != nil {
			if flow.ErrorCode(err) != flow.CodeUnauthenticated || offered || token != "" {
				t.Fatalf("%q: %v, %q, %v", offers, offered, token, err)
			}
			return
		}
		if offered != slices.Contains(offers, flow.Protocol) {
			t.Errorf("%q: offered %v", offers, offered)
		}
		bearers := slices.DeleteFunc(offers, func(o string) bool { return !strings.HasPrefix(o, bearerPrefix) })
		if want := strings.Join(bearers, " "); want != "" && want != bearerPrefix+token || want == "" && token != "" {
			t.Errorf("%q: token %q", bearers, token)
		}
		if token != "" && !tokenText.MatchString(token) {
			t.Errorf("token %q", token)
		}
		copied := strings.Clone(token)
		header.SetMethod(fiber.MethodGet)
		for name, value := range upgradeHeaders() {
			header.Set(name, value)
		}
		if err := takeOver(c, offered, nil); err != nil {
			t.Fatal(err)
		}
		got := string(c.Response().Header.Peek(fasthttp.HeaderSecWebSocketProtocol))
		if offered != (got == flow.Protocol) || got != "" && !offered || token != copied {
			t.Errorf("%q: answered %q", first+second, got)
		}
	})
}
