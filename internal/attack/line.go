package attack

import (
	"bytes"
	"context"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/fasthttp/websocket"
)

// line is one socket of the attacker, with a goroutine that counts what the server says.
type line struct {
	ws      *websocket.Conn
	outcome *Outcome
	n       atomic.Uint64 // of the next operation
	joined  chan struct{}
	ended   chan struct{} // closed when nobody reads any more
	leaving atomic.Bool
}

// call opens a socket and, if room is not "", joins it.
func (c caller) call(ctx context.Context, o *Outcome, room string) (*line, error) {
	ws, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	o.open()
	l := &line{ws: ws, outcome: o, joined: make(chan struct{}, 1), ended: make(chan struct{})}
	l.n.Store(1)
	go l.read() // until the connection ends; hangUp sees to that
	if room == "" {
		return l, nil
	}
	err = l.say([]byte(`{"type":"join","id":"j","room":"` + room + `"}`))
	if err == nil {
		select {
		case <-l.joined:
			return l, nil
		case <-l.ended:
			err = errEnded
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	l.hangUp()
	return nil, err
}

// say sends one text.
func (l *line) say(text []byte) error {
	l.outcome.send()
	if err := l.ws.SetWriteDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return err
	}
	return l.ws.WriteMessage(websocket.TextMessage, text)
}

// hangUp ends the connection and waits for the reader. It may be called twice.
func (l *line) hangUp() {
	l.leaving.Store(true)
	_ = l.ws.Close() // the second time it was closed already
	<-l.ended
}

// read counts refusals, and how the connection ends.
func (l *line) read() {
	defer close(l.ended)
	bye := ""
	for {
		_, text, err := l.ws.ReadMessage()
		if err != nil {
			if !l.leaving.Load() || bye != "" {
				l.outcome.end(bye)
			}
			_ = l.ws.Close() // a writer that hangs learns of it
			return
		}
		switch kind := kindOf(text); kind {
		case "bye":
			bye = codeOf(text)
		case "error", "nack":
			l.outcome.refuse(codeOf(text))
			l.resume(text)
		case "joined":
			select {
			case l.joined <- struct{}{}:
			default:
			}
		}
	}
}

// resume takes up the number of the last operation that the server has, as a nack says it.
func (l *line) resume(nack []byte) {
	_, rest, found := bytes.Cut(nack, []byte(`"last":`))
	if !found {
		return
	}
	end := bytes.IndexAny(rest, ",}")
	if last, err := strconv.ParseUint(string(rest[:max(end, 0)]), 10, 64); err == nil {
		l.n.Store(last + 1)
	}
}

// kindOf returns the type of a message, which stands first.
func kindOf(text []byte) string {
	rest, _ := bytes.CutPrefix(text, []byte(`{"type":"`))
	kind, _, _ := bytes.Cut(rest, []byte{'"'})
	return string(kind)
}
