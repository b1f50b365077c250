package middleware_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fiberflow/flow/internal/redistest"
	"github.com/fiberflow/flow/middleware"
)

var shared redistest.Shared

func TestMain(m *testing.M) {
	// fasthttp starts one clock for the process with its first server, and never stops it; who sweeps the
	// idle workers of a server ends some seconds after it.
	os.Exit(shared.Main(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	))
}

// environment is a process environment of its own for one test.
type environment map[string]string

// with returns the environment with more keys.
func (e environment) with(more environment) environment {
	both := maps.Clone(e)
	maps.Copy(both, more)
	return both
}

// config reads this environment and no file, and logs nothing.
func (e environment) config(t testing.TB) middleware.Config {
	t.Helper()
	return middleware.Config{
		Getenv:  func(key string) (string, bool) { v, ok := e[key]; return v, ok },
		EnvFile: filepath.Join(t.TempDir(), "none"),
		Logger:  slog.New(slog.DiscardHandler),
	}
}

// book keeps what was logged.
type book struct {
	mu    sync.Mutex
	lines bytes.Buffer
}

func (b *book) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Write implements io.Writer.
func (b *book) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lines.Write(line)
}

// Printf implements the logger of fasthttp.
func (b *book) Printf(format string, args ...any) {
	_, _ = b.Write(fmt.Appendf(nil, format+"\n", args...)) // a buffer takes everything
}

// text returns everything that was logged.
func (b *book) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.lines.String()
}

// entries returns the lines with this message.
func (b *book) entries(t testing.TB, message string) []map[string]any {
	t.Helper()
	var found []map[string]any
	for line := range bytes.Lines([]byte(b.text())) {
		entry := map[string]any{}
		if err := json.Unmarshal(line, &entry); err != nil {
			t.Fatalf("log line %q: %v", line, err)
		}
		if entry["msg"] == message {
			found = append(found, entry)
		}
	}
	return found
}

// messages returns the messages of a level.
func (b *book) messages(t testing.TB, level slog.Level) []string {
	t.Helper()
	var found []string
	for line := range bytes.Lines([]byte(b.text())) {
		var entry struct {
			Level slog.Level
			Msg   string
		}
		if err := json.Unmarshal(line, &entry); err != nil {
			t.Fatalf("log line %q: %v", line, err)
		}
		if entry.Level == level {
			found = append(found, entry.Msg)
		}
	}
	return found
}

// entry returns the one line with this message.
func (b *book) entry(t testing.TB, message string) map[string]any {
	t.Helper()
	found := b.entries(t, message)
	if len(found) != 1 {
		t.Fatalf("%d lines say %q, want 1, in:\n%s", len(found), message, b.text())
	}
	return found[0]
}

// eventually waits until ok, and fails the test when that takes so long that something must be broken.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("still not: %s", what)
		}
	}
}
