package handlers_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/handlers"
)

// When the hub closes, every one of 500 sockets gets bye shutdown and close 1012, and it ends in time
// although a part of them answers nothing (I10).
func TestDrain_manySockets(t *testing.T) {
	const answering, silent = 400, 100
	s := start(t, options{hub: anonymous})
	sockets := make([]*socket, answering)
	for i := range sockets {
		sockets[i] = s.join(t, "", fmt.Sprintf("room-%d", i%20))
	}
	mute := make([]*rawSocket, silent)
	for i := range mute {
		mute[i] = s.dialRaw(t)
	}
	eventually(t, "all are connected", func() bool { return s.hub.Stats().Connections == answering+silent })

	var readers sync.WaitGroup
	for _, ws := range sockets {
		readers.Go(func() {
			if bye, code := ws.closing(t); bye != string(flow.ByeShutdown) || code != flow.ByeShutdown.CloseCode() {
				t.Errorf("bye %q, close %d", bye, code)
			}
		})
	}
	begin := time.Now()
	if err := s.hub.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > promptly {
		t.Errorf("closing took %v", took)
	}
	readers.Wait()
	for _, raw := range mute {
		if code, bye := raw.closing(t); code != flow.ByeShutdown.CloseCode() || !bye {
			t.Errorf("close %d, bye %v", code, bye)
		}
	}
}

// A client whose connection is full cannot hold the hub up, and gets no goodbye into the middle of a
// frame (I10).
func TestDrain_blockedSocket(t *testing.T) {
	s := start(t, options{hub: func(c *flow.Config) {
		c.Anonymous = true
		c.Limits.MessageBytes = 4 << 20
		c.Quotas.SocketBytesPerSecond, c.Quotas.UserBytesPerSecond = 1<<30, 1<<30
	}})
	blocked := s.dialRaw(t)
	blocked.shrink(t, 128<<10)
	blocked.write(t, masked(0x81, []byte(`{"type":"join","id":"1","room":"r"}`)))
	blocked.awaitFrame(t, 0x81)
	writer := s.join(t, "", "r")
	pad := make([]byte, 1<<20)
	for i := range pad {
		pad[i] = 'x'
	}
	for n := 1; n <= 7; n++ { // more than the kernel takes
		writer.send(t, fmt.Sprintf(`{"type":"op","room":"r","n":%d,"data":%q}`, n, pad))
		writer.await(t, "op")
	}
	begin := time.Now()
	if err := s.hub.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > promptly {
		t.Errorf("closing took %v", took)
	}
	for { // every frame up to the cut is whole
		first, payload, err := blocked.frame()
		if err != nil {
			return
		}
		if first == 0x88 {
			return
		}
		if first == 0x89 { // it took so long that the server has asked for a sign of life
			continue
		}
		if first != 0x81 || payload[0] != '{' || payload[len(payload)-1] != '}' {
			t.Fatalf("frame %#x of %d bytes", first, len(payload))
		}
	}
}

// The app's shutdown closes the hub at once, also behind a request that takes long, and waits for it,
// however the endpoints are mounted (I10).
func TestDrain_shutdownOfTheApp(t *testing.T) {
	mounts := map[string]func(*fiber.App, handlers.Config){
		"app":   func(app *fiber.App, c handlers.Config) { handlers.Register(app, c) },
		"group": func(app *fiber.App, c handlers.Config) { handlers.Register(app.Group("/collab"), c) },
		"sub-app": func(app *fiber.App, c handlers.Config) {
			sub := fiber.New()
			handlers.Register(sub, c)
			app.Mount("/collab", sub)
		},
	}
	prefixes := map[string]string{"app": "/", "group": "/collab", "sub-app": "/collab"}
	for name, mount := range mounts {
		t.Run(name, func(t *testing.T) {
			long := longRequest{entered: make(chan struct{}), release: make(chan struct{})}
			o := options{hub: anonymous, prefix: prefixes[name]}
			o.mount = func(app *fiber.App, c handlers.Config) {
				app.Get("/long", long.serve)
				mount(app, c)
			}
			s := start(t, o)
			s.base = strings.TrimSuffix(s.base, "/")
			ws := s.join(t, "", "r")
			reader := s.stream(t, "/rooms/r/stream", "as-ann")
			reader.await(t, "joined")
			answered := long.send(s)
			down := make(chan error, 1)
			go func() { down <- s.app.Shutdown() }() // ends when the request is let go

			ws.wantClose(t, flow.ByeShutdown, flow.ByeShutdown.CloseCode())
			if bye := reader.await(t, "bye"); bye.data.str("code") != string(flow.ByeShutdown) {
				t.Errorf("bye %v", bye.data)
			}
			select {
			case err := <-down:
				t.Errorf("the shutdown did not wait for the request: %v", err)
			default:
			}
			close(long.release)
			for _, done := range []<-chan error{answered, down} {
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
			if !s.hub.Draining() || s.hub.Stats().Connections != 0 {
				t.Errorf("the hub was not closed: %+v", s.hub.Stats())
			}
		})
	}
}

// longRequest is a request to the application that takes until it is let go.
type longRequest struct{ entered, release chan struct{} }

func (l longRequest) serve(*fiber.Ctx) error {
	close(l.entered)
	<-l.release
	return nil
}

// send returns when the application works on the request.
func (l longRequest) send(s *server) <-chan error {
	answered := make(chan error, 1)
	go func() { // ends when the request is let go
		response, err := s.http.Get("http://" + s.addr + "/long")
		if err == nil {
			err = response.Body.Close()
		}
		answered <- err
	}()
	<-l.entered
	return answered
}

// While nobody is connected, no goroutine watches for the end of the server (I9).
func TestDrain_noWatcherWithoutConnections(t *testing.T) {
	s := start(t, options{hub: anonymous})
	ws := s.join(t, "", "r")
	eventually(t, "one watches", func() bool { return goroutinesIn("(*watch).run") == 1 }) // others may still end
	_ = ws.Close()
	eventually(t, "the watcher ends", func() bool { return goroutinesIn("(*watch).run") == 0 })
}

// goroutinesIn counts the goroutines that run a function of the package.
func goroutinesIn(function string) int {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	return strings.Count(string(stacks), "flow/handlers."+function)
}
