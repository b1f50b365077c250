package handlers

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fiberflow/flow"
)

// A message that is begun is whole within Config.Timeout, or the socket ends as one without a sign of life:
// nothing that a client sends in between keeps the memory of the message (a slow loris).
func TestSocket_Hostile_slowMessage(t *testing.T) {
	const timeout = 60 * time.Second
	big := make([]byte, 4000)
	for name, c := range map[string]struct {
		begin []byte
		then  []byte
	}{
		"pings":           {clientFrame(0x01, "{"), clientFrame(0x89, "still here")},
		"pongs":           {clientFrame(0x01, "{"), clientFrame(0x8a, "")},
		"empty fragments": {clientFrame(0x01, ""), clientFrame(0x00, "")},
		"small fragments": {clientFrame(0x01, "{"), clientFrame(0x00, " ")},
		"large fragments": {clientFrame(0x01, "{"), clientFrame(0x00, string(big))},
		"bytes":           {clientFrame(0x81, string(big))[:10], []byte{0}},
		"header":          {[]byte{0x81, 0xff, 0}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire(t, func(c *flow.Config) { c.Timeout = timeout })
				if _, open := w.every(time.Second, 50*time.Second, clientFrame(0x8a, "")); !open {
					t.Fatal("the socket ended before the message")
				}
				begin := time.Now()
				if _, err := w.Write(c.begin); err != nil {
					t.Fatal(err)
				}
				if _, open := w.every(6*time.Second, 2*timeout, c.then); open {
					t.Error("the socket is still open")
				}
				<-w.ended
				if lasted := time.Since(begin); lasted < timeout-2*coarse || lasted > timeout+4*coarse {
					t.Errorf("ended after %v", lasted)
				}
				if bye, code := w.said(); bye != string(flow.ByeTimeout) || code != flow.ByeTimeout.CloseCode() {
					t.Errorf("bye %q, close %d", bye, code)
				}
			})
		})
	}
}

// A socket lives on that answers pings, sends pings or sends data; one that shows no sign of life is ended.
func TestSocket_Read_signsOfLife(t *testing.T) {
	const timeout = 60 * time.Second
	for name, c := range map[string]struct {
		sends         []byte
		answers, open bool
	}{
		"pings":   {clientFrame(0x89, ""), false, true},
		"data":    {clientFrame(0x81, "[]"), false, true},
		"answers": {nil, true, true},
		"nothing": {nil, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire(t, func(c *flow.Config) { c.Timeout = timeout })
				if c.answers {
					w.answer()
				}
				lasted, open := w.every(timeout/4, 4*timeout, c.sends)
				if open != c.open || !open && (lasted < timeout-2*coarse || lasted > timeout+4*coarse) {
					t.Errorf("open %v after %v", open, lasted)
				}
			})
		})
	}
}

// What costs the server something and is no message counts like one: ten seconds of too much of it end
// the socket, and what is below the rate may go on for ever.
func TestSocket_Hostile_floods(t *testing.T) {
	for name, c := range map[string]struct{ begin, one []byte }{
		"pings":           {nil, clientFrame(0x89, "x")},
		"pongs":           {nil, clientFrame(0x8a, "x")},
		"empty fragments": {clientFrame(0x01, "{"), clientFrame(0x00, "")},
		"crumbs":          {clientFrame(0x01, "{"), clientFrame(0x00, " ")},
		"empty messages":  {nil, clientFrame(0x81, "")},
		"empty arrays":    {nil, clientFrame(0x81, "[]")},
		"white space":     {nil, clientFrame(0x81, " [ ] ")},
		"empty in parts":  {nil, append(clientFrame(0x01, ""), clientFrame(0x80, "")...)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire(t, func(c *flow.Config) { c.Timeout = 10 * time.Minute })
				if _, err := w.Write(c.begin); err != nil {
					t.Fatal(err)
				}
				if lasted, open := w.every(100*time.Millisecond, 30*time.Second, bytes.Repeat(c.one, 4)); !open {
					t.Fatalf("40 a second ended the socket after %v", lasted)
				}
				lasted, open := w.every(100*time.Millisecond, 60*time.Second, bytes.Repeat(c.one, 40))
				if open || lasted < 10*time.Second || lasted > 13*time.Second {
					t.Errorf("400 a second: open %v after %v", open, lasted)
				}
				<-w.ended
				const want = flow.ByeRateLimited
				if bye, code := w.said(); bye != string(want) || code != want.CloseCode() {
					t.Errorf("bye %q, close %d", bye, code)
				}
			})
		})
	}
}

// Pings beyond the rate are not answered: an answer costs a write.
func TestSocket_Hostile_pongs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, nil)
		for range 1000 {
			if _, err := w.Write(clientFrame(0x89, "x")); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.pongs < 100 || w.pongs > 200 {
			t.Errorf("%d pongs, want the burst of 200 at most", w.pongs)
		}
	})
}

// A large message in fragments of a sensible size is no flood, and neither are many of them.
func TestSocket_Hostile_honestFragments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, nil)
		var message []byte
		message = append(message, clientFrame(0x01, `{"type":"ping","pad":"`)...)
		for range 100 {
			message = append(message, clientFrame(0x00, string(bytes.Repeat([]byte("p"), 600)))...)
		}
		message = append(message, clientFrame(0x80, `"}`)...)
		if lasted, open := w.every(100*time.Millisecond, 15*time.Second, message); !open {
			bye, code := w.said()
			t.Errorf("ended after %v with bye %q, close %d", lasted, bye, code)
		}
	})
}
