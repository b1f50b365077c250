package flow_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/memx"
)

// awaySessions is a store of sessions that one instance can lose sight of.
type awaySessions struct {
	flow.SessionStore
	away atomic.Bool
}

func (s *awaySessions) reach() error {
	if s.away.Load() {
		return flow.Unavailable(context.DeadlineExceeded)
	}
	return nil
}

func (s *awaySessions) Put(ctx context.Context, session flow.Session) error {
	if err := s.reach(); err != nil {
		return err
	}
	return s.SessionStore.Put(ctx, session)
}

func (s *awaySessions) Get(ctx context.Context, id string) (flow.Session, error) {
	if err := s.reach(); err != nil {
		return flow.Session{}, err
	}
	return s.SessionStore.Get(ctx, id)
}

func (s *awaySessions) Delete(ctx context.Context, id string) error {
	if err := s.reach(); err != nil {
		return err
	}
	return s.SessionStore.Delete(ctx, id)
}

func (s *awaySessions) Touch(ctx context.Context, instance string, ids []string) ([]string, error) {
	if err := s.reach(); err != nil {
		return nil, err
	}
	return s.SessionStore.Touch(ctx, instance, ids)
}

// awayPair returns two hubs that share everything, and whose stores can go away.
func awayPair(t *testing.T, bus flow.Bus) (hubs [2]*flow.Hub, away func(bool)) {
	t.Helper()
	cfg := memory(flow.Config{Bus: bus})
	cfg.Secrets = func() [][]byte { return [][]byte{[]byte("shared")} }
	shared := cfg.Sessions
	var stores [2]*awaySessions
	for i, name := range []string{"one", "two"} {
		stores[i] = &awaySessions{SessionStore: shared}
		cfg.Instance, cfg.Sessions = name, stores[i]
		hubs[i] = newHub(t, cfg)
	}
	return hubs, func(is bool) {
		for _, s := range stores {
			s.away.Store(is)
		}
	}
}

// A token that says that no store knew the session is good as long as the session has not ended: afterwards it is
// worth nothing, on no instance, whichever of them the session had moved to. I6, I7
func TestHub_ReplayOfUnsaved(t *testing.T) {
	for name, end := range map[string]func(h *flow.Hub, c *client, session string){
		"left": func(_ *flow.Hub, c *client, _ string) { c.request(msg{"type": "leave", "room": "r"}) },
		"kicked": func(h *flow.Hub, c *client, session string) {
			if err := h.Kick(context.Background(), "r", session); err != nil {
				c.t.Error(err)
			}
		},
	} {
		// On synctest's clock, because instances wait for each other's word for half a second only.
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testReplayOfUnsaved(t, 0, end) })
		})
		t.Run(name+" when it was saved", func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testReplayOfUnsaved(t, 10*time.Second, end) })
		})
	}
}

// testReplayOfUnsaved moves the session after a pause, in which the first instance may save it.
func testReplayOfUnsaved(t *testing.T, pause time.Duration, end func(h *flow.Hub, c *client, session string)) {
	t.Helper()
	ann := &flow.User{ID: "ann"}
	hubs, away := awayPair(t, nil)
	away(true)
	a := dialAs(t, hubs[0], ann)
	j := a.join("r")
	session, marked := j.str("session"), j.str("resume")
	away(false)
	advance(pause)
	b := dialAs(t, hubs[1], ann)
	if got := b.resume("r", marked); got.str("session") != session {
		t.Fatalf("a session that the store did not know got %v", got)
	}
	a.find(func(m msg) bool { return m.str("type") == "left" }) // the first instance has let it go
	end(hubs[1], b, session)
	eventually(t, "the store has forgotten it", func() bool {
		_, err := hubs[0].Config().Sessions.Get(t.Context(), session)
		return flow.ErrorCode(err) == flow.CodeNotFound
	})
	wantStale(t, "the first token", "r", marked, ann, hubs[1], hubs[0])
}

// An instance that is gone, and has taken what it knew of a session with it, does not keep its user out. I7
func TestHub_UnsavedOutlivesInstance(t *testing.T) {
	hubs, away := awayPair(t, nil)
	away(true)
	a := dial(t, hubs[0], "ann")
	j := a.join("r")
	a.drop()
	if err := hubs[0].Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	away(false)
	b := dial(t, hubs[1], "ann")
	if got := b.resume("r", j.str("resume")); got.str("session") != j.str("session") {
		t.Errorf("join answered %v", got)
	}
}

// While the store is away a session that has ended is known as such where it ended. Any other instance has nothing
// but the signature to go by, and takes it, until the first one says that it has ended. I6
func TestHub_ReplayWhileStoreIsAway(t *testing.T) {
	hubs, away := awayPair(t, nil)
	ann := &flow.User{ID: "ann"}
	a := dialAs(t, hubs[0], ann)
	token := a.join("r").str("resume")
	away(true)
	a.request(msg{"type": "leave", "room": "r"})
	wantStale(t, "the token of who has left", "r", token, ann, hubs[0])
	wantStale(t, "a thief", "r", token, &flow.User{ID: "bob"}, hubs[:]...)
	wantStale(t, "an anonymous thief", "r", token, &flow.User{ID: "ann", Anonymous: true}, hubs[:]...)
	wantStale(t, "a token for another room", "q", token, ann, hubs[:]...)
	wantStale(t, "a forged token", "r", token[1:], ann, hubs[:]...)
	b := dialAs(t, hubs[1], ann)
	b.resume("r", token)
	if left := b.expect("left"); left.str("reason") != "kicked" {
		t.Errorf("left is %v", left)
	}
	if code := b.closed(); code != 4102 {
		t.Errorf("close code is %d", code)
	}
}

// When the instances cannot speak with each other either, the session goes on elsewhere: for the same user, who may
// join the room anyway. Once it ends there, it has ended. I6, I7
func TestHub_ReplayWhileAllIsAway(t *testing.T) {
	bus := &muteBus{Bus: memx.NewBus()}
	hubs, away := awayPair(t, bus)
	ann := &flow.User{ID: "ann"}
	a := dialAs(t, hubs[0], ann)
	j := a.join("r")
	away(true)
	bus.mute("two")
	if err := hubs[0].Kick(t.Context(), "r", j.str("session")); err != nil {
		t.Fatal(err)
	}
	wantStale(t, "the token of who was kicked", "r", j.str("resume"), ann, hubs[0])
	wantStale(t, "a thief", "r", j.str("resume"), &flow.User{ID: "bob"}, hubs[:]...)
	b := dialAs(t, hubs[1], ann)
	if got := b.resume("r", j.str("resume")); got.str("session") != j.str("session") {
		t.Fatalf("the other instance answered %v", got)
	}
	away(false)
	bus.mute("")
	b.op("r", 1, 1)
	b.expect("op")
	b.request(msg{"type": "leave", "room": "r"})
	wantStale(t, "the token, now that both know", "r", j.str("resume"), ann, hubs[:]...)
}
