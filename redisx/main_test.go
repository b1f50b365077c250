package redisx_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/redistest"
	"github.com/fiberflow/flow/redisx"
)

var (
	shared redistest.Shared
	// chatter is what go-redis would have written to standard error.
	chatter journal
)

func TestMain(m *testing.M) {
	redis.SetLogger(&chatter)
	os.Exit(shared.Main(m))
}

// open returns a connection that is closed when the test ends. Without an address it is to the shared
// server, without a prefix it has one of its own, without a timeout it is patient.
func open(t testing.TB, c redisx.Config) *redisx.Conn {
	t.Helper()
	if len(c.Addrs) == 0 && c.Client == nil {
		c.Addrs = []string{shared.Server(t).Addr()}
	}
	if c.Prefix == "" {
		c.Prefix = redistest.Prefix(t)
	}
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second // a busy machine is no outage
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

// patience bounds every wait of a test for what has to happen.
const patience = 15 * time.Second

// promptly calls f, which must come to its end by itself.
func promptly(t testing.TB, what string, f func(ctx context.Context)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if f(ctx); ctx.Err() != nil {
		t.Errorf("%s took more than %v", what, patience)
	}
}

// eventually looks until ok, and fails the test when that takes too long.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
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

func eventuallyIs(t testing.TB, h interface{ Health() flow.Health }, state flow.State) {
	t.Helper()
	eventually(t, fmt.Sprintf("%T is %s", h, state), func() bool { return h.Health().State == state })
}

func wantCode(t testing.TB, err error, want flow.Code) {
	t.Helper()
	if got := flow.ErrorCode(err); got != want {
		t.Errorf("error is %v (code %q), want code %q", err, got, want)
	}
}

// op returns the operation n of a session.
func op(session string, n uint64) flow.Operation {
	return flow.Operation{
		Session: session, N: n, User: "user", Time: 1_760_000_000_000, Data: fmt.Appendf(nil, `{"n":%d}`, n),
	}
}

// confirm appends one operation and returns the position after it.
func confirm(t testing.TB, l flow.Log, room, session string, n uint64) flow.Position {
	t.Helper()
	answers, err := l.Append(t.Context(), room, flow.Batch{Operations: []flow.Operation{op(session, n)}})
	if err != nil || answers[0].Status != flow.Confirmed {
		t.Fatalf("Append of %s %d: %+v, %v", session, n, answers, err)
	}
	return flow.Position{Seq: answers[0].Seq, Hash: answers[0].Hash}
}

// save stores a snapshot.
func save(t testing.TB, l flow.Log, room string, at flow.Position) {
	t.Helper()
	if err := l.SaveSnapshot(t.Context(), room, flow.Snapshot{Position: at, Data: []byte("{}")}); err != nil {
		t.Fatalf("SaveSnapshot: %v", err)
	}
}

// journal keeps lines that are written to it.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

// Printf implements the logger of go-redis.
func (j *journal) Printf(_ context.Context, format string, v ...any) {
	_, _ = fmt.Fprintf(j, format+"\n", v...)
}

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// count returns how many lines contain all the words.
func (j *journal) count(words ...string) int {
	n := 0
	for line := range strings.Lines(j.String()) {
		all := true
		for _, w := range words {
			all = all && strings.Contains(line, w)
		}
		if all {
			n++
		}
	}
	return n
}
