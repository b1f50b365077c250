package attack

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/fiberflow/flow/internal/load"
)

const (
	// writeEvery is the time between two operations of a neighbour.
	writeEvery = 200 * time.Millisecond
	// confirmTimeout is when an operation counts as lost.
	confirmTimeout = 15 * time.Second
)

var errEnded = errors.New("the server ended the connection")

// neighbour is a user who keeps all rules: it writes operations, and wants each confirmed.
type neighbour struct {
	ws    *websocket.Conn
	ready chan struct{} // closed when it has joined
	ended chan struct{} // closed when nobody reads any more

	mu      sync.Mutex // guards what follows
	session string
	n       uint64
	asked   map[uint64]time.Time // when operations that are not confirmed were sent
	took    *load.Histogram      // from there to their confirmation
	fault   error                // the first
}

// settle connects a neighbour and joins the room.
func settle(ctx context.Context, t Target, name string) (*neighbour, error) {
	ws, err := caller{t, name, "198.51.100.1"}.dial(ctx)
	if err != nil {
		return nil, err
	}
	b := &neighbour{
		ws: ws, ready: make(chan struct{}), ended: make(chan struct{}),
		asked: map[uint64]time.Time{}, took: &load.Histogram{},
	}
	go b.read() // until the connection ends; leave sees to that
	if err := ws.WriteMessage(websocket.TextMessage, []byte(`{"type":"join","id":"j","room":"`+Room+`"}`)); err != nil {
		b.leave()
		return nil, err
	}
	select {
	case <-b.ready:
		return b, nil
	case <-b.ended:
	case <-ctx.Done():
	}
	b.leave()
	return nil, errors.Join(errEnded, b.err())
}

// write sends operations until ctx ends, and returns when each is confirmed.
func (b *neighbour) write(ctx context.Context, took *load.Histogram) error {
	b.mu.Lock()
	b.took = took
	b.mu.Unlock()
	tick := time.NewTicker(writeEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		if err := b.operate(); err != nil {
			return errors.Join(err, b.err())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	late := time.NewTimer(confirmTimeout)
	defer late.Stop()
	for b.err() == nil && b.open() > 0 {
		select {
		case <-tick.C:
		case <-late.C:
			return fmt.Errorf("%d operations of a neighbour are not confirmed", b.open())
		}
	}
	return b.err()
}

// operate sends the next operation. Only one goroutine does.
func (b *neighbour) operate() error {
	b.mu.Lock()
	b.n++
	b.asked[b.n] = time.Now()
	text := `{"type":"op","room":"` + Room + `","n":` + strconv.FormatUint(b.n, 10) + `,"data":{"card":"moved"}}`
	b.mu.Unlock()
	return b.ws.WriteMessage(websocket.TextMessage, []byte(text))
}

// read takes in what the server says. Any refusal is a fault.
func (b *neighbour) read() {
	defer close(b.ended)
	for {
		_, text, err := b.ws.ReadMessage()
		if err != nil {
			b.fail(err)
			return
		}
		switch kindOf(text) {
		case "joined":
			b.join(string(text))
		case "op":
			b.confirm(string(text))
		case "error", "nack", "bye", "left", "rewind":
			b.fail(fmt.Errorf("a neighbour is told %s", text))
		}
	}
}

func (b *neighbour) join(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.session = field(text, `"session":"`, `"`)
	close(b.ready)
}

// confirm notes the confirmation of an operation, if it is one's own.
func (b *neighbour) confirm(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if field(text, `"session":"`, `"`) != b.session {
		return
	}
	n, _ := strconv.ParseUint(field(text, `"n":`, `,`), 10, 64) // 0 was never asked
	if at, ok := b.asked[n]; ok {
		b.took.Add(time.Since(at))
		delete(b.asked, n)
	}
}

func (b *neighbour) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fault == nil {
		b.fault = err
	}
}

func (b *neighbour) err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.fault
}

// open returns how many operations are not confirmed.
func (b *neighbour) open() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.asked)
}

// leave ends the connection and waits for the reader. It may be called twice.
func (b *neighbour) leave() {
	_ = b.ws.Close() // the second time it was closed already
	<-b.ended
}

// field returns what stands between two texts, which this server writes in this way.
func field(text, before, after string) string {
	_, rest, _ := strings.Cut(text, before)
	value, _, _ := strings.Cut(rest, after)
	return value
}
