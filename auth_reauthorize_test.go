package flow_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/memx"
)

// grants is what an application knows of rights. Whoever it knows nothing of is an editor.
type grants struct {
	mu     sync.Mutex
	levels map[string]flow.Access // by user, or by user and room
	fails  int                    // so many questions are not answered
	asked  map[string]int         // by user and room
	err    error
	hold   chan struct{} // if set, an answer that was found waits for it
	held   chan struct{} // told of every answer that waits
}

func newGrants() *grants {
	return &grants{levels: map[string]flow.Access{}, asked: map[string]int{}, held: make(chan struct{}, 16)}
}

func (g *grants) set(who string, level flow.Access) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.levels[who] = level
}

// fail makes the next answers an error, or a panic if that is nil.
func (g *grants) fail(count int, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fails, g.err = count, err
}

func (g *grants) wait(hold chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hold = hold
}

func (g *grants) count(user, room string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.asked[user+" "+room]
}

func (g *grants) answer(user, room string) (level flow.Access, hold chan struct{}, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked[user+" "+room]++
	if g.fails > 0 {
		if g.fails--; g.err == nil {
			panic("the hook of the test")
		}
		return flow.Owner, nil, g.err
	}
	level, known := g.levels[user+" "+room]
	if !known {
		level, known = g.levels[user]
	}
	if !known {
		level = flow.Editor
	}
	return level, g.hold, nil
}

func (g *grants) authorize(_ context.Context, user flow.User, room string) (flow.Access, error) {
	level, hold, err := g.answer(user.ID, room)
	if hold != nil {
		g.held <- struct{}{}
		<-hold
	}
	return level, err
}

// writer is a client that writes in room r.
type writer struct {
	*client
	session string
	wrote   int
}

func (c *client) writer() *writer { return &writer{client: c, session: c.join("r").str("session")} }

// writes sends operations until one is answered as wanted: "op", or the code of a refusal.
func (w *writer) writes(want string) {
	w.t.Helper()
	eventually(w.t, "an operation is answered with "+want, func() bool {
		n := w.wrote + 1
		w.op("r", n, n)
		got := w.find(func(m msg) bool {
			mine := m.str("type") == "op" && m.str("session") == w.session
			return (mine || m.str("type") == "nack") && m.num("n") == int64(n)
		})
		if got.str("type") == "op" {
			w.wrote = n
		}
		return got.str("type") == want || got.str("code") == want
	})
}

// Rights that change act on the sockets and streams of a user on all instances: who may only look any more has no
// operations taken and no locks; who may not even look has left; who may write again, writes. Nobody else notices.
// I6
func TestCluster_Reauthorize(t *testing.T) {
	g := newGrants()
	onCluster(t, flow.Config{Authorize: g.authorize}, func(t *testing.T, one, two *flow.Hub) {
		change := func(level flow.Access, user, room string) {
			t.Helper()
			g.set("ann", level)
			if err := one.Reauthorize(t.Context(), user, room); err != nil {
				t.Fatal(err)
			}
		}
		g.set("ann", flow.Editor)
		here, there, bob := dial(t, one, "ann").writer(), dial(t, two, "ann").writer(), dial(t, two, "bob").writer()
		stream := watch(t, two, &flow.User{ID: "ann"}, "r")
		anns := []*writer{here, there}
		if got := there.request(msg{"type": "lock", "room": "r", "name": "x"}); got.str("type") != "ok" {
			t.Fatalf("lock answered %v", got)
		}
		for _, c := range anns {
			c.writes("op")
		}
		change(flow.Viewer, "ann", "")
		for _, c := range anns {
			c.wantViewer()
		}
		eventually(t, "the lock is free", func() bool {
			return bob.request(msg{"type": "lock", "room": "r", "name": "x"}).str("type") == "ok"
		})
		change(flow.Editor, "", "r")
		for _, c := range anns {
			c.writes("op")
		}
		change(flow.None, "ann", "r")
		for _, c := range []*client{here.client, there.client, stream} {
			if left := c.expect("left"); left.str("reason") != "forbidden" || left.str("room") != "r" {
				t.Errorf("left is %v", left)
			}
		}
		bob.op("r", 1, "secret")
		bob.find(func(m msg) bool { return m["data"] == "secret" })
		for _, c := range anns {
			if got := c.request(msg{"type": "join", "room": "r"}); got.str("code") != "forbidden" {
				t.Errorf("join answered %v", got)
			}
		}
		for _, c := range []*client{here.client, there.client, stream} {
			if strings.Contains(c.transcript(), "secret") || c.count("bye") > 0 {
				t.Errorf("after the end of its right: %s", c.transcript())
			}
		}
		if bob.count("left")+bob.count("nack") > 0 {
			t.Errorf("bob was touched: %s", bob.transcript())
		}
	})
}

