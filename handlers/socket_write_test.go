package handlers_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fiberflow/flow"
)

// One socket that does not read stops nobody else, and still has everything before it (I2).
func TestSocket_Write_slowReader(t *testing.T) {
	s := start(t, options{hub: func(c *flow.Config) {
		c.Anonymous = true
		c.Limits.OpsPerSecond = 10_000
	}})
	slow := s.dialRaw(t)
	slow.shrink(t, 128<<10)
	slow.write(t, masked(0x81, []byte(`{"type":"join","id":"1","room":"busy"}`)))
	slow.awaitFrame(t, 0x81)
	writer, reader := s.join(t, "", "busy"), s.join(t, "", "busy")
	const ops = 300
	pad := strings.Repeat("x", 20_000)
	begin := time.Now()
	for n := 1; n <= ops; n++ {
		writer.send(t, fmt.Sprintf(`{"type":"op","room":"busy","n":%d,"data":%q}`, n, pad))
		if n%100 == 0 { // so that the writer's own stream keeps up with it
			for range 100 {
				writer.await(t, "op")
				reader.await(t, "op")
			}
		}
	}
	if took := time.Since(begin); took > promptly {
		t.Errorf("the others waited %v", took)
	}
	seq := 0
	for seq < ops {
		text := string(slow.awaitFrame(t, 0x81))
		if i := strings.Index(text, `"seq":`); strings.Contains(text, `"type":"op"`) && i > 0 {
			var next int
			if _, err := fmt.Sscanf(text[i:], `"seq":%d`, &next); err != nil || next != seq+1 {
				t.Fatalf("seq %d after %d (%v)", next, seq, err)
			}
			seq = next
		}
	}
}

// Sockets that come, speak and go at the same time get their own messages only, the first of which is
// welcome (I6), and leave no goroutine behind (I9).
func TestSocket_Write_comingAndGoing(t *testing.T) {
	s := start(t, options{hub: func(c *flow.Config) {
		c.Anonymous = true
		c.Limits.OpsPerSecond = 10_000
	}})
	leftovers := append(fasthttpLeftovers(), goleak.IgnoreCurrent(),
		goleak.IgnoreTopFunction("github.com/valyala/fasthttp.(*workerPool).workerFunc")) // an idle worker
	const rooms, rounds = 4, 15
	var visitors sync.WaitGroup
	for room := range rooms {
		for range 4 {
			visitors.Go(func() {
				for range rounds {
					if err := s.visit(fmt.Sprintf("room-%d", room)); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	visitors.Wait()
	eventually(t, "all sockets are gone", func() bool { return s.hub.Stats().Connections == 0 })
	if err := goleak.Find(leftovers...); err != nil {
		t.Error(err)
	}
}

// visit opens a socket, writes three operations and leaves in one of several ways.
func (s *server) visit(room string) error {
	ws, _, err := s.handshake([]string{flow.Protocol}, nil)
	if err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	defer ws.Close() //nolint:errcheck // one way to leave
	m, err := ws.next()
	if err != nil || m.str("type") != "welcome" {
		return fmt.Errorf("first message %v, %w", m, err)
	}
	text := fmt.Sprintf(`[{"type":"join","id":"1","room":%q}`, room)
	for n := 1; n <= 3; n++ {
		text += fmt.Sprintf(`,{"type":"op","room":%q,"n":%d,"data":{"by":%q}}`, room, n, room)
	}
	if err := ws.WriteMessage(1, []byte(text+"]")); err != nil {
		return err
	}
	session := ""
	for mine := 0; mine < 3; {
		m, err := ws.next()
		if err != nil {
			return fmt.Errorf("in %s: %w", room, err)
		}
		if m.str("room") != room && m.str("type") != "event" {
			return fmt.Errorf("in %s: got %v", room, m)
		}
		switch m.str("type") {
		case "joined":
			session = m.str("session")
		case "op":
			if m.object("data").str("by") != room {
				return fmt.Errorf("in %s: got %v", room, m)
			}
			if m.str("session") == session {
				mine++
			}
		case "error", "nack", "bye":
			return fmt.Errorf("in %s: got %v", room, m)
		}
	}
	return nil
}
