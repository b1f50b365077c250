package handlers_test

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/fiberflow/flow/handlers"
)

// The files for browsers have their types, are asked for again only when they changed, and are what the
// repository holds.
func TestAsset(t *testing.T) {
	s := start(t, options{})
	for path, want := range map[string]struct{ kind, file string }{
		"/client.js":     {"text/javascript; charset=utf-8", "client/client.js"},
		"/client.d.ts":   {"application/typescript; charset=utf-8", "client/client.d.ts"},
		"/dashboard":     {"text/html; charset=utf-8", "dashboard/dashboard.html"},
		"/dashboard.js":  {"text/javascript; charset=utf-8", "dashboard/dashboard.js"},
		"/dashboard.css": {"text/css; charset=utf-8", "dashboard/dashboard.css"},
	} {
		t.Run(path, func(t *testing.T) {
			file, err := os.ReadFile(want.file)
			if err != nil {
				t.Fatal(err)
			}
			got := s.call(t, http.MethodGet, path, adminToken, "").wantStatus(t, http.StatusOK)
			if string(got.body) != string(file) {
				t.Error("the body is not the file")
			}
			tag := got.header.Get("ETag")
			for header, value := range map[string]string{
				"Content-Type": want.kind, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache",
			} {
				if got.header.Get(header) != value {
					t.Errorf("%s: %q, want %q", header, got.header.Get(header), value)
				}
			}
			for _, known := range []string{tag, `"other", W/` + tag, "*"} {
				again := s.call(t, http.MethodGet, path, adminToken, "", "If-None-Match", known)
				again.wantStatus(t, http.StatusNotModified)
				if len(again.body) > 0 || again.header.Get("ETag") != tag {
					t.Errorf("headers %v", again.header)
				}
			}
			s.call(t, http.MethodGet, path, adminToken, "", "If-None-Match", `"other"`).wantStatus(t, http.StatusOK)
			head := s.call(t, http.MethodHead, path, adminToken, "").wantStatus(t, http.StatusOK)
			if head.header.Get("ETag") != tag || len(head.body) > 0 {
				t.Errorf("HEAD: %v", head.header)
			}
		})
	}
}

// Whatever the endpoints answer is taken for what it says it is, and is no picture or script for pages of other
// sites. What a browser shows or runs has a policy without exceptions, cannot be framed, and passes no address
// on; who is refused gets the page in the same way. A route that is added is walked, too.
func TestAsset_protected(t *testing.T) {
	s := start(t, options{})
	files := 0
	for _, route := range handlers.Routes() {
		method := route.Method
		if method == http.MethodGet {
			method = http.MethodHead // a stream would not end
		}
		path := strings.NewReplacer(":room", "a", ":user", "u", ":session", "s").Replace(route.Path)
		for _, token := range []string{adminToken, "", "as-none"} {
			got := s.call(t, method, path, token, "", "Accept", "text/html")
			shared := strings.HasPrefix(path, "/client.")
			kind := got.header.Get("Content-Type")
			if got.header.Get("X-Content-Type-Options") != "nosniff" ||
				(got.header.Get("Cross-Origin-Resource-Policy") == "same-origin") == shared {
				t.Errorf("%s %s: headers %v", method, path, got.header)
			}
			switch kind {
			case "", "application/json", "text/event-stream; charset=utf-8",
				"text/plain; version=0.0.4; charset=utf-8; escaping=underscores":
				continue
			}
			files++
			got.wantProtected(t, path)
			tag := got.header.Get("ETag")
			if got.status == http.StatusOK {
				again := s.call(t, method, path, token, "", "If-None-Match", tag).wantStatus(t, http.StatusNotModified)
				again.wantProtected(t, path)
			}
		}
	}
	if files < 3*5 {
		t.Errorf("%d answers with files", files)
	}
}

// wantProtected checks what a browser is told of a page, a script or a style.
func (r reply) wantProtected(t *testing.T, path string) {
	t.Helper()
	policy := r.header.Get("Content-Security-Policy")
	for _, part := range []string{
		"default-src 'none'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
	} {
		if !strings.Contains(policy, part) {
			t.Errorf("%s: policy %q lacks %s", path, policy, part)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") || strings.Contains(policy, "data:") {
		t.Errorf("%s: policy %q has exceptions", path, policy)
	}
	if strings.Contains(r.header.Get("Content-Type"), "html") && !strings.Contains(policy, "trusted-types 'none'") {
		t.Errorf("%s: policy %q lets scripts make markup", path, policy)
	}
	for header, want := range map[string]string{
		"X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
		"X-Content-Type-Options": "nosniff",
	} {
		if got := r.header.Get(header); got != want {
			t.Errorf("%s: %s is %q, want %q", path, header, got, want)
		}
	}
}
