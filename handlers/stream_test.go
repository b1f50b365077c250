package handlers_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/fiberflow/flow"
)

// stream is a client's end of an event stream.
type stream struct {
	header http.Header
	lines  *bufio.Reader
	close  func()
	cancel func() // ends a read that takes too long
}

// streamEvent is one event of a stream.
type streamEvent struct {
	kind, id string
	data     msg
}

// stream opens an event stream.
func (s *server) stream(t testing.TB, path, token string, header ...string) *stream {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	late := time.AfterFunc(patience, cancel)
	response, err := (&http.Client{Transport: s.http.Transport}).Do(request) // the stream may last
	late.Stop()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = response.Body.Close()
		cancel()
	})
	kind := response.Header.Get("Content-Type")
	if response.StatusCode != http.StatusOK || kind != "text/event-stream; charset=utf-8" {
		t.Fatalf("status %d, Content-Type %q", response.StatusCode, kind)
	}
	return &stream{response.Header, bufio.NewReader(response.Body), func() { _ = response.Body.Close() }, cancel}
}

// next reads one event.
func (s *stream) next() (e streamEvent, err error) {
	if s.cancel != nil {
		defer time.AfterFunc(patience, s.cancel).Stop()
	}
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			return e, err
		}
		line = strings.TrimSuffix(line, "\n")
		name, value, _ := strings.Cut(line, ": ")
		switch {
		case line == "" && e.kind != "":
			return e, nil
		case line == "", strings.HasPrefix(line, ":"):
		case name == "event":
			e.kind = value
		case name == "id":
			e.id = value
		case name == "data":
			if err := json.Unmarshal([]byte(value), &e.data); err != nil {
				return e, fmt.Errorf("data %q: %w", value, err)
			}
		default:
			return e, fmt.Errorf("line %q", line)
		}
	}
}

// await reads on to an event of the kind.
func (s *stream) await(t testing.TB, kind string) streamEvent {
	t.Helper()
	for {
		e, err := s.next()
		if err != nil {
			t.Fatalf("waiting for %s: %v", kind, err)
		}
		if e.data.str("type") != e.kind {
			t.Fatalf("event %q carries %v", e.kind, e.data)
		}
		if e.kind == kind {
			return e
		}
	}
}

// A stream begins with joined, carries operations with their positions and everything else of the room,
// and shows its reader to nobody.
func TestStream_messages(t *testing.T) {
	s := start(t, options{})
	reader := s.stream(t, "/rooms/r/stream", "as-viewer")
	joined := reader.await(t, "joined")
	for _, field := range []string{"session", "resume", "id"} {
		if _, ok := joined.data[field]; ok {
			t.Errorf("joined has %s: %v", field, joined.data)
		}
	}
	if joined.data.str("room") != "r" || joined.id != "" {
		t.Errorf("joined %+v", joined)
	}
	for header, want := range map[string]string{"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"} {
		if got := reader.header.Get(header); got != want {
			t.Errorf("%s: %q", header, got)
		}
	}
	ws := s.join(t, "as-ann", "r")
	ws.send(t, `{"type":"op","room":"r","n":1,"data":{"text":"line\nbreak\r<&>\u2028"}}`)
	op := reader.await(t, "op")
	if want := fmt.Sprintf("1:%s", op.data.str("hash")); op.id != want {
		t.Errorf("id %q, want %q", op.id, want)
	}
	if text := op.data.object("data").str("text"); text != "line\nbreak\r<&>\u2028" {
		t.Errorf("data %q", text)
	}
	ws.send(t, `{"type":"event","room":"r","name":"hello","data":1}`)
	if event := reader.await(t, "event"); event.data.str("name") != "hello" || event.id != "" {
		t.Errorf("event %+v", event)
	}
	list := s.call(t, http.MethodGet, "/rooms/r/participants", "as-viewer", "").wantStatus(t, http.StatusOK).object(t)
	if n := len(list.list("participants")); n != 1 {
		t.Errorf("%d participants, want the socket alone", n)
	}
}

// A reader that comes back misses nothing and repeats nothing (I4), whichever way it tells where it was.
func TestStream_resume(t *testing.T) {
	s := start(t, options{})
	submit := func() {
		s.call(t, http.MethodPost, "/rooms/r/operations", "as-ann", `{"operations":[{"data":1},{"data":2}]}`).
			wantStatus(t, http.StatusCreated)
	}
	submit()
	first := s.stream(t, "/rooms/r/stream", "as-ann")
	first.await(t, "op")
	seen := first.await(t, "op").id
	first.close()
	submit()
	for name, open := range map[string]func() *stream{
		"Last-Event-ID": func() *stream { return s.stream(t, "/rooms/r/stream", "as-ann", "Last-Event-ID", seen) },
		"position":      func() *stream { return s.stream(t, "/rooms/r/stream?position="+seen, "as-ann") },
		"both": func() *stream {
			return s.stream(t, "/rooms/r/stream?position=0:0000000000000000", "as-ann", "Last-Event-ID", seen)
		},
	} {
		again := open()
		if joined := again.await(t, "joined"); joined.data["resumed"] != true {
			t.Errorf("%s: %v", name, joined.data)
		}
		for _, want := range []float64{3, 4} {
			if op := again.await(t, "op"); op.data["seq"] != want {
				t.Errorf("%s: seq %v, want %v", name, op.data["seq"], want)
			}
		}
	}
	for _, bad := range []string{"nonsense", "2:ffffffffffffffff", "99:ffffffffffffffff"} {
		lost := s.stream(t, "/rooms/r/stream?position="+bad, "as-ann")
		joined := lost.await(t, "joined")
		if joined.data["resumed"] != false || joined.data.str("reason") != "diverged" {
			t.Errorf("%s: %v", bad, joined.data)
		}
		if op := lost.await(t, "op"); op.data["seq"] != 1.0 {
			t.Errorf("%s: starts at %v", bad, op.data["seq"])
		}
	}
}

