package redisx_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/redisx"
)

// stage stands in for the server: it notes which rooms each round trip appends to, and confirms everything.
type stage struct {
	client *redis.Client
	log    *redisx.Log
	conn   *redisx.Conn

	mu    sync.Mutex
	trips []string
	hold  chan struct{} // if set, round trips have no answer until it is closed
	wrong string        // the room whose command fails
}

type wrongError string

func (w wrongError) Error() string { return string(w) }
func (w wrongError) RedisError()   {}

// newStage is to be called in a bubble of synctest.
func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{client: redis.NewClient(&redis.Options{
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})}
	s.client.AddHook(s)
	s.conn = open(t, redisx.Config{Client: s.client, Prefix: "p", Timeout: 500 * time.Millisecond})
	s.log = redisx.NewLog(s.conn)
	return s
}

// DialHook implements redis.Hook.
func (s *stage) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements redis.Hook.
func (s *stage) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error { return s.play(ctx, cmd) }
}

// ProcessPipelineHook implements redis.Hook.
func (s *stage) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error { return s.play(ctx, cmds...) }
}

func (s *stage) play(ctx context.Context, commands ...redis.Cmder) error {
	var rooms []string
	for _, c := range commands {
		if _, rest, ok := strings.Cut(fmt.Sprint(c.Args()...), "{"); ok && rest[0] != '~' {
			room, _, _ := strings.Cut(rest, "}")
			rooms = append(rooms, room)
		}
	}
	s.mu.Lock()
	hold, wrong := s.hold, s.wrong
	if len(rooms) > 0 {
		s.trips = append(s.trips, strings.Join(rooms, " "))
	}
	s.mu.Unlock()
	var err error
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	for i, c := range commands {
		switch cmd, ok := c.(*redis.Cmd); {
		case err != nil:
			c.SetErr(err)
		case wrong != "" && len(rooms) > i && rooms[i] == wrong:
			c.SetErr(wrongError("ERR wrong"))
		case ok:
			cmd.SetVal("c 1 0123456789abcdef 1")
		}
	}
	return commands[0].Err()
}

// holding has round trips wait from now on, until the result is called.
func (s *stage) holding() (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	hold := make(chan struct{})
	s.hold = hold
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.hold = nil
		close(hold)
	}
}

func (s *stage) wantTrips(t *testing.T, want ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.trips, want) {
		t.Errorf("round trips for %q, want %q", s.trips, want)
	}
}

// append appends in the background, and returns when that waits for something, or is done.
func (s *stage) append(ctx context.Context, room string) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := s.log.Append(ctx, room, flow.Batch{Operations: []flow.Operation{op("s", 1)}})
		done <- err
	}()
	synctest.Wait()
	return done
}

// pass lets time pass, and all that comes with it happen.
func pass(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // the clock is synctest's, which moves only so
	synctest.Wait()
}

func wantDone(t *testing.T, what string, done <-chan error, want flow.Code) {
	t.Helper()
	select {
	case err := <-done:
		if got := flow.ErrorCode(err); got != want {
			t.Errorf("%s: %v, want code %q", what, err, want)
		}
	default:
		t.Errorf("%s is not done", what)
	}
}

// A call that finds the way free goes at once and alone; those that come meanwhile go together, in their order.
func TestPipe_Together(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		wantDone(t, "a lone call", s.append(t.Context(), "first"), "")
		release := s.holding()
		a, other := s.append(t.Context(), "a"), s.append(t.Context(), "other")
		b, c := s.append(t.Context(), "b"), s.append(t.Context(), "c")
		s.wantTrips(t, "first", "a", "other")
		release()
		synctest.Wait()
		s.wantTrips(t, "first", "a", "other", "b c")
		for _, done := range []<-chan error{a, other, b, c} {
			wantDone(t, "a call", done, "")
		}
		wantDone(t, "a lone call", s.append(t.Context(), "last"), "")
	})
}

