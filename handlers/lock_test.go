package handlers_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/memx"
)

// The list of locks tells name, owner and the time that is left, to everybody who may read the room; an owner that
// the application named is told apart from sessions.
func TestLock_List(t *testing.T) {
	s := start(t, options{hub: func(c *flow.Config) {
		log := memx.NewLog(memx.LogConfig{})
		c.Log, c.Leases = log, log
	}})
	ann := s.join(t, "as-ann", "r")
	ann.send(t, `{"type":"lock","id":"l","room":"r","name":"card \"1\"","ttl":60000}`)
	ann.await(t, "ok")
	if err := s.hub.Lock(t.Context(), "r", "export", "job", 30*time.Second); err != nil {
		t.Fatal(err)
	}
	answer := s.call(t, http.MethodGet, "/rooms/r/locks", "as-viewer", "").wantStatus(t, http.StatusOK)
	list := answer.object(t).list("locks")
	if len(list) != 2 {
		t.Fatalf("locks are %v", list)
	}
	card, export := msg(list[0].(map[string]any)), msg(list[1].(map[string]any))
	ttl, _ := card["ttl"].(float64)
	if card.str("name") != `card "1"` || card.str("session") == "" || ttl < 1 || ttl > 60000 {
		t.Errorf("the session's lock is %v", card)
	}
	if export.str("name") != "export" || export.str("session") != "app:job" {
		t.Errorf("the application's lock is %v", export)
	}
	empty := s.call(t, http.MethodGet, "/rooms/other/locks", "as-viewer", "").wantStatus(t, http.StatusOK)
	if string(empty.body) != `{"locks":[]}` {
		t.Errorf("body %s", empty.body)
	}
}
