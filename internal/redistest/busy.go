package redistest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Busy keeps the server busy with a script that does not end, as a bad neighbour does: everybody gets
// BUSY, after some 10 ms without any answer. It returns when that is so; end kills the script, at the
// latest when the test ends, and may be called twice.
func (s *Server) Busy(t testing.TB) (end func()) {
	t.Helper()
	options := s.options()
	options.ReadTimeout = -1 // the script answers when it is killed
	c := redis.NewClient(options)
	if err := c.ConfigSet(t.Context(), "lua-time-limit", "10").Err(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { // ends with the script
		defer close(ended)
		_ = c.Eval(t.Context(), "while true do end", nil).Err()
	}()
	end = sync.OnceFunc(func() {
		if err := s.killScript(); err != nil {
			t.Error(err)
		}
		<-ended
		_ = c.Close()
	})
	t.Cleanup(end)
	if err := poll(s.isBusy); err != nil {
		t.Fatal(err)
	}
	return end
}

// isBusy returns an error until the server answers BUSY.
func (s *Server) isBusy() error {
	err := s.ask(func(ctx context.Context, c *redis.Client) error { return c.Ping(ctx).Err() })
	if err == nil {
		return errors.New("the server is not busy")
	}
	if strings.HasPrefix(err.Error(), "BUSY") {
		return nil
	}
	return err
}

// killScript ends the script that runs, if one does.
func (s *Server) killScript() error {
	err := s.ask(func(ctx context.Context, c *redis.Client) error { return c.ScriptKill(ctx).Err() })
	if err != nil && strings.HasPrefix(err.Error(), "NOTBUSY") {
		return nil
	}
	return err
}
