package handlers_test

import (
	"net/http"
	"os"
	"regexp"
	"strings"
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
			got := s.call(t, http.MethodGet, path, "", "").wantStatus(t, http.StatusOK)
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
				again := s.call(t, http.MethodGet, path, "", "", "If-None-Match", known)
				again.wantStatus(t, http.StatusNotModified)
				if len(again.body) > 0 || again.header.Get("ETag") != tag {
					t.Errorf("headers %v", again.header)
				}
			}
			s.call(t, http.MethodGet, path, "", "", "If-None-Match", `"other"`).wantStatus(t, http.StatusOK)
			head := s.call(t, http.MethodHead, path, "", "").wantStatus(t, http.StatusOK)
			if head.header.Get("ETag") != tag || len(head.body) > 0 {
				t.Errorf("HEAD: %v", head.header)
			}
		})
	}
}

// The operators' page cannot be framed, runs no code but its own file, and puts no text into markup.
func TestDashboard(t *testing.T) {
	s := start(t, options{})
	page := s.call(t, http.MethodGet, "/dashboard", "", "").wantStatus(t, http.StatusOK)
	policy := page.header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, part) {
			t.Errorf("policy %q lacks %s", policy, part)
		}
	}
	if strings.Contains(policy, "unsafe") || page.header.Get("X-Frame-Options") != "DENY" {
		t.Errorf("headers %v", page.header)
	}
	inline := regexp.MustCompile(`(?i)<script[^>]*>[^<]|<style|\son\w+=|\sstyle=|javascript:|https?://`)
	if found := inline.Find(page.body); found != nil {
		t.Errorf("the page has %q", found)
	}
	for _, match := range regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllSubmatch(page.body, -1) {
		s.call(t, http.MethodGet, "/"+string(match[1]), "", "").wantStatus(t, http.StatusOK)
	}
	script := s.call(t, http.MethodGet, "/dashboard.js", "", "").body
	for _, risky := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("} {
		if strings.Contains(string(script), risky) {
			t.Errorf("the script uses %s", risky)
		}
	}
	for _, match := range regexp.MustCompile(`element\("([^"]*)"\)`).FindAllSubmatch(script, -1) {
		if !strings.Contains(string(page.body), `id="`+string(match[1])+`"`) {
			t.Errorf("the page has no element %q", match[1])
		}
	}
	slash := s.call(t, http.MethodGet, "/dashboard/", "", "").wantStatus(t, http.StatusOK)
	if string(slash.body) != string(page.body) {
		t.Error("with a slash behind, the page is another")
	}
}
