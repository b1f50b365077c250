package main

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/fiberflow/flow"
)

// get sends a GET request and returns the answer with its body read.
func get(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var body bytes.Buffer
	if _, err := body.ReadFrom(response.Body); err != nil {
		t.Fatal(err)
	}
	return response, body.String()
}

// post writes one operation.
func post(t *testing.T, server *instance, room, data string) int {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	body := strings.NewReader(`{"operations":[{"data":` + data + `}]}`)
	url := server.URL + "/collab/rooms/" + room + "/operations"
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response.StatusCode
}

// confirmed returns how many operations the log of a room has.
func confirmed(t *testing.T, server *instance, room string) int {
	t.Helper()
	_, body := get(t, server.URL+"/collab/rooms/"+room+"/operations?limit=1000")
	var page struct{ Operations []json.RawMessage }
	if err := json.Unmarshal([]byte(body), &page); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return len(page.Operations)
}

// The page loads only from its own server, runs nothing that stands in the markup, and is served for
// rooms that can exist only.
func TestRegisterPages(t *testing.T) {
	server := start(t)
	for _, path := range []string{"/", "/board/a-room", "/?room=x"} {
		response, body := get(t, server.URL+path)
		policy := response.Header.Get("Content-Security-Policy")
		if response.StatusCode != http.StatusOK || !strings.Contains(policy, "script-src 'self'") {
			t.Errorf("GET %s: %d, policy %q", path, response.StatusCode, policy)
		}
		for _, inline := range []string{"<script>", " style=", "<style", " onclick="} {
			if strings.Contains(body, inline) {
				t.Errorf("GET %s: the page has %s in it", path, inline)
			}
		}
	}
	for path, want := range map[string]string{
		"/web/board.js": "javascript", "/web/style.css": "text/css", "/web/icon.svg": "image/svg+xml",
		"/collab/client.js": "javascript",
	} {
		response, _ := get(t, server.URL+path)
		if response.StatusCode != http.StatusOK || !strings.Contains(response.Header.Get("Content-Type"), want) {
			t.Errorf("GET %s: %d %s", path, response.StatusCode, response.Header.Get("Content-Type"))
		}
	}
	for _, path := range []string{"/board/a%20b", "/board/", "/board/..%2f", "/web/none.js", "/nothing"} {
		if response, _ := get(t, server.URL+path); response.StatusCode != http.StatusNotFound {
			t.Errorf("GET %s: %d, want 404", path, response.StatusCode)
		}
	}
}

// A port that is taken ends the program with one clear line and status 1.
func TestRun_PortBusy(t *testing.T) {
	listener, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	out, err := command(t, "PORT="+port).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "port "+port+" is in use") {
		t.Errorf("%v: %s", err, out)
	}
}

// A setting that cannot be read ends the program before it serves anything.
func TestRun_BadSetting(t *testing.T) {
	out, err := command(t, "PORT=many").CombinedOutput()
	if err == nil || !strings.Contains(string(out), `PORT="many"`) {
		t.Errorf("%v: %s", err, out)
	}
}

// Without a token setting everybody may come in, and the log warns of it; with one nobody may without.
func TestLoadSettings_Anonymous(t *testing.T) {
	open := start(t)
	if !strings.Contains(open.Log(), "COLLAB_ANONYMOUS") {
		t.Errorf("no warning: %s", open.Log())
	}
	if status := post(t, open, "room", `{}`); status != http.StatusCreated {
		t.Errorf("an anonymous write is answered with %d", status)
	}
	closed := start(t, "COLLAB_JWT_SECRET="+secret)
	if status := post(t, closed, "room", `{}`); status != http.StatusUnauthorized {
		t.Errorf("a write without a token is answered with %d", status)
	}
}

// The claim "rooms" says what a user may do; whoever is told nothing is an editor.
func TestAuthorize(t *testing.T) {
	for _, c := range []struct {
		name  string
		claim any
		want  flow.Access
	}{
		{"no claim", nil, flow.Editor},
		{"this room", map[string]any{"a": "viewer", "*": "none"}, flow.Viewer},
		{"the others", map[string]any{"b": "viewer", "*": "owner"}, flow.Owner},
		{"not named", map[string]any{"b": "viewer"}, flow.Editor},
		{"not a level", map[string]any{"a": "king"}, flow.None},
		{"not a string", map[string]any{"a": 7.0}, flow.None},
		{"not an object", "editor", flow.None},
	} {
		t.Run(c.name, func(t *testing.T) {
			user := flow.User{ID: "u", Claims: map[string]any{}}
			if c.claim != nil {
				user.Claims["rooms"] = c.claim
			}
			if got, err := authorize(t.Context(), user, "a"); got != c.want || err != nil {
				t.Errorf("got %v, %v, want %v", got, err, c.want)
			}
		})
	}
}

// The example's logs take any JSON: what is not a merge patch is skipped by the board.
func TestServer_AnyJSON(t *testing.T) {
	server := start(t)
	for _, data := range []string{`{"nodes":{}}`, `[]`, `null`, `"x"`} {
		if got := post(t, server, "room", data); got != http.StatusCreated {
			t.Errorf("%s is answered with %d, want %d", data, got, http.StatusCreated)
		}
	}
}