// A slow Redis is no outage: nobody waits for the round trips of others for longer than a moment (I8).
func TestPipe_Slow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		release := s.holding()
		busy, a := s.append(t.Context(), "busy"), s.append(t.Context(), "a")
		b := s.append(t.Context(), "b")
		pass(2 * time.Millisecond)
		c := s.append(t.Context(), "c")
		d := s.append(t.Context(), "d")
		pass(2 * time.Millisecond)
		s.wantTrips(t, "busy", "a", "b", "c d")
		release()
		synctest.Wait()
		for _, done := range []<-chan error{busy, a, b, c, d} {
			wantDone(t, "a call", done, "")
		}
		if h := s.log.Health(""); h.State != flow.Live {
			t.Errorf("the log is %s, %s", h.State, h.Reason)
		}
	})
}

// Many who wait go in as many round trips as they need.
func TestPipe_Many(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		release := s.holding()
		all := []<-chan error{s.append(t.Context(), "a"), s.append(t.Context(), "b")}
		for i := range 300 {
			all = append(all, s.append(t.Context(), fmt.Sprint(i)))
		}
		release()
		synctest.Wait()
		for _, done := range all {
			wantDone(t, "a call", done, "")
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.trips) != 5 {
			t.Errorf("%d round trips, want 2 and 3 of at most 128 calls", len(s.trips))
		}
	})
}

// What Redis says of one call is that call's, wherever it stands.
func TestPipe_Wrong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.mu.Lock()
		s.wrong = "wrong"
		s.mu.Unlock()
		release := s.holding()
		busy := s.append(t.Context(), "busy")
		a, b := s.append(t.Context(), "a"), s.append(t.Context(), "b")
		wrong, c := s.append(t.Context(), "wrong"), s.append(t.Context(), "c")
		release()
		synctest.Wait()
		s.wantTrips(t, "busy", "a", "b wrong c")
		for _, done := range []<-chan error{busy, a, b, c} {
			wantDone(t, "a call beside a wrong one", done, "")
		}
		wantDone(t, "the wrong one", wrong, flow.CodeInternal)
	})
}

// Away, everybody is told within the timeout and the moment that he may wait, and who comes then at once (I8).
func TestPipe_Away(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		release := s.holding()
		defer release()
		s.append(t.Context(), "busy")
		a, b := s.append(t.Context(), "a"), s.append(t.Context(), "b")
		pass(499*time.Millisecond + 500*time.Microsecond)
		late := s.append(t.Context(), "late") // still waits when that is known, or just not yet
		pass(time.Millisecond)
		wantDone(t, "the first", a, flow.CodeUnavailable)
		pass(time.Millisecond)
		wantDone(t, "the second", b, flow.CodeUnavailable)
		wantDone(t, "who comes now", s.append(t.Context(), "now"), flow.CodeUnavailable)
		pass(500 * time.Millisecond)
		wantDone(t, "who came late", late, flow.CodeUnavailable)
	})
}

// Who does not wait any more leaves at once, and proves nothing about Redis.
func TestPipe_GiveUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		release := s.holding()
		a := s.append(t.Context(), "a")
		s.append(t.Context(), "busy")
		ctx, cancel := context.WithCancel(t.Context())
		b := s.append(ctx, "b")
		cancel()
		synctest.Wait()
		wantDone(t, "who gave up", b, flow.CodeUnavailable)
		release()
		synctest.Wait()
		wantDone(t, "the other", a, "")
		if h := s.log.Health(""); h.State != flow.Live {
			t.Errorf("the log is %s, %s", h.State, h.Reason)
		}
	})
}

// Close leaves nobody waiting.
func TestPipe_Close(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		release := s.holding()
		s.append(t.Context(), "busy")
		a, b := s.append(t.Context(), "a"), s.append(t.Context(), "b")
		pass(2 * time.Millisecond)
		c := s.append(t.Context(), "c")
		if err := s.conn.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		synctest.Wait()
		wantDone(t, "who was under way with others", b, flow.CodeUnavailable)
		release()
		synctest.Wait()
		wantDone(t, "who was under way alone", a, "")
		wantDone(t, "who waited", c, flow.CodeUnavailable)
		wantDone(t, "who comes now", s.append(t.Context(), "now"), flow.CodeUnavailable)
	})
}
