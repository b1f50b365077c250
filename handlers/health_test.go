package handlers_test

import (
	"net/http"
	"testing"

	"github.com/fiberflow/flow"
)

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

// A degraded instance is ready, and tells admins where its backend is and what is wrong; one that goes
// away is not ready, but alive.
func TestHealth_trouble(t *testing.T) {
	log := newFaultyLog()
	s := start(t, options{hub: log.use})
	log.become(flow.Degraded)
	ready := s.call(t, http.MethodGet, "/health/ready", "", "").wantStatus(t, http.StatusOK).object(t)
	ordering := ready.object("subsystems").object("ordering")
	if ready.str("status") != "degraded" || ordering.str("state") != "degraded" || len(ordering) != 4 {
		t.Errorf("ready %v", ready)
	}
	if want := float64(log.since.UnixMilli()); ordering["since"] != want || ordering["lastProof"] != want {
		t.Errorf("ordering %v, want the times of the log, %v", ordering, want)
	}
	details := s.call(t, http.MethodGet, "/health", adminToken, "").wantStatus(t, http.StatusOK).object(t)
	ordering = details.object("subsystems").object("ordering")
	if ordering.str("address") != "redis:6379" || ordering.str("reason") != "no answer in time" {
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
