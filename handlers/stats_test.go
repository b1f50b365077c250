package handlers_test

import (
	"net/http"
	"testing"
)

// The figures of an instance have the contract's names, and follow what happens.
func TestStats(t *testing.T) {
	s := start(t, options{})
	for _, field := range []string{
		"instance", "uptime", "connections", "rooms", "sessions", "ops", "rates", "latency", "subsystems",
	} {
		if s.stats(t)[field] == nil {
			t.Errorf("%s is missing", field)
		}
	}
	ws := s.join(t, "as-ann", "r")
	s.join(t, "as-bob", "r")
	for n := range 3 {
		ws.send(t, `{"type":"op","room":"r","n":`+string(rune('1'+n))+`,"data":1}`)
		ws.await(t, "op")
	}
	got := s.stats(t)
	for field, want := range map[string]float64{"connections": 2, "sessions": 2, "rooms": 1, "ops": 3} {
		if got[field] != want {
			t.Errorf("%s is %v, want %v", field, got[field], want)
		}
	}
	if rate, _ := got.object("rates")["ops"].(float64); rate <= 0 {
		t.Errorf("rates %v", got.object("rates"))
	}
	if p99, _ := got.object("latency")["p99"].(float64); p99 <= 0 || p99 > 10_000 {
		t.Errorf("latency %v", got.object("latency"))
	}
	if got.str("instance") != s.hub.Instance() || len(got.object("subsystems")) != 3 {
		t.Errorf("stats %v", got)
	}
}

func (s *server) stats(t *testing.T) msg {
	t.Helper()
	return s.call(t, http.MethodGet, "/stats", adminToken, "").wantStatus(t, http.StatusOK).object(t)
}
