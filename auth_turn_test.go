package flow_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/memx"
)

// Somebody who renews a token all the time keeps nobody from coming in, and has the application asked about nobody
// else. I6
func TestHub_ReauthorizeWhileOthersRenew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		h := open(t, flow.Config{
			VerifyToken: timed(),
			Authorize: func(_ context.Context, user flow.User, _ string) (flow.Access, error) {
				asked.Add(1)
				<-time.After(50 * time.Millisecond)
				return flow.Editor, nil
			},
		})
		ann, bob := dial(t, h, "ann"), dial(t, h, "bob")
		in := make(chan struct{})
		go func() { // ends when ann is in
			ann.send(msg{"type": "join", "id": "j", "room": "r"})
			close(in)
		}()
		for waiting, tries := true, 0; waiting && tries < 100; tries++ {
			select {
			case <-in:
				waiting = false
			case <-time.After(20 * time.Millisecond):
				bob.send(msg{"type": "auth", "id": "a", "token": "bob 1h"})
			}
		}
		if n := asked.Load(); n != 1 {
			t.Errorf("the application was asked %d times about one join", n)
		}
		<-in
		ann.drop()
		bob.drop()
		closeHub(t, h)
	})
}

// What the application said last holds, also when an earlier answer comes after it: nobody keeps a right, or loses
// it again, because a question took long. I6
func TestHub_ReauthorizeLateAnswer(t *testing.T) {
	for _, tc := range []struct {
		name        string
		early, last flow.Access
		want        string
	}{
		{"given back", flow.Viewer, flow.Editor, "op"},
		{"given back to somebody who was to leave", flow.None, flow.Editor, "op"},
		{"taken away", flow.Editor, flow.Viewer, "forbidden"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := newGrants()
			h := newHub(t, flow.Config{Authorize: g.authorize})
			ann := dial(t, h, "ann").writer()
			hold, done := make(chan struct{}), make(chan error)
			g.set("ann", tc.early)
			g.wait(hold)
			go func() { done <- h.Reauthorize(context.Background(), "ann", "") }() // ends with hold
			<-g.held
			g.wait(nil)
			g.set("ann", tc.last)
			if err := h.Reauthorize(t.Context(), "ann", ""); err != nil {
				t.Error(err)
			}
			close(hold)
			if err := <-done; err != nil {
				t.Error(err)
			}
			ann.writes(tc.want)
			if ann.count("left") > 0 {
				t.Errorf("ann was put out: %s", ann.transcript())
			}
		})
	}
}

// gapBus is a bus in memory whose subscribers can be told that messages were lost.
type gapBus struct {
	flow.Bus
	mu   sync.Mutex
	tell []func(flow.Delivery)
}

func (b *gapBus) Subscribe(topic string, f func(flow.Delivery)) (stop func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tell = append(b.tell, f)
	return b.Bus.Subscribe(topic, f)
}

func (b *gapBus) gap() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.tell {
		f(flow.Delivery{Gap: true})
	}
}

// A right that was taken away while the bus was away for a second time ends, too, although everybody's rights were
// still being asked for after the first. I6
func TestHub_ReauthorizeAfterGaps(t *testing.T) {
	g, bus := newGrants(), &gapBus{Bus: memx.NewBus()}
	h := newHub(t, flow.Config{Authorize: g.authorize, Bus: bus})
	ann := dial(t, h, "ann").writer()
	hold := make(chan struct{})
	g.wait(hold)
	bus.gap()
	<-g.held
	g.wait(nil)
	g.set("ann", flow.None)
	bus.gap()
	close(hold)
	if left := ann.expect("left"); left.str("reason") != "forbidden" {
		t.Errorf("left is %v", left)
	}
}

// Who renews a token has the application asked about every room, so it may do that as often as join, and no more. I9
func TestConn_RenewalRate(t *testing.T) {
	g := newGrants()
	h := newHub(t, flow.Config{
		VerifyToken: timed(), Authorize: g.authorize, Quotas: flow.Quotas{UserJoinsPerSecond: 1},
	})
	ann := dial(t, h, "ann")
	ann.join("r")
	asked := g.count("ann", "r")
	eventually(t, "a renewal is refused", func() bool {
		got := ann.renew("ann 1h")
		if got.str("type") == "ok" {
			asked++
		}
		return got.str("code") == "rate_limited" && got.num("retryAfter") > 0
	})
	if n := g.count("ann", "r"); n != asked {
		t.Errorf("the application was asked %d times, want %d", n, asked)
	}
}
