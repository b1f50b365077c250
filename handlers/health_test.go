package handlers_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/fiberflow/flow"
)

// away is a log whose backend is away.
type away struct{ flow.Log }

func (away) Health(string) flow.Health {
	return flow.Health{
		Backend: "redis", State: flow.Degraded,
		Since: time.UnixMilli(1000), LastProof: time.UnixMilli(900),
	}
}

// Live says that the process works, ready whether clients should come; details are for admins.
func TestHealth(t *testing.T) {
	s := start(t, options{})
	s.call(t, http.MethodGet, "/health/live", "", "").wantStatus(t, http.StatusOK)
	ready := s.call(t, http.MethodGet, "/health/ready", "", "").wantStatus(t, http.StatusOK).object(t)
	if ready.str("status") != "ok" {
		t.Errorf("ready %v", ready)
	}
	for _, name := range []string{"collaboration", "websockets", "ordering"} {
		subsystem := ready.object("subsystems").object(name)
		if subsystem.str("backend") != "memory" || subsystem.str("state") != "live" || len(subsystem) != 4 {
			t.Errorf("%s: %v", name, subsystem)
		}
		for _, field := range []string{"since", "lastProof"} {
			if at, _ := subsystem[field].(float64); at < 1e12 {
				t.Errorf("%s: %s is %v", name, field, subsystem[field])
			}
		}
	}
	details := s.call(t, http.MethodGet, "/health", adminToken, "").wantStatus(t, http.StatusOK).object(t)
	if details.str("instance") != s.hub.Instance() || details.str("status") != "ok" {
		t.Errorf("details %v", details)
	}
}

// A degraded instance still serves, and says what stands in; one that goes away is not ready, but alive.
func TestHealth_trouble(t *testing.T) {
	s := start(t, options{hub: func(c *flow.Config) { c.Log = away{c.Log} }})
	ready := s.call(t, http.MethodGet, "/health/ready", "", "").wantStatus(t, http.StatusOK).object(t)
	ordering := ready.object("subsystems").object("ordering")
	if ready.str("status") != "degraded" || ordering.str("state") != "degraded" ||
		ordering["since"] != 1000.0 || ordering["lastProof"] != 900.0 || ordering["serving"] != nil {
		t.Errorf("ready %v", ready)
	}
	details := s.call(t, http.MethodGet, "/health", adminToken, "").wantStatus(t, http.StatusOK).object(t)
	if details.object("subsystems").object("ordering").str("serving") != "memory" {
		t.Errorf("details %v", details)
	}
	if err := s.hub.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.call(t, http.MethodGet, "/health/live", "", "").wantStatus(t, http.StatusOK)
	gone := s.call(t, http.MethodGet, "/health/ready", "", "").wantStatus(t, http.StatusServiceUnavailable).object(t)
	if gone.str("status") != "draining" {
		t.Errorf("ready %v", gone)
	}
}
