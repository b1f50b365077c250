package handlers_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/fiberflow/flow"
)

// An event of the server reaches the room, or whom it is for; data that is missing arrives as null.
func TestEvent_Publish(t *testing.T) {
	s := start(t, options{})
	ann, bob := s.join(t, "as-ann", "r"), s.join(t, "as-bob", "r")
	post := func(body string) reply { return s.call(t, http.MethodPost, "/rooms/r/events", "as-editor", body) }

	if body := post(`{"name":"all","data":{"x":"<&>"}}`).wantStatus(t, http.StatusAccepted).body; len(body) > 0 {
		t.Errorf("body %q", body)
	}
	for _, ws := range []*socket{ann, bob} {
		event := ws.await(t, "event")
		if event.str("name") != "all" || event.object("data").str("x") != "<&>" || event["session"] != nil {
			t.Errorf("event %v", event)
		}
	}
	post(`{"name":"direct","to":{"user":"bob"}}`).wantStatus(t, http.StatusAccepted)
	post(`{"name":"last"}`).wantStatus(t, http.StatusAccepted)
	if event := bob.await(t, "event"); event.str("name") != "direct" {
		t.Errorf("bob got %v", event)
	}
	event := ann.await(t, "event")
	if data, there := event["data"]; event.str("name") != "last" || !there || data != nil {
		t.Errorf("ann got %v", event)
	}
}

// A message to a person arrives wherever they are, without a room.
func TestEvent_PublishUser(t *testing.T) {
	s := start(t, options{})
	first, second := s.dial(t, "as-zoe"), s.join(t, "as-zoe", "r")
	first.await(t, "welcome")
	post := func(user, body string) reply {
		return s.call(t, http.MethodPost, "/users/"+user+"/events", adminToken, body)
	}
	post("zoe", `{"name":"hi","data":1}`).wantStatus(t, http.StatusAccepted)
	for _, ws := range []*socket{first, second} {
		if event := ws.await(t, "event"); event.str("name") != "hi" || event["room"] != nil {
			t.Errorf("event %v", event)
		}
	}
	post("nobody%20here", `{"name":"hi"}`).wantStatus(t, http.StatusAccepted)
	post("zoe", `{"name":"hi","to":{"user":"ann"}}`).wantCode(t, flow.CodeInvalidMessage)
	for _, user := range []string{strings.Repeat("u", 256), "%ff", "%00"} {
		post(user, `{"name":"hi"}`).wantCode(t, flow.CodeInvalidMessage)
	}
}

// Events that are none are refused.
func TestEvent_badBody(t *testing.T) {
	s := start(t, options{})
	for name, body := range map[string]string{
		"no name":               `{"data":1}`,
		"empty name":            `{"name":""}`,
		"long name":             `{"name":"` + strings.Repeat("n", 129) + `"}`,
		"name of another type":  `{"name":1}`,
		"null name":             `{"name":null}`,
		"to of another type":    `{"name":"n","to":"bob"}`,
		"null to":               `{"name":"n","to":null}`,
		"to nobody":             `{"name":"n","to":{}}`,
		"to both":               `{"name":"n","to":{"user":"u","session":"s"}}`,
		"to a number":           `{"name":"n","to":{"user":1}}`,
		"name twice":            `{"name":"n","name":"m"}`,
		"data that is not JSON": `{"name":"n","data":nonsense}`,
	} {
		t.Run(name, func(t *testing.T) {
			for path, token := range map[string]string{"/rooms/r/events": "as-ann", "/users/u/events": adminToken} {
				s.call(t, http.MethodPost, path, token, body).wantCode(t, flow.CodeInvalidMessage)
			}
		})
	}
	large := `{"name":"n","data":"` + strings.Repeat("x", 65536) + `"}`
	s.call(t, http.MethodPost, "/rooms/r/events", "as-ann", large).
		wantCode(t, flow.CodeTooLarge)
}
