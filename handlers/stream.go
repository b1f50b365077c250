package handlers

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/fiberflow/flow"
)

// maxQuiet is the longest time between two lines of a stream: proxies cut what is silent.
const maxQuiet = 15 * time.Second

// mostIgnored is how many bytes a reader may send into its stream, where nothing is expected.
const mostIgnored = 1 << 10

// stream is one reader of a room's events over HTTP. It implements [flow.Transport].
type stream struct {
	pipe

	buffers *buffers
	chunk   int
	logger  *slog.Logger
	head    []byte // the response's header, until it is written; guarded by out
	quiet   atomic.Bool
	beat    beat
}

// watching is what is known of a stream before it begins.
type watching struct {
	hub            *flow.Hub
	client         flow.Client
	room, position string
	server         server
	chunk          int
}

// stream answers GET /rooms/:room/stream. The connection is taken out of fasthttp's hands before the
// response: middleware that looks at bodies would read the stream to its end first, write timeouts would
// cut it, and only a connection of our own tells when the client has gone or does not read.
func (e *endpoints) stream(r *request) error {
	c := r.c
	server := serverOf(c)
	if r.hub.Draining() || server.stopping() {
		return errDraining()
	}
	user := r.user
	client := r.client(&user)
	if err := r.hub.Admit(client); err != nil {
		return err
	}
	position := c.Get("Last-Event-ID") // what a browser saw last, against what the page once asked for
	if position == "" {
		position = c.Query("position")
	}
	w := watching{
		hub: r.hub, client: client, room: r.room, position: strings.Clone(position), server: server, chunk: chunkOf(c),
	}
	c.Set(fiber.HeaderContentType, "text/event-stream; charset=utf-8")
	c.Set(fiber.HeaderCacheControl, "no-store, no-transform")
	c.Set("X-Accel-Buffering", "no")
	if c.Method() == fiber.MethodHead {
		return nil
	}
	ctx := c.Context()
	ctx.HijackSetNoResponse(true)
	dropBody(&ctx.Request)
	ctx.Hijack(func(conn net.Conn) {
		ctx.Request.Header = fasthttp.RequestHeader{} // cookies and tokens need not live as long as the stream
		e.runStream(conn, &ctx.Response, w)
	})
	return nil
}

// runStream serves one stream until it ends. It is the last to use the connection.
func (e *endpoints) runStream(conn net.Conn, resp *fasthttp.Response, w watching) {
	defer func() {
		if p := recover(); p != nil {
			e.config.Logger.Error("stream panicked", "error", panicError(p))
		}
	}()
	leave := e.drain.enter(w.hub, w.server)
	defer leave()

	resp.Header.SetConnectionClose() // the end of the connection is the end of the body
	t := &stream{
		buffers: e.buffers, chunk: w.chunk, logger: e.config.Logger,
		head: bytes.Clone(resp.Header.Header()), // with what the application's middleware added
	}
	t.conn = conn
	defer t.release()

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	watcher, err := w.hub.Watch(ctx, t, w.client, w.room, w.position)
	if err != nil {
		if flow.ErrorCode(err) == flow.CodeInternal {
			e.config.Logger.Error("stream failed", "room", w.room, "error", err)
		}
		t.refuse(resp, err)
		return
	}
	t.serve(conn, watcher, min(maxQuiet, w.hub.Config().Heartbeat))
}

// refuse answers in place of the stream.
func (t *stream) refuse(resp *fasthttp.Response, err error) {
	var answer bytes.Buffer
	writeError(resp, err)
	if _, err := resp.WriteTo(&answer); err != nil {
		return // a buffer takes everything
	}
	t.hurry(lastWrite)
	t.out.Lock()
	defer t.out.Unlock()
	_ = t.send(answer.Bytes()) // nobody is left to hear of it
}

// serve waits for the end of the stream: the client never says anything but that. One that does anyway
// loses the stream.
func (t *stream) serve(conn net.Conn, watcher peer, quiet time.Duration) {
	defer func() {
		t.beat.stop()
		t.hurry(0)
		watcher.Done()
	}()
	t.beat.start(quiet, t.logger, func() {
		t.quiet.Store(true)
		watcher.Wake()
	})
	var ignored [64]byte
	for left := mostIgnored; left > 0; {
		n, err := conn.Read(ignored[:])
		if err != nil {
			return
		}
		left -= n
	}
}

// Write implements [flow.Transport].
func (t *stream) Write(frames []*flow.Frame) error {
	t.out.Lock()
	defer t.out.Unlock()
	const lines = 128 // more than the lines around a message take
	size := len(t.head) + lines
	for _, f := range frames {
		size += len(f.JSON) + lines
	}
	buf := t.buffers.get(size)
	defer t.buffers.put(buf)
	p := packer{pipe: &t.pipe, buf: (*buf)[:0:min(cap(*buf), t.chunk)]}
	p.add(t.head)
	t.head = nil
	if t.quiet.Swap(false) && len(frames) == 0 {
		p.add([]byte(":\n\n"))
	}
	left := false
	for _, f := range frames {
		addEvent(&p, f)
		left = left || f.Type == "left"
	}
	if err := p.flush(); err != nil {
		return err
	}
	if left { // its only room: nothing can follow, and who comes back is told why not
		t.stopReading(0)
	}
	return nil
}

// addEvent adds one event of the stream. A message has no line breaks: white space outside strings is
// removed, and inside it is escaped.
func addEvent(p *packer, f *flow.Frame) {
	var line [64]byte
	p.add(append(append(line[:0], "event: "...), f.Type...))
	if f.Type == "op" {
		p.add(f.Position.AppendTo(append(line[:0], "\nid: "...)))
	}
	p.add([]byte("\ndata: "))
	p.add(f.JSON)
	p.add([]byte("\n\n"))
}

// Close implements [flow.Transport]. The last event said goodbye already.
func (t *stream) Close(int) { t.stopReading(0) }