// wantViewer checks what one may do who may only look any more.
func (w *writer) wantViewer() {
	w.t.Helper()
	w.writes("forbidden")
	for _, m := range []msg{
		{"type": "event", "room": "r", "name": "e"}, {"type": "lock", "room": "r", "name": "y"},
		{"type": "snapshot", "room": "r", "position": "0:0000000000000000", "data": 1},
	} {
		if got := w.request(m); got.str("code") != "forbidden" {
			w.t.Errorf("%v got %v", m, got)
		}
	}
	if got := w.request(msg{"type": "presence", "room": "r", "data": msg{}}); got.str("type") != "ok" {
		w.t.Errorf("presence got %v", got)
	}
}

// Only those are asked about who are meant: a user's sockets, or those in a room.
func TestHub_ReauthorizeWhom(t *testing.T) {
	g := newGrants()
	h := newHub(t, flow.Config{Authorize: g.authorize})
	for _, user := range []string{"ann", "bob"} {
		c := dial(t, h, user)
		c.join("r")
		c.join("q")
	}
	dialAs(t, h, nil) // nobody yet
	want := map[string]int{"ann r": 1, "ann q": 1, "bob r": 1, "bob q": 1}
	for _, tc := range []struct {
		user, room string
		about      []string
	}{
		{"ann", "", []string{"ann r", "ann q"}},
		{"", "q", []string{"ann q", "bob q"}},
		{"bob", "r", []string{"bob r"}},
		{"", "", []string{"ann r", "ann q", "bob r", "bob q"}},
		{"cem", "", nil}, {"", "s", nil}, {"Ann", "r", nil},
	} {
		if err := h.Reauthorize(t.Context(), tc.user, tc.room); err != nil {
			t.Fatal(err)
		}
		for _, who := range tc.about {
			want[who]++
		}
		for who, count := range want {
			user, room, _ := strings.Cut(who, " ")
			if got := g.count(user, room); got != count {
				t.Errorf("%+v: %s was asked about %d times, want %d", tc, who, got, count)
			}
		}
	}
	if err := h.Reauthorize(t.Context(), "ann", "a/b"); flow.ErrorCode(err) != flow.CodeInvalidRoom {
		t.Errorf("a bad room got %v", err)
	}
}

// Who is just coming in, on either instance, by socket or by stream, while the right to it is taken away does not
// slip through: what the application said a moment before does not count. I6
func TestCluster_ReauthorizeWhileJoining(t *testing.T) {
	g := newGrants()
	onCluster(t, flow.Config{Authorize: g.authorize}, func(t *testing.T, one, two *flow.Hub) {
		g.set("ann", flow.Editor)
		hold := make(chan struct{})
		g.wait(hold)
		here, there := dial(t, one, "ann"), dial(t, two, "ann")
		stream := &client{t: t, pipe: newPipe()}
		var joins sync.WaitGroup
		for _, c := range []*client{here, there} {
			joins.Go(func() { c.send(msg{"type": "join", "id": "j", "room": "r"}) })
		}
		joins.Go(func() {
			conn, err := two.Watch(t.Context(), stream.pipe, flow.Client{User: &flow.User{ID: "ann"}}, "r", "")
			if err == nil {
				stream.conn = conn
			} else {
				t.Error(err)
			}
		})
		for range 3 {
			<-g.held
		}
		g.wait(nil)
		g.set("ann", flow.None)
		if err := one.Reauthorize(t.Context(), "ann", ""); err != nil {
			t.Error(err)
		}
		close(hold)
		joins.Wait()
		t.Cleanup(stream.drop)
		for _, c := range []*client{here, there, stream} {
			if left := c.expect("left"); left.str("reason") != "forbidden" {
				t.Errorf("left is %v", left)
			}
		}
	})
}

func TestHub_ReauthorizeFails(t *testing.T) {
	t.Run("while joining", func(t *testing.T) { synctest.Test(t, testReauthorizeFailsWhileJoining) })
	t.Run("for a while", func(t *testing.T) { synctest.Test(t, testReauthorizeFailsForAWhile) })
	t.Run("for good", func(t *testing.T) { synctest.Test(t, testReauthorizeFailsForGood) })
}

