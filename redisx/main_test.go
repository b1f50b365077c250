package redisx_test

import (
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/fiberflow/flow/internal/redistest"
	"github.com/fiberflow/flow/redisx"
)

var shared redistest.Shared

func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }

// open returns a connection that is closed when the test ends. Without an address it is to the shared
// server, without a prefix it has one of its own.
func open(t testing.TB, c redisx.Config) *redisx.Conn {
	t.Helper()
	if len(c.Addrs) == 0 && c.Client == nil {
		c.Addrs = []string{shared.Server(t).Addr()}
	}
	if c.Prefix == "" {
		c.Prefix = redistest.Prefix(t)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	conn, err := redisx.Open(t.Context(), c)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return conn
}

// eventually looks until ok, and fails the test when that takes too long.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	const patience = 15 * time.Second
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited %v in vain: %s", patience, what)
		}
	}
}
