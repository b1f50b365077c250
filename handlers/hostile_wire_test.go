package handlers

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/memx"
)

// wire is a client at the end of a pipe, so that it can live inside a synctest bubble: its clock is the
// test's.
type wire struct {
	net.Conn
	ended chan struct{} // closed when the server has let the connection go

	mu      sync.Mutex
	answers bool   // pings
	bye     string // the code of the bye that came
	close   int    // the code of the close frame that came
	pongs   int
}

// newWire serves a client that may be anonymous, with a hub of its own behind it.
func newWire(t *testing.T, change func(*flow.Config)) *wire {
	t.Helper()
	config := flow.Config{
		Sessions: memx.NewSessionStore(memx.SessionConfig{}), Bus: memx.NewBus(), Log: memx.NewLog(memx.LogConfig{}),
		Logger: slog.New(slog.DiscardHandler), Anonymous: true,
	}
	if change != nil {
		change(&config)
	}
	hub, err := flow.New(config)
	if err != nil {
		t.Fatal(err)
	}
	server, client := net.Pipe()
	s := &socket{
		limits: limitsOf(hub.Config()), buffers: newBuffers(), logger: config.Logger,
		chunk: largeBuffer, closed: make(chan struct{}), stage: &stage{},
	}
	s.take(server, nil, newAttempts())
	conn, err := hub.Connect(s, flow.Client{User: &flow.User{ID: "mallory"}})
	if err != nil {
		t.Fatal(err)
	}
	s.peer = conn
	s.start()
	w := &wire{Conn: client, ended: make(chan struct{})}
	go func() { // ends with the socket
		defer close(w.ended)
		s.serve()
		_ = server.Close()
	}()
	heard := make(chan struct{})
	go func() { // ends with the connection
		defer close(heard)
		w.listen()
	}()
	t.Cleanup(func() {
		_ = client.Close()
		<-heard
		<-w.ended
		if err := hub.Close(t.Context()); err != nil {
			t.Errorf("closing the hub: %v", err)
		}
	})
	return w
}

// listen reads what the server sends, so that it can go on.
func (w *wire) listen() {
	for {
		kind, payload, err := readServerFrame(w)
		if err != nil {
			return
		}
		w.mu.Lock()
		answer := w.answers && kind == websocket.PingMessage
		switch kind {
		case websocket.PongMessage:
			w.pongs++
		case websocket.CloseMessage:
			w.close = int(binary.BigEndian.Uint16(payload))
		case websocket.TextMessage:
			var m struct{ Type, Code string }
			if json.Unmarshal(payload, &m) == nil && m.Type == "bye" {
				w.bye = m.Code
			}
		}
		w.mu.Unlock()
		if answer {
			_, _ = w.Write(clientFrame(0x8a, string(payload))) // the next read tells
		}
	}
}

// answer makes the client answer pings from now on.
func (w *wire) answer() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers = true
}

func readServerFrame(r io.Reader) (kind byte, payload []byte, err error) {
	var head [maxHeader]byte
	if _, err := io.ReadFull(r, head[:2]); err != nil {
		return 0, nil, err
	}
	size := uint64(head[1])
	switch size {
	case 126:
		_, err = io.ReadFull(r, head[2:4])
		size = uint64(binary.BigEndian.Uint16(head[2:4]))
	case 127:
		_, err = io.ReadFull(r, head[2:10])
		size = binary.BigEndian.Uint64(head[2:10])
	}
	if err != nil {
		return 0, nil, err
	}
	payload = make([]byte, size)
	_, err = io.ReadFull(r, payload)
	return head[0] & kindOfFrame, payload, err
}

// every writes the frames, if there are any, at intervals until the time is over or the server has enough, and
// returns when that was.
func (w *wire) every(interval, most time.Duration, frames []byte) (lasted time.Duration, open bool) {
	begin := time.Now()
	for time.Since(begin) < most {
		if len(frames) > 0 {
			if _, err := w.Write(frames); err != nil {
				return time.Since(begin), false
			}
		}
		select {
		case <-time.After(interval):
		case <-w.ended:
			return time.Since(begin), false
		}
	}
	return time.Since(begin), true
}

// said returns how the server has said goodbye.
func (w *wire) said() (bye string, code int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.bye, w.close
}

// clientFrame returns a frame with a mask that is not zero.
func clientFrame(first byte, payload string) []byte {
	mask := [4]byte{0xa5, 0x0f, 0x80, 0x01}
	frame := []byte{first, maskedFrame | 126}
	if len(payload) < 126 {
		frame[1] = maskedFrame | byte(len(payload))
	} else {
		frame = binary.BigEndian.AppendUint16(frame, uint16(len(payload)))
	}
	frame = append(frame, mask[:]...)
	for i := range len(payload) {
		frame = append(frame, payload[i]^mask[i%len(mask)])
	}
	return frame
}
