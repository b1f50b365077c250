package handlers_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/mergepatch"
)

// counter is a reducer that cannot go back: the state is how many operations there were. It refuses `"bad"`.
type counter struct{}

func (counter) Apply(state, op []byte) ([]byte, error) {
	if string(op) == `"bad"` {
		return nil, errors.New("bad")
	}
	return append(append([]byte(`[`), op...), ']'), nil
}

// startReduced serves rooms with reducers: those that begin with "board-" take merge patches.
func startReduced(t *testing.T) *server {
	t.Helper()
	return start(t, options{hub: func(c *flow.Config) {
		c.Reductions = []flow.Reduction{
			{Rooms: "board-*", Reducer: mergepatch.Reducer{}, MaxBytes: 100},
			{Rooms: "count-*", Reducer: counter{}},
		}
	}})
}

// write writes one operation.
func (s *server) write(t *testing.T, room, data string) reply {
	t.Helper()
	return s.call(t, http.MethodPost, "/rooms/"+room+"/operations", "as-editor", `{"operations":[{"data":`+data+`}]}`)
}

func (s *server) wantReduced(t *testing.T, room, position, data string) {
	t.Helper()
	got := s.call(t, http.MethodGet, "/rooms/"+room+"/state", "as-viewer", "").wantStatus(t, http.StatusOK)
	if want := `{"position":"` + position + `","data":` + data + `}`; string(got.body) != want {
		t.Errorf("state of %s is %s, want %s", room, got.body, want)
	}
}

// The state is that at the head, whatever reducer the room has; what a reducer refuses never gets into the log.
func TestState(t *testing.T) {
	s := startReduced(t)
	s.wantReduced(t, "board-1", "0:0000000000000000", "null")
	s.write(t, "board-1", `{"a":{"b":1,"c":null},"d":[1]}`).wantStatus(t, http.StatusCreated)
	at := s.write(t, "board-1", `{"d":null}`).wantStatus(t, http.StatusCreated).object(t).str("position")
	s.wantReduced(t, "board-1", at, `{"a":{"b":1}}`)
	s.write(t, "board-1", `"`+strings.Repeat("x", 100)+`"`).wantCode(t, flow.CodeTooLarge)
	s.write(t, "count-1", `"bad"`).wantCode(t, flow.CodeRejected)
	at = s.write(t, "count-1", `"good"`).wantStatus(t, http.StatusCreated).object(t).str("position")
	s.wantReduced(t, "count-1", at, `["good"]`)
	s.call(t, http.MethodGet, "/rooms/plain/state", "as-viewer", "").wantCode(t, flow.CodeNotFound)
	s.call(t, http.MethodPut, "/rooms/board-1/snapshot", "as-owner", `{"position":"`+at+`","data":1}`).
		wantCode(t, flow.CodeRejected)
}

// A room goes back to what it was at a position, by an operation of its own, and back again; every other answer
// has its code.
func TestRestore(t *testing.T) {
	s := startReduced(t)
	restore := func(room, who, position string) reply {
		return s.call(t, http.MethodPost, "/rooms/"+room+"/restore", who, `{"position":"`+position+`"}`)
	}
	early := s.write(t, "board-1", `{"a":1,"b":{"c":"<x>"}}`).object(t).str("position")
	late := s.write(t, "board-1", `{"a":2,"b":null,"e":[]}`).object(t).str("position")
	back := restore("board-1", "as-owner", early).wantStatus(t, http.StatusCreated).object(t).str("position")
	s.wantReduced(t, "board-1", back, `{"a":1,"b":{"c":"<x>"}}`)
	restore("board-1", "as-owner", early).wantStatus(t, http.StatusOK)
	again := restore("board-1", adminToken, late).wantStatus(t, http.StatusCreated).object(t).str("position")
	s.wantReduced(t, "board-1", again, `{"a":2,"e":[]}`)
	restore("board-1", "as-owner", "2:0123456789abcdef").wantCode(t, flow.CodeDiverged)
	gone := restore("board-1", "as-owner", "0:0000000000000000").wantStatus(t, http.StatusCreated).
		object(t).str("position")
	s.wantReduced(t, "board-1", gone, "null")
	restore("board-1", "as-owner", "9:0123456789abcdef").wantCode(t, flow.CodeDiverged)
	restore("board-1", "as-owner", "nonsense").wantCode(t, flow.CodeInvalidMessage)
	restore("board-1", "as-editor", early).wantCode(t, flow.CodeForbidden)
	restore("plain", "as-owner", early).wantCode(t, flow.CodeNotFound)
	first := s.write(t, "count-1", `1`).object(t).str("position")
	restore("count-1", "as-owner", first).wantCode(t, flow.CodeRejected)
	s.call(t, http.MethodPost, "/rooms/board-1/restore", "as-owner", `{}`).wantCode(t, flow.CodeInvalidMessage)
}
