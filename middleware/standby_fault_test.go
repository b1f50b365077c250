package middleware

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/memx"
)

// shaky is a primary that may fail: after so many appends each is written, and its answer is lost.
type shaky struct {
	flow.Log
	mu    sync.Mutex
	quiet int
}

func (s *shaky) Append(ctx context.Context, room string, b flow.Batch) ([]flow.Appended, error) {
	answers, err := s.Log.Append(ctx, room, b)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.quiet--
	if s.quiet == 0 {
		return nil, flow.Unavailable(errors.New("connection reset"))
	}
	return answers, err
}

func TestStandby_PromoteFails(t *testing.T) {
	for after := range 4 {
		// A primary that goes away in the middle of a copy costs nothing: the room goes on in memory,
		// and the next try takes up where it was, also when the last answer was lost (I1).
		t.Run(fmt.Sprintf("after %d appends", after+1), func(t *testing.T) {
			primary := &shaky{Log: memx.NewLog(memx.LogConfig{}), quiet: after + 1}
			f := newFixtureOver(t, primary, memx.LogConfig{})
			for n := range uint64(4 * chunk) {
				put(t, f, "room", "a", n+1)
			}
			if err := f.promote(t.Context()); flow.ErrorCode(err) != flow.CodeUnavailable {
				t.Fatalf("promote: %v, want %s", err, flow.CodeUnavailable)
			}
			put(t, f, "room", "a", 4*chunk+1)
			if got := head(t, primary).Seq; got > 4*chunk {
				t.Errorf("the primary has %d operations before the room moved", got)
			}
			promote(t, f)
			wantSame(t, contents(t, primary, "room"), contents(t, f.memory, "room"))
			if f.Health().State != flow.Live {
				t.Errorf("Health = %+v, want live", f.Health())
			}
		})
	}
}

// crowded is a primary where somebody else writes first, once.
type crowded struct {
	flow.Log
	once sync.Once
}

func (c *crowded) Append(ctx context.Context, room string, b flow.Batch) ([]flow.Appended, error) {
	var err error
	c.once.Do(func() {
		_, err = c.Log.Append(ctx, room, flow.Batch{Operations: []flow.Operation{operation("other", 1)}})
	})
	if err != nil {
		return nil, err
	}
	return c.Log.Append(ctx, room, b)
}

// A primary that somebody else writes to between the look and the copy is looked at again: nothing is
// written over it (I1).
func TestStandby_PromoteRaced(t *testing.T) {
	primary := &crowded{Log: memx.NewLog(memx.LogConfig{})}
	f := newFixtureOver(t, primary, memx.LogConfig{})
	put(t, f, "room", "a", 1)
	if err := f.promote(t.Context()); !errors.Is(err, flow.ErrMoved) {
		t.Errorf("promote: %v, want %v", err, flow.ErrMoved)
	}
	promote(t, f)
	if got := contents(t, primary.Log, "room"); len(got) != 1 || got[0].Session != "other" {
		t.Errorf("the primary has %+v, want the other's operation alone", got)
	}
	if got := contents(t, f, "room"); len(got) != 1 || got[0].Session != "a" {
		t.Errorf("the room has %+v, want its own operation", got)
	}
}

// gated is a log whose appends wait at a gate.
type gated struct {
	flow.Log
	entered chan struct{}
	gate    chan struct{}
}

func (g *gated) Append(ctx context.Context, room string, b flow.Batch) ([]flow.Appended, error) {
	g.entered <- struct{}{}
	<-g.gate
	return g.Log.Append(ctx, room, b)
}

func gate() *gated {
	return &gated{memx.NewLog(memx.LogConfig{}), make(chan struct{}, 100), make(chan struct{})}
}

// While most of a room is copied, the room is in use as before (I8).
func TestStandby_PromoteLeavesRoomInUse(t *testing.T) {
	primary := gate()
	f := newFixtureOver(t, primary, memx.LogConfig{})
	put(t, f, "room", "a", 1)
	outcome := make(chan error)
	go func() { outcome <- f.promote(t.Context()) }() // ends with the move
	<-primary.entered
	put(t, f, "room", "a", 2)
	if got := len(contents(t, f, "room")); got != 2 {
		t.Errorf("the room has %d operations, want 2", got)
	}
	close(primary.gate)
	if err := <-outcome; err != nil {
		t.Errorf("promote: %v", err)
	}
	if got := len(contents(t, primary, "room")); got != 2 {
		t.Errorf("the primary has %d operations, want 2", got)
	}
}

