package handlers_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/fiberflow/flow"
)

// What is written over REST counts as what a socket sends: for the room, whoever writes, for the messages of a user,
// and for its bytes, those of snapshots, too. Who only reads is not refused.
func TestREST_Rates(t *testing.T) {
	const room, many = "/rooms/r", 100 // operations of a request: what they cost is paid off after a minute and a half
	body := `{"operations":[` + strings.Repeat(`{"data":1},`, many-1) + `{"data":1}]}`
	event := `{"name":"x","data":1}`
	snapshot := `{"position":"0:0000000000000000","data":"` + strings.Repeat("x", 60_000) + `"}`
	for name, c := range map[string]struct {
		quotas             flow.Quotas
		method, path, body string
		others             int // what somebody else gets afterwards
	}{
		"room":     {flow.Quotas{RoomMessagesPerSecond: 1}, http.MethodPost, "/operations", body, 429},
		"events":   {flow.Quotas{RoomMessagesPerSecond: 1}, http.MethodPost, "/events", event, 429},
		"user":     {flow.Quotas{UserMessagesPerSecond: 1}, http.MethodPost, "/operations", body, 201},
		"snapshot": {flow.Quotas{UserBytesPerSecond: 1000}, http.MethodPut, "/snapshot", snapshot, 204},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, options{hub: func(config *flow.Config) { config.Quotas = c.quotas }})
			s.join(t, "as-cem", "r")
			if c.method == http.MethodPut {
				s.call(t, http.MethodPut, room+"/snapshot", "as-ann", snapshot).wantStatus(t, http.StatusNoContent)
			} else {
				s.call(t, http.MethodPost, room+"/operations", "as-ann", body).wantStatus(t, http.StatusCreated)
			}
			s.call(t, c.method, room+c.path, "as-ann", c.body).wantCode(t, flow.CodeRateLimited)
			s.call(t, c.method, room+c.path, "as-bob", c.body).wantStatus(t, c.others)
			s.call(t, http.MethodGet, room+"/operations", "as-ann", "").wantStatus(t, http.StatusOK)
		})
	}
}
