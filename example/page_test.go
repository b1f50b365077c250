package main

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"
)

// wantProtected checks what a browser is told of whatever the example answers.
func wantProtected(t *testing.T, path string, header http.Header) {
	t.Helper()
	policy := header.Get("Content-Security-Policy")
	if !strings.HasPrefix(policy, "default-src 'none'; ") || !strings.Contains(policy, "frame-ancestors 'none'") {
		t.Errorf("%s: policy %q", path, policy)
	}
	for _, exception := range []string{"unsafe", "*", "data:", "blob:", "http"} {
		if strings.Contains(policy, exception) {
			t.Errorf("%s: policy %q has %s", path, policy, exception)
		}
	}
	if strings.Contains(header.Get("Content-Type"), "html") && !strings.Contains(policy, "trusted-types 'none'") {
		t.Errorf("%s: policy %q lets scripts make markup", path, policy)
	}
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
		"Cross-Origin-Opener-Policy": "same-origin",
	} {
		if got := header.Get(name); got != want {
			t.Errorf("%s: %s is %q, want %q", path, name, got, want)
		}
	}
}

// Every page and every file that the example serves has the policy, found by walking what is embedded; so have
// the answers to what is not there, and nothing that a request says comes back as markup.
func TestRegisterPages_protected(t *testing.T) {
	server := start(t)
	paths := []string{
		"/", "/board/a-room", "/?room=x", "/collab/client.js", "/collab/client.d.ts", "/collab/dashboard.js",
	}
	err := fs.WalkDir(web, "web", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			paths = append(paths, "/"+path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		response, _ := get(t, server.URL+path)
		if response.StatusCode != http.StatusOK {
			t.Errorf("GET %s: %d", path, response.StatusCode)
		}
		wantProtected(t, path, response.Header)
	}
	for _, path := range []string{
		"/board/a%20b", "/nothing", "/web/none.js", "/web/..%2fserver.go", "/collab/nothing", "/%3Cscript%3E",
		"/board/%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E", "/collab/%3Cscript%3E",
	} {
		response, body := get(t, server.URL+path)
		kind := response.Header.Get("Content-Type")
		if response.StatusCode != http.StatusNotFound || !strings.HasPrefix(kind, "text/plain") {
			t.Errorf("GET %s: %d, %s", path, response.StatusCode, kind)
		}
		if strings.Contains(body, "<") {
			t.Errorf("GET %s: body %s", path, body)
		}
		wantProtected(t, path, response.Header)
	}
}

// A request that is too large to be read is answered in the same way.
func TestRegisterPages_unreadable(t *testing.T) {
	server := start(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	request := "GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("x", 1<<13) + "\r\n\r\n"
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d", response.StatusCode)
	}
	wantProtected(t, "a long header", response.Header)
}

// The causes of errors stand in the log and in no answer.
func TestRefuse(t *testing.T) {
	var log strings.Builder
	app := fiber.New(fiber.Config{ErrorHandler: refuse(slog.New(slog.NewTextHandler(&log, nil)))})
	app.Get("/", func(*fiber.Ctx) error { return errors.New("secret detail") })
	var ctx fasthttp.RequestCtx
	app.Handler()(&ctx)
	status, body := ctx.Response.StatusCode(), string(ctx.Response.Body())
	if status != http.StatusInternalServerError || strings.Contains(body, "secret") {
		t.Errorf("%d %s", status, body)
	}
	if !strings.Contains(log.String(), "secret detail") {
		t.Errorf("log %q", log.String())
	}
	header := http.Header{}
	for name, value := range ctx.Response.Header.All() {
		header.Set(string(name), string(value))
	}
	wantProtected(t, "an error", header)
}
