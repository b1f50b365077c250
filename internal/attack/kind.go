package attack

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// Kind is one way to flood a server.
type Kind struct {
	Name string
	// Workers is how many do it at the same time, PerSecond how often each of them.
	Workers, PerSecond int
	// on is the room that a worker's socket joins before it floods.
	on string
	// act does it once.
	act func(ctx context.Context, w *worker) error
}

// A worker may have a socket that is in no room, or none.
const (
	noRoom   = "-"
	noSocket = ""
)

// bigBytes is nearly what a message may have.
const bigBytes = 60_000

// Kinds returns every way to flood, at paces far above what one client may.
func Kinds() []Kind {
	big := strings.Repeat("x", bigBytes)
	return []Kind{
		{"operations", 4, 1000, Room, operate(`{"card":"moved"}`)},
		{"events", 4, 1000, Room, say(`{"type":"event","room":"` + Room + `","name":"e","data":1}`)},
		{"presence", 4, 1000, Room, say(`{"type":"presence","room":"` + Room + `","data":{"x":1}}`)},
		{"pings", 4, 1000, noRoom, say(`{"type":"ping","id":"p"}`)},
		{"empty arrays", 4, 1000, noRoom, say(`[]`)},
		{"no JSON", 4, 1000, noRoom, say(`{"type":"op",`)},
		{"arrays of 256 pings", 4, 50, noRoom, say("[" + strings.Repeat(`{"type":"ping"},`, 255) + `{"type":"ping"}]`)},
		{"large operations", 4, 50, Room, operate(`"` + big + `"`)},
		{"joins and leaves", 4, 500, noRoom, comeAndGo(Room)},
		{"operations of new sessions", 4, 50, noRoom, startOver},
		{"joins of new rooms", 4, 500, noRoom, comeAndGo("")},
		{"forged resume tokens", 4, 500, noRoom, forge},
		{"connections", 8, 200, noSocket, connect},
		{"sockets without a token", 8, 50, noSocket, loiter},
		{"streams", 8, 50, noSocket, stream},
		{"REST", 8, 200, noSocket, request},
		{"slow readers", 8, 50, noSocket, lag(big[:20_000])},
	}
}

func say(text string) func(context.Context, *worker) error {
	return func(_ context.Context, w *worker) error { return w.line.say([]byte(text)) }
}

// operate sends operations with the number that the server wants, as far as the attacker knows it.
func operate(data string) func(context.Context, *worker) error {
	return func(_ context.Context, w *worker) error {
		n := strconv.FormatUint(w.line.n.Add(1)-1, 10)
		return w.line.say([]byte(`{"type":"op","room":"` + Room + `","n":` + n + `,"data":` + data + `}`))
	}
}

// comeAndGo joins and leaves in turn, a new room each time for "".
func comeAndGo(room string) func(context.Context, *worker) error {
	return func(_ context.Context, w *worker) error {
		w.turn++
		id := room
		if id == "" {
			id = "new-" + strconv.Itoa(w.number) + "-" + strconv.Itoa((w.turn+1)/2)
		}
		kind := "join"
		if w.turn%2 == 0 {
			kind = "leave"
		}
		return w.line.say([]byte(`{"type":"` + kind + `","id":"x","room":"` + id + `"}`))
	}
}

// startOver joins, writes as much as a session that comes back may send again, and leaves.
func startOver(_ context.Context, w *worker) error {
	const pending = 256
	text := []byte(`[{"type":"join","id":"x","room":"` + Room + `"}`)
	for n := 1; n <= pending-2; n++ {
		text = append(text, `,{"type":"op","room":"`+Room+`","n":`...)
		text = append(strconv.AppendInt(text, int64(n), 10), `,"data":0}`...)
	}
	return w.line.say(append(text, `,{"type":"leave","id":"x","room":"`+Room+`"}]`...))
}

// forge tries to resume sessions with tokens that nobody signed.
func forge(_ context.Context, w *worker) error {
	w.turn++
	token := "s" + strconv.Itoa(w.turn) + "." + strings.Repeat("A", 43)
	return w.line.say([]byte(`{"type":"join","id":"x","room":"` + Room + `","resume":"` + token + `"}`))
}

// connect opens a socket and hangs up.
func connect(ctx context.Context, w *worker) error {
	w.outcome.send()
	l, err := w.target.attacker().call(ctx, w.outcome, "")
	if err != nil {
		return err
	}
	l.hangUp()
	return nil
}

// loiter opens a socket, and never says who it is.
func loiter(ctx context.Context, w *worker) error {
	w.outcome.send()
	l, err := w.target.stranger().call(ctx, w.outcome, "")
	if err != nil {
		return err
	}
	return w.keep(l.hangUp)
}

// stream opens an event stream, and reads it.
func stream(ctx context.Context, w *worker) error {
	w.outcome.send()
	path := "/rooms/" + Room + "/stream"
	response, err := w.target.attacker().get(ctx, w.client, path) //nolint:bodyclose // by what is kept
	if err != nil {
		return err
	}
	w.outcome.open()
	ended := make(chan struct{})
	go func() { // until the connection ends; what is kept sees to that
		defer close(ended)
		_, _ = io.Copy(io.Discard, response.Body)
	}()
	return w.keep(func() {
		_ = response.Body.Close() // it is over
		<-ended
	})
}

// request asks for operations over REST.
func request(ctx context.Context, w *worker) error {
	w.outcome.send()
	response, err := w.target.attacker().get(ctx, w.client, "/rooms/"+Room+"/operations?limit=1000")
	if err != nil {
		return err
	}
	w.outcome.open()
	_, err = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	return err
}

// newClient returns a client that keeps its connections; it must be closed.
func newClient(workers int) *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: workers}}
}