// A hook that fails when it is asked again about who is just coming in is asked until it answers. I6
func testReauthorizeFailsWhileJoining(t *testing.T) {
	g := newGrants()
	h := open(t, flow.Config{Authorize: g.authorize})
	hold := make(chan struct{})
	g.wait(hold)
	c := dial(t, h, "ann")
	var joining sync.WaitGroup
	joining.Go(func() { c.send(msg{"type": "join", "id": "j", "room": "r"}) })
	<-g.held
	g.wait(nil)
	g.set("ann", flow.None)
	if err := h.Reauthorize(t.Context(), "ann", ""); err != nil {
		t.Error(err)
	}
	g.fail(2, errors.New("the database is away"))
	close(hold)
	joining.Wait()
	advance(3 * time.Second)
	if left, _ := c.poll(func(m msg) bool { return m.str("type") == "left" }); left.str("reason") != "forbidden" {
		t.Errorf("left is %v", left)
	}
	c.drop()
	closeHub(t, h)
}

// A hook that fails or panics is asked again, and what it says then counts, within five seconds; a refusal with a
// code is an answer. I6
func testReauthorizeFailsForAWhile(t *testing.T) {
	for name, err := range map[string]error{"error": errors.New("the database is away"), "panic": nil} {
		g := newGrants()
		h := open(t, flow.Config{Authorize: g.authorize})
		c := dial(t, h, "ann")
		c.join("r")
		g.set("ann", flow.None)
		g.fail(3, err)
		start := time.Now()
		if err := h.Reauthorize(t.Context(), "ann", ""); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if left := c.expect("left"); left.str("reason") != "forbidden" || time.Since(start) > 5*time.Second {
			t.Errorf("%s: left is %v after %v", name, left, time.Since(start))
		}
		c.drop()
		closeHub(t, h)
	}
	g := newGrants()
	h := open(t, flow.Config{Authorize: g.authorize})
	c := dial(t, h, "ann")
	c.join("r")
	g.fail(1, flow.Errorf(flow.CodeNotFound, "no such room"))
	if err := h.Reauthorize(t.Context(), "", "r"); err != nil {
		t.Error(err)
	}
	if left := c.expect("left"); left.str("reason") != "forbidden" {
		t.Errorf("left is %v", left)
	}
	c.drop()
	closeHub(t, h)
}

// A hook that goes on failing is told to who asked, and changes nothing; nor does asking for longer than one wants
// to wait.
func testReauthorizeFailsForGood(t *testing.T) {
	g := newGrants()
	h := open(t, flow.Config{Authorize: g.authorize})
	c := dial(t, h, "ann")
	c.join("r")
	g.fail(1000, nil)
	if err := h.Reauthorize(t.Context(), "ann", ""); flow.ErrorCode(err) != flow.CodeUnavailable {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := h.Reauthorize(ctx, "ann", ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	c.op("r", 1, 1)
	c.expect("op")
	if c.count("left")+c.count("bye") > 0 {
		t.Errorf("a hook that failed ended something: %s", c.transcript())
	}
	c.drop()
	closeHub(t, h)
}

// What was taken while its author might still write is confirmed also when the right is gone by then; what comes
// later is refused, and nothing is shown to who has no right any more. I1, I6, I14
func TestHub_ReauthorizeQueued(t *testing.T) {
	g, log := newGrants(), &awayLog{Log: memx.NewLog(memx.LogConfig{})}
	h := newHub(t, flow.Config{Log: log, Authorize: g.authorize})
	ann, bob := dial(t, h, "ann"), dial(t, h, "bob")
	ann.join("r")
	bob.join("r")
	log.set(true, false)
	ann.op("r", 1, "in time")
	ann.expect("queued")
	g.set("ann", flow.Viewer)
	if err := h.Reauthorize(t.Context(), "ann", ""); err != nil {
		t.Fatal(err)
	}
	ann.op("r", 2, "too late")
	if nack := ann.expect("nack"); nack.str("code") != "forbidden" {
		t.Errorf("nack is %v", nack)
	}
	g.set("ann", flow.None)
	if err := h.Reauthorize(t.Context(), "", "r"); err != nil {
		t.Fatal(err)
	}
	ann.expect("left")
	bob.op("r", 1, "secret")
	log.set(false, false)
	checkStream(t, bob, 2)
	if text := bob.transcript(); !strings.Contains(text, "in time") || strings.Contains(text, "too late") {
		t.Errorf("bob got %s", text)
	}
	if text := ann.transcript(); strings.Contains(text, "secret") {
		t.Errorf("ann got %s", text)
	}
}