// A move waits for writers, and new ones wait for the move; neither waits for longer than its context,
// and a move that gave up leaves the room as it was.
func TestStandby_PromoteWaits(t *testing.T) {
	memory := gate()
	s := newStandby(memx.NewLog(memx.LogConfig{}), memory, slog.New(slog.DiscardHandler))
	var writers sync.WaitGroup
	write := func(session string) {
		b := flow.Batch{Operations: []flow.Operation{operation(session, 1)}}
		if _, err := s.Append(t.Context(), "room", b); err != nil {
			t.Errorf("Append: %v", err)
		}
	}
	writers.Go(func() { write("a") })
	<-memory.entered

	moving, giveUp := context.WithCancel(t.Context())
	outcome := make(chan error)
	go func() { outcome <- s.promote(moving) }() // ends with the move
	s.awaitMove(t, "room")
	late, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Append(late, "room", flow.Batch{}); flow.ErrorCode(err) != flow.CodeUnavailable {
		t.Errorf("Append during the move: %v, want %s", err, flow.CodeUnavailable)
	}
	giveUp()
	if err := <-outcome; flow.ErrorCode(err) != flow.CodeUnavailable {
		t.Errorf("promote: %v, want %s", err, flow.CodeUnavailable)
	}

	writers.Go(func() { write("b") })
	<-memory.entered
	go func() { outcome <- s.promote(t.Context()) }() // ends with the move
	s.awaitMove(t, "room")
	writers.Go(func() { write("c") })
	close(memory.gate)
	if err := <-outcome; err != nil {
		t.Errorf("promote: %v", err)
	}
	writers.Wait()
	if got := len(contents(t, s.primary, "room")); got != 3 {
		t.Errorf("the primary has %d operations, want 3", got)
	}
}

// awaitMove returns when the room's writers have to wait.
func (s *standby) awaitMove(t testing.TB, room string) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for {
		s.mu.Lock()
		moving := s.rooms[room] != nil && s.rooms[room].moving != nil
		s.mu.Unlock()
		if moving {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("the room never moved")
		}
	}
}

// Whenever the primary appears between random calls, what was confirmed is there, once and in order,
// and every answer is that of a log which never moved (I1, I3).
func TestStandby_PromoteAnywhere(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f, plain := newFixture(t), memx.NewLog(memx.LogConfig{})
		steps := rapid.IntRange(1, 80).Draw(rt, "steps")
		turn := rapid.IntRange(0, steps).Draw(rt, "promoted at")
		next := map[string]uint64{}
		for step := range steps {
			if step == turn {
				promote(t, f)
			}
			b := flow.Batch{}
			session := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "session")
			if rapid.IntRange(0, 3).Draw(rt, "keyed in four") == 0 {
				session = fmt.Sprint("post", rapid.IntRange(0, step).Draw(rt, "post"))
				b.Key = session
			}
			first := next[session] + rapid.SampledFrom([]uint64{1, 1, 1, 0, 2}).Draw(rt, "n")
			if b.Key != "" {
				first = 1 // a key names one batch, whatever becomes of it
			}
			for i := range rapid.Uint64Range(1, 40).Draw(rt, "size") {
				if b.Key != "" && i >= uint64(len(session)) {
					break
				}
				b.Operations = append(b.Operations, operation(session, first+i))
			}
			got, err := f.Append(t.Context(), "room", b)
			want, wantErr := plain.Append(t.Context(), "room", b)
			if fmt.Sprint(got, flow.ErrorCode(err)) != fmt.Sprint(want, flow.ErrorCode(wantErr)) {
				rt.Fatalf("step %d: Append(%+v) = %+v, %v, want %+v, %v", step, b, got, err, want, wantErr)
			}
			for i, a := range got {
				next[b.Operations[i].Session] = a.Last
			}
		}
		promote(t, f)
		wantSame(t, contents(t, f.primary, "room"), contents(t, plain, "room"))
	})
}
