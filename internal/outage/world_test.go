package outage_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/redistest"
)

const (
	// patience bounds every wait of a test; only a broken product makes a test wait so long.
	patience = 2 * time.Minute
	// writePace is the time between two operations of a client.
	writePace = 40 * time.Millisecond
)

// world is one Redis, the instances before it, the clients of one room, and what they were promised.
type world struct {
	t       *testing.T
	room    string
	redis   *redistest.Server
	proxies []*redistest.Proxy // of the instances, when there are any
	ledger  *ledger
	http    *http.Client

	mu        sync.Mutex
	instances []*instance

	clients []*client
	gone    map[string]bool // sessions that died with their instance
}

func newWorld(t *testing.T, options ...redistest.Option) *world {
	t.Helper()
	return newRoom(t, "plan", redistest.Start(t, options...))
}

// newRoom returns the world of one room, before a Redis that others may have too.
func newRoom(t *testing.T, room string, server *redistest.Server) *world {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	w := &world{
		t: t, room: room, redis: server, ledger: newLedger(),
		http: &http.Client{Transport: transport, Timeout: patience}, gone: map[string]bool{},
	}
	w.ledger.lag.watch(t)
	return w
}

// add starts an instance, behind a proxy of its own or straight before Redis.
func (w *world) add(proxied bool, env map[string]string) *instance {
	w.t.Helper()
	addr := w.redis.Addr()
	if proxied {
		p := redistest.StartProxy(w.t, addr)
		w.proxies = append(w.proxies, p)
		addr = p.Addr()
	}
	return w.attach(startInstance(w.t, environment(addr, env)))
}

func (w *world) attach(i *instance) *instance {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.instances = append(w.instances, i)
	return i
}

// instance returns one of the instances; the numbers go round.
func (w *world) instance(k int) *instance {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.instances[k%len(w.instances)]
}

// remove forgets an instance, before or after it ends.
func (w *world) remove(i *instance) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.instances = slices.DeleteFunc(w.instances, func(other *instance) bool { return other == i })
}

func (w *world) all() []*instance {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]*instance(nil), w.instances...)
}

func (w *world) token(user string) string { return userToken(w.t, user) }

// people opens clients, so many on each instance, and waits until all have joined.
func (w *world) people(each int) {
	w.t.Helper()
	for i := range w.all() {
		for k := range each {
			w.clients = append(w.clients, w.open(fmt.Sprintf("%c%d", 'a'+i, k+1), i))
		}
	}
	w.every("has joined", func(m *model) bool { return m.joined })
}

// write has everybody write, and waits until each has had so many more operations confirmed.
func (w *world) write(confirmed uint64) {
	w.t.Helper()
	goal := map[string]uint64{}
	for _, c := range w.clients {
		c.do(func(m *model) { goal[m.name] = m.confirmedUpTo() + confirmed })
		c.write(writePace)
	}
	w.every(fmt.Sprintf("has %d more operations confirmed", confirmed), func(m *model) bool {
		return m.confirmedUpTo() >= goal[m.name]
	})
}

// queued waits until each client has so many operations that are queued.
func (w *world) queued(count int) {
	w.t.Helper()
	w.every(fmt.Sprintf("has %d operations queued", count), func(m *model) bool {
		return len(m.pending) >= count && m.pending[count-1].queued
	})
}

// roam makes all clients change the instance when their connection ends.
func (w *world) roam() {
	for _, c := range w.clients {
		c.do(func(*model) { c.roams = true })
	}
}

// every waits until something holds for every client.
func (w *world) every(what string, holds func(*model) bool) {
	w.t.Helper()
	w.eventually("every client "+what, func() bool {
		for _, c := range w.clients {
			if !c.is(holds) {
				return false
			}
		}
		return true
	})
}

// eventually waits until the condition holds.
func (w *world) eventually(what string, holds func() bool) {
	w.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !holds(); <-tick.C {
		if time.Now().After(deadline) {
			w.tell()
			w.t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// client returns a client of the Redis server with all rights, past any proxy.
func (w *world) client() *redis.Client {
	w.t.Helper()
	return w.redis.Client(w.t)
}

// must ends the test when a command of the test itself fails.
func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// call sends a REST request as the admin, and returns status and body.
func (w *world) call(i *instance, method, path, body string, header ...string) (status int, text []byte, err error) {
	request, err := http.NewRequestWithContext(w.t.Context(), method, i.base+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Authorization", "Bearer "+adminToken)
	for k := 0; k < len(header); k += 2 {
		request.Header.Set(header[k], header[k+1])
	}
	response, err := w.http.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close() //nolint:errcheck // it was read to its end
	text, err = io.ReadAll(response.Body)
	return response.StatusCode, text, err
}

// ready returns what an instance says of itself.
func (w *world) ready(i *instance) (string, error) {
	h, err := w.health(i)
	return h.Status, err
}

// health is the answer of an instance that takes clients.
type health struct {
	Status     string `json:"status"`
	Subsystems map[string]struct {
		State string `json:"state"`
	} `json:"subsystems"`
}

func (w *world) health(i *instance) (h health, err error) {
	status, text, err := w.call(i, http.MethodGet, "/health/ready", "")
	if err != nil {
		return h, err
	}
	if err := json.Unmarshal(text, &h); err != nil || status != http.StatusOK {
		return h, fmt.Errorf("health/ready: %d %s", status, text)
	}
	return h, nil
}

// live waits until every instance says that it works as configured.
func (w *world) live() {
	w.t.Helper()
	w.eventually("every instance is ok", func() bool {
		for _, i := range w.all() {
			if status, err := w.ready(i); err != nil || status != "ok" {
				return false
			}
		}
		return true
	})
}

// operations returns the room's log as an instance shows it.
func (w *world) operations(i *instance) (log []flow.Operation, head string, err error) {
	after := ""
	for {
		status, text, err := w.call(i, http.MethodGet, "/rooms/"+w.room+"/operations?limit=1000&after="+after, "")
		if err != nil {
			return nil, "", err
		}
		var page struct {
			Operations []message `json:"operations"`
			Position   string    `json:"position"`
			Head       string    `json:"head"`
		}
		if err := json.Unmarshal(text, &page); err != nil || status != http.StatusOK {
			return nil, "", fmt.Errorf("operations: %d %s", status, text)
		}
		for _, m := range page.Operations {
			op, err := m.operation()
			if err != nil {
				return nil, "", err
			}
			log = append(log, op)
		}
		if page.Position == page.Head {
			return log, page.Head, nil
		}
		after = page.Position
	}
}
