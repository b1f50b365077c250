package flow_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fiberflow/flow"
)

// connect connects a client and tells how that ended.
func connect(t *testing.T, h *flow.Hub, who flow.Client) (*client, error) {
	t.Helper()
	before := h.Admit(who)
	c := &client{t: t, pipe: newPipe()}
	conn, err := h.Connect(c.pipe, who)
	if (err == nil) != (before == nil) || flow.ErrorCode(err) != flow.ErrorCode(before) {
		t.Errorf("Admit says %v, Connect %v", before, err)
	}
	if err != nil {
		return nil, err
	}
	c.conn = conn
	t.Cleanup(c.drop)
	c.expect("welcome")
	return c, nil
}

// Users, addresses and the instance have so many connections and no more; one that ends makes room.
func TestHub_Connect_quotas(t *testing.T) {
	h := newHub(t, flow.Config{Quotas: flow.Quotas{Sockets: 6, UserSockets: 2, AddressSockets: 3}})
	at := func(user, address string) flow.Client {
		c := flow.Client{User: &flow.User{ID: user, Anonymous: strings.HasPrefix(user, "anonymous")}}
		if address != "" {
			c.Address = netip.MustParseAddr(address)
		}
		return c
	}
	var last *client
	for _, step := range []struct {
		who  flow.Client
		want flow.Code
	}{
		{at("ann", ""), ""},
		{at("ann", "203.0.113.1"), ""},
		{at("ann", "203.0.113.2"), flow.CodeRateLimited}, // the third of a user
		{at("anonymous-1", "203.0.113.1"), ""},
		{at("anonymous-2", "203.0.113.1"), ""},
		{at("bob", "203.0.113.1"), flow.CodeRateLimited},         // the fourth of an address
		{at("anonymous-3", "203.0.113.1"), flow.CodeRateLimited}, //
		{at("anonymous-4", "10.0.0.1"), ""},
		{at("anonymous-5", "10.0.0.1"), ""},
		{at("dan", "203.0.113.9"), flow.CodeUnavailable}, // the seventh of the instance
	} {
		c, err := connect(t, h, step.who)
		if got := flow.ErrorCode(err); got != step.want {
			t.Fatalf("%s at %s: %v, want %q", step.who.User.ID, step.who.Address, err, step.want)
		}
		if err != nil && flow.ErrorRetryAfter(err) <= 0 {
			t.Errorf("no time to wait: %v", err)
		}
		if c != nil {
			last = c
		}
	}
	last.drop()
	if _, err := connect(t, h, at("dan", "203.0.113.9")); err != nil {
		t.Errorf("after one has left: %v", err)
	}
}

// Those who do not say who they are cannot keep others out: the one who has waited longest has to go. Who has
// said it stays, and counts for its user.
func TestHub_Connect_strangers(t *testing.T) {
	h := newHub(t, flow.Config{
		Quotas: flow.Quotas{Unauthenticated: 2, UserSockets: 1},
		VerifyToken: func(_ context.Context, token string) (flow.User, error) {
			return flow.User{ID: token}, nil
		},
	})
	first, second := dialAs(t, h, nil), dialAs(t, h, nil)
	first.send(msg{"type": "auth", "id": "1", "token": "ann"})
	first.expect("ok")
	third := dialAs(t, h, nil)
	fourth := dialAs(t, h, nil)
	if bye := second.expect("bye"); bye.str("code") != "overloaded" {
		t.Errorf("bye %v", bye)
	}
	third.send(msg{"type": "auth", "id": "1", "token": "ann"})
	if got := third.expect("error"); got.str("code") != "rate_limited" {
		t.Errorf("a second socket of ann: %v", got)
	}
	third.send(msg{"type": "auth", "id": "2", "token": "bob"})
	third.expect("ok")
	fourth.send(msg{"type": "ping"})
	fourth.expect("pong")
}

// A client that has not said who it is gets no room for more than a token.
func TestConn_MessageLimit(t *testing.T) {
	h := newHub(t, flow.Config{})
	stranger, ann := dialAs(t, h, nil), dial(t, h, "ann")
	if few, many := stranger.conn.MessageLimit(), ann.conn.MessageLimit(); few != 16<<10 || many != 64<<10 {
		t.Errorf("limits %d and %d", few, many)
	}
}

// No more rooms are opened than the instance may have; those that are open stay in use.
func TestHub_Enter_quota(t *testing.T) {
	h := newHub(t, flow.Config{Quotas: flow.Quotas{OpenRooms: 2}})
	ann := dial(t, h, "ann")
	ann.join("one", nil)
	ann.join("two", nil)
	ann.send(msg{"type": "join", "id": "x", "room": "three"})
	if got := ann.expect("error"); got.str("code") != "unavailable" || got.num("retryAfter") <= 0 {
		t.Errorf("a third room: %v", got)
	}
	dial(t, h, "bob").join("two", nil)
}

