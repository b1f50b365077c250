package handlers_test

import (
	"fmt"
	"net/http"
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
	if took := time.Since(begin); took > 3*time.Second {
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
	}})
	blocked := s.dialRaw(t)
	blocked.write(t, masked(0x81, []byte(`{"type":"join","id":"1","room":"r"}`)))
	blocked.awaitFrame(t, 0x81)
	writer := s.join(t, "", "r")
	pad := make([]byte, 1<<20)
	for i := range pad {
		pad[i] = 'x'
	}
	for n := 1; n <= 12; n++ { // more than the kernel takes
		writer.send(t, fmt.Sprintf(`{"type":"op","room":"r","n":%d,"data":%q}`, n, pad))
		writer.await(t, "op")
	}
	begin := time.Now()
	if err := s.hub.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > 4*time.Second {
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
		if first != 0x81 || payload[0] != '{' || payload[len(payload)-1] != '}' {
			t.Fatalf("frame %#x of %d bytes", first, len(payload))
		}
	}
}

// The app's shutdown closes the hub at once, also behind a request that takes long, and waits for it,
// however the endpoints are mounted.
func TestDrain_shutdownOfTheApp(t *testing.T) {
	mounts := map[string]func(*fiber.App, handlers.Config){
		"app": func(app *fiber.App, c handlers.Config) { handlers.Register(app, c) },
		"group": func(app *fiber.App, c handlers.Config) {
			handlers.Register(app.Group("/collab"), c)
		},
		"sub-app": func(app *fiber.App, c handlers.Config) {
			sub := fiber.New()
			handlers.Register(sub, c)
			app.Mount("/collab", sub)
		},
	}
	for name, mount := range mounts {
		t.Run(name, func(t *testing.T) {
			release := make(chan struct{})
			entered := make(chan struct{})
			prefix := "/collab"
			if name == "app" {
				prefix = "/"
			}
			s := start(t, options{hub: anonymous, prefix: prefix, mount: func(app *fiber.App, c handlers.Config) {
				app.Get("/long", func(*fiber.Ctx) error {
					close(entered)
					<-release
					return nil
				})
				mount(app, c)
			}})
			if prefix == "/" {
				s.base = "http://" + s.addr
			}
			ws := s.join(t, "", "r")
			reader := s.stream(t, "/rooms/r/stream", "as-ann")
			reader.await(t, "joined")

			answered := make(chan error, 1)
			go func() { // ends when the request is let go
				response, err := http.Get("http://" + s.addr + "/long")
				if err == nil {
					_ = response.Body.Close()
				}
				answered <- err
			}()
			<-entered
			down := make(chan error, 1)
			go func() { down <- s.app.Shutdown() }()

			ws.wantClose(t, flow.ByeShutdown, flow.ByeShutdown.CloseCode())
			if bye := reader.await(t, "bye"); bye.data.str("code") != string(flow.ByeShutdown) {
				t.Errorf("bye %v", bye.data)
			}
			select {
			case err := <-down:
				t.Errorf("the shutdown did not wait for the request: %v", err)
			default:
			}
			close(release)
			if err := <-answered; err != nil {
				t.Error(err)
			}
			if err := <-down; err != nil {
				t.Error(err)
			}
			if !s.hub.Draining() || s.hub.Stats().Connections != 0 {
				t.Errorf("the hub was not closed: %+v", s.hub.Stats())
			}
		})
	}
}
