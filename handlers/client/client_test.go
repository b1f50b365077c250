package client_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/fiberflow/flow/internal/browsertest"
)

// fasthttp leaves a goroutine for its Date header behind, and for ten seconds one a server.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp/stackless.funcWorker"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	)
}

// result is what became of one test of testdata/*_test.js.
type result struct {
	Name  string `json:"name"`
	Error string `json:"error"` // "" when it passed
}

// The rules of the client hold in a real browser, against a server that says what each rule is about
// and one that has bad luck at random. What each case guarantees stands over it in testdata. I1, I2, I3, I4.
func TestClient(t *testing.T) {
	modules, err := filepath.Glob("testdata/*_test.js")
	if err != nil || len(modules) == 0 {
		t.Fatalf("no tests in testdata: %v", err)
	}
	window := browsertest.Start(t).Person(t)
	window.Go(serveTests(t, modules))
	for ran := 0; !browsertest.Read[bool](window, `window.finished === true`); ran++ {
		window.Until("the next test has run", `window.finished || window.results?.length > `+strconv.Itoa(ran))
	}
	for _, r := range browsertest.Read[[]result](window, `window.results`) {
		t.Run(r.Name, func(t *testing.T) {
			if r.Error != "" {
				t.Error(r.Error)
			}
		})
	}
}

// serveTests offers this folder, and a page that runs the modules.
func serveTests(t *testing.T, modules []string) string {
	t.Helper()
	var page strings.Builder
	page.WriteString("<!doctype html>\n<script type=module>\nimport { runAll } from './testdata/harness.js';\n")
	for _, module := range modules {
		page.WriteString("import './" + filepath.ToSlash(module) + "';\n")
	}
	page.WriteString("runAll();\n</script>\n")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(page.String()))
	})
	mux.Handle("GET /", http.FileServerFS(os.DirFS(".")))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}
