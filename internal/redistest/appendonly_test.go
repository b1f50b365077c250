package redistest_test

import (
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow/internal/redistest"
)

// What was written after the cut is forgotten, with the command that the cut goes through; a transaction,
// as a script is one, is lost whole.
func TestServer_CutAppendOnly(t *testing.T) {
	for _, test := range []struct {
		name string
		more int64 // bytes after the mark that stay
	}{{"at a command", 0}, {"in a transaction", 50}} {
		t.Run(test.name, func(t *testing.T) {
			s := redistest.Start(t, redistest.AppendOnly())
			c := s.Client(t)
			set(t, c)
			mark := s.AppendOnlySize(t)
			lost := redis.NewScript(`redis.call('SET', 'a', 'lost') redis.call('SET', 'key', 'lost')`)
			if err := lost.Run(t.Context(), c, nil).Err(); err != nil && err != redis.Nil { //nolint:errorlint // itself
				t.Fatalf("script: %v", err)
			}
			if size := s.AppendOnlySize(t); size <= mark+test.more {
				t.Fatalf("the file grew by %d bytes only", size-mark)
			}
			s.Kill(t)
			s.CutAppendOnly(t, mark+test.more)
			s.Restart(t)
			if got := get(t, c); got != "kept" {
				t.Errorf("key = %q, want what it was before the cut", got)
			}
			if n := c.Exists(t.Context(), "a").Val(); n != 0 {
				t.Error("half of a transaction is left")
			}
		})
	}
}

// A server comes back with what it had when it was copied.
func TestServer_RestartFrom(t *testing.T) {
	s := redistest.Start(t, redistest.AppendOnly())
	c := s.Client(t)
	set(t, c)
	backup := s.Backup(t)
	if err := c.Set(t.Context(), "key", "newer", 0).Err(); err != nil {
		t.Fatalf("Set: %v", err)
	}
	s.Kill(t)
	s.RestartFrom(t, backup)
	if got := get(t, c); got != "kept" {
		t.Errorf("key = %q, want the older value", got)
	}
}

// A busy server says so to everybody, until the script is ended.
func TestServer_Busy(t *testing.T) {
	s := redistest.Start(t)
	c := s.Client(t)
	set(t, c)
	end := s.Busy(t)
	if err := c.Get(t.Context(), "key").Err(); err == nil || !strings.HasPrefix(err.Error(), "BUSY") {
		t.Errorf("Get = %v, want BUSY", err)
	}
	end()
	end()
	if got := get(t, c); got != "kept" {
		t.Errorf("key = %q afterwards", got)
	}
}