// Streams outlive the server's write timeout, and a line comes at least every heartbeat.
func TestStream_writeTimeoutAndComments(t *testing.T) {
	const timeout = 100 * time.Millisecond
	s := start(t, options{
		hub:   func(c *flow.Config) { c.Heartbeat = timeout / 4 },
		fiber: fiber.Config{WriteTimeout: timeout},
	})
	begin := time.Now()
	reader := s.stream(t, "/rooms/r/stream", "as-ann")
	reader.await(t, "joined")
	for comments := 0; comments < 13; { // more than three timeouts
		line, err := reader.lines.ReadString('\n')
		if err != nil {
			t.Fatalf("after %d comments: %v", comments, err)
		}
		if strings.HasPrefix(line, ":") {
			comments++
		}
	}
	if took := time.Since(begin); took < 2*timeout {
		t.Errorf("the comments came within %v", took)
	}
	s.call(t, http.MethodPost, "/rooms/r/events", "as-ann", `{"name":"late"}`).wantStatus(t, http.StatusAccepted)
	reader.await(t, "event")
}

// The server learns at once that a reader has gone, without writing anything.
func TestStream_disconnect(t *testing.T) {
	s := start(t, options{})
	reader := s.stream(t, "/rooms/r/stream", "as-ann")
	reader.await(t, "joined")
	if open := s.hub.Stats().Connections; open != 1 {
		t.Fatalf("%d connections", open)
	}
	reader.close()
	eventually(t, "the stream is gone", func() bool { return s.hub.Stats().Connections == 0 })
}

// A stream ends when its room is deleted, and with bye when the server goes away.
func TestStream_end(t *testing.T) {
	s := start(t, options{})
	deleted := s.stream(t, "/rooms/gone/stream", "as-ann")
	deleted.await(t, "joined")
	if err := s.hub.DeleteRoom(t.Context(), "gone"); err != nil {
		t.Fatal(err)
	}
	if left := deleted.await(t, "left"); left.data.str("reason") != "deleted" {
		t.Errorf("left %v", left.data)
	}
	if e, err := deleted.next(); !errors.Is(err, io.EOF) {
		t.Errorf("after left: %v, %v", e, err)
	}
	s.call(t, http.MethodGet, "/rooms/gone/stream", "as-ann", "").wantCode(t, flow.CodeRoomDeleted)
	reader := s.stream(t, "/rooms/r/stream", "as-ann")
	reader.await(t, "joined")
	if err := s.hub.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if bye := reader.await(t, "bye"); bye.data.str("code") != string(flow.ByeShutdown) {
		t.Errorf("bye %v", bye.data)
	}
	if rest, err := io.ReadAll(reader.lines); err != nil || len(rest) > 0 {
		t.Errorf("after bye: %q, %v", rest, err)
	}
}

// Old and simple clients get the same stream: HTTP/1.0 as some proxies speak it, no keep-alive; and HEAD
// tells what it would be.
func TestStream_oldClients(t *testing.T) {
	s := start(t, options{})
	for _, request := range []string{"GET %s HTTP/1.0\r\n", "GET %s HTTP/1.1\r\nConnection: close\r\n"} {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close() //nolint:errcheck // the test is over
		_, err = fmt.Fprintf(conn, request+"Host: x\r\nAuthorization: Bearer as-ann\r\n\r\n", "/collab/rooms/r/stream")
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(response.TransferEncoding) > 0 || response.ContentLength >= 0 || !response.Close {
			t.Errorf("response %+v", response)
		}
		(&stream{lines: bufio.NewReader(response.Body)}).await(t, "joined")
		_ = response.Body.Close()
	}
	head := s.call(t, http.MethodHead, "/rooms/r/stream", "as-ann", "").wantStatus(t, http.StatusOK)
	if kind := head.header.Get("Content-Type"); kind != "text/event-stream; charset=utf-8" {
		t.Errorf("Content-Type %q", kind)
	}
}

// What cannot be watched is refused like any other request.
func TestStream_refused(t *testing.T) {
	s := start(t, options{})
	s.call(t, http.MethodGet, "/rooms/r/stream", "", "").wantCode(t, flow.CodeUnauthenticated)
	s.call(t, http.MethodGet, "/rooms/hidden/stream", "as-ann", "").wantCode(t, flow.CodeForbidden)
	s.call(t, http.MethodGet, "/rooms/-/stream", "as-ann", "").wantCode(t, flow.CodeInvalidRoom)

	if err := s.hub.DeleteRoom(t.Context(), "r"); err != nil {
		t.Fatal(err)
	}
	deleted := s.call(t, http.MethodGet, "/rooms/r/stream", "as-ann", "")
	deleted.wantCode(t, flow.CodeRoomDeleted)
}