// Whatever a user sends too much of is refused with a time to wait; the operations of a room are bounded
// whoever sends them, and nobody loses a socket for what others do.
func TestConn_Receive_quotas(t *testing.T) {
	for name, c := range map[string]struct {
		quotas flow.Quotas
		limits flow.Limits
		send   msg
		count  int // that many pass
		answer string
	}{
		"messages": {flow.Quotas{UserMessagesPerSecond: 5}, flow.Limits{}, msg{"type": "ping", "id": "p"}, 9, "error"},
		"bytes": {flow.Quotas{UserBytesPerSecond: 1000}, flow.Limits{},
			msg{"type": "event", "room": "r", "name": strings.Repeat("x", 100)}, 8, "error"},
		"socket bytes": {flow.Quotas{SocketBytesPerSecond: 1000}, flow.Limits{},
			msg{"type": "event", "room": "r", "name": strings.Repeat("x", 100)}, 8, "error"},
		"joins": {flow.Quotas{UserJoinsPerSecond: 2}, flow.Limits{},
			msg{"type": "join", "id": "j", "room": "r"}, 3, "error"},
		"room": {flow.Quotas{RoomMessagesPerSecond: 2}, flow.Limits{},
			msg{"type": "event", "room": "r", "name": "e"}, 4, "error"},
		"room joins": {flow.Quotas{RoomJoinsPerSecond: 2}, flow.Limits{},
			msg{"type": "join", "id": "j", "room": "r"}, 3, "error"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, err := flow.New(memory(flow.Config{Quotas: c.quotas, Limits: c.limits}))
				if err != nil {
					t.Fatal(err)
				}
				ann := dial(t, h, "ann")
				ann.join("r", nil)
				for range 20 {
					ann.send(c.send)
				}
				refusals := 0
				ann.each(func(m msg) {
					if m.str("type") == c.answer && m.str("code") == "rate_limited" && m.num("retryAfter") > 0 {
						refusals++
					}
				})
				if passed := 20 - refusals; passed < c.count-1 || passed > c.count+1 {
					t.Errorf("%d passed, want about %d", passed, c.count)
				}
				ann.drop()
				if err := h.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// Ten seconds over a user's rate end the socket; ten seconds over the room's do not.
func TestConn_Receive_excess(t *testing.T) {
	for name, quotas := range map[string]flow.Quotas{
		"user": {UserMessagesPerSecond: 10}, "bytes": {SocketBytesPerSecond: 1000}, "room": {RoomMessagesPerSecond: 10},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, err := flow.New(memory(flow.Config{Quotas: quotas}))
				if err != nil {
					t.Fatal(err)
				}
				ann := dial(t, h, "ann")
				ann.join("r", nil)
				for range 11 * 40 {
					ann.send(msg{"type": "event", "room": "r", "name": "e"})
					<-time.After(25 * time.Millisecond) // synctest's clock
				}
				bye := ""
				ann.each(func(m msg) {
					if m.str("type") == "bye" {
						bye = m.str("code")
					}
				})
				if want := map[bool]string{true: "", false: "rate_limited"}[name == "room"]; bye != want {
					t.Errorf("bye %q, want %q", bye, want)
				}
				ann.drop()
				if err := h.Close(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// sharedMeter is a meter that adds up what instances tell, and forgets nothing.
type sharedMeter struct {
	mu    sync.Mutex
	spent map[string]flow.Spending
	away  bool
}

func (l *sharedMeter) Spend(
	_ context.Context, _ flow.Spending, spent map[string]flow.Spending,
) (map[string]flow.Spending, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.away {
		return nil, flow.Unavailable(fmt.Errorf("away"))
	}
	missing := map[string]flow.Spending{}
	for key, s := range spent {
		sum := l.spent[key]
		sum.Messages += s.Messages
		sum.Bytes += s.Bytes
		sum.Joins += s.Joins
		sum.Requests += s.Requests
		l.spent[key], missing[key] = sum, sum
	}
	return missing, nil
}

// A user has one allowance on all instances; while the meter is away, one on each.
func TestHub_meter(t *testing.T) {
	for _, away := range []bool{false, true} {
		t.Run(fmt.Sprint("away ", away), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				shared := &sharedMeter{spent: map[string]flow.Spending{}, away: away}
				var hubs [2]*flow.Hub
				for i := range hubs {
					h, err := flow.New(memory(flow.Config{Meter: shared}))
					if err != nil {
						t.Fatal(err)
					}
					hubs[i] = h
				}
				requests := func(h *flow.Hub, user string, n int) (passed int) {
					for range n {
						if h.AllowRequest(flow.Client{User: &flow.User{ID: user}}) == nil {
							passed++
						}
					}
					<-time.After(150 * time.Millisecond) // the exchange, on synctest's clock
					return passed
				}
				first := requests(hubs[0], "ann", 250)
				unaware := requests(hubs[1], "ann", 20)
				aware := requests(hubs[1], "ann", 50)
				other := requests(hubs[1], "bob", 50)
				want := map[bool]int{false: 0, true: 50}[away]
				if first != 200 || unaware != 20 || aware != want || other != 50 {
					t.Errorf("passed %d, %d, %d and %d of bob's", first, unaware, aware, other)
				}
				for _, h := range hubs {
					if err := h.Close(t.Context()); err != nil {
						t.Error(err)
					}
				}
				if got := shared.spent["user ann"].Requests; !away && got != 220 {
					t.Errorf("told the meter of %d requests", got)
				}
			})
		})
	}
}

// each calls f with all that the client was sent.
func (c *client) each(f func(msg)) {
	c.t.Helper()
	synctest.Wait()
	c.pipe.mu.Lock()
	defer c.pipe.mu.Unlock()
	for _, frame := range c.pipe.frames {
		var m msg
		if err := json.Unmarshal(frame.JSON, &m); err != nil {
			c.t.Fatal(err)
		}
		f(m)
	}
}
