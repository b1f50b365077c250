package handlers_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/fiberflow/flow"
)

// A snapshot is kept at its position, the newest one, as it was written.
func TestSnapshot(t *testing.T) {
	s := start(t, options{hub: func(c *flow.Config) { c.SnapshotBytes = 99_999 }})
	const path = "/rooms/r/snapshot"
	s.call(t, http.MethodGet, path, "as-viewer", "").wantCode(t, flow.CodeNotFound)
	old := s.submit(t, "1").object(t).str("position")
	newest := s.submit(t, "2").object(t).str("position")
	put := func(position, data string) reply {
		return s.call(t, http.MethodPut, path, "as-editor", `{"position":"`+position+`","data":`+data+`}`)
	}
	put(newest, `{ "html": "<b>", "html": 1.0 }`).wantStatus(t, http.StatusNoContent)
	put(old, `"older"`).wantStatus(t, http.StatusNoContent)
	got := s.call(t, http.MethodGet, path, "as-viewer", "").wantStatus(t, http.StatusOK)
	if want := `{"position":"` + newest + `","data":{"html":"<b>","html":1.0}}`; string(got.body) != want {
		t.Errorf("body %s, want %s", got.body, want)
	}
	put("2:0123456789abcdef", "1").wantCode(t, flow.CodeDiverged)
	put("nonsense", "1").wantCode(t, flow.CodeInvalidMessage)
	for _, body := range []string{`{}`, `{"data":1}`, `{"position":"` + newest + `"}`, `{"position":2,"data":1}`} {
		s.call(t, http.MethodPut, path, "as-editor", body).wantCode(t, flow.CodeInvalidMessage)
	}
	put(newest, `"`+strings.Repeat("x", 100_000)+`"`).wantCode(t, flow.CodeTooLarge)
	put(newest, `"`+strings.Repeat("x", 70_000)+`"`).wantStatus(t, http.StatusNoContent) // more than a message may have
	s.call(t, http.MethodPut, path, "as-viewer", `{}`).wantCode(t, flow.CodeForbidden)
	s.call(t, http.MethodGet, "/rooms/r/state", "as-viewer", "").wantCode(t, flow.CodeNotFound)
}
