package handlers_test

import (
	"net/http"
	"os"
	"testing"
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
