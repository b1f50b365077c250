package redisx_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/redistest"
	"github.com/fiberflow/flow/redisx"
)

// heard keeps what a follower is told.
type heard struct {
	mu         sync.Mutex
	operations []flow.Operation
	standing   bool
}

func (h *heard) take(f flow.Feed) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.standing = h.standing || f.Gap
	h.operations = append(h.operations, f.Operations...)
}

func (h *heard) stands() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.standing
}

func (h *heard) all() []flow.Operation {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.operations)
}

// Whoever follows on the instance that appends hears the same, and once, as those on another: of batches of
// which a part is refused, of batches with a key, and of those that another instance writes between (I2).
func TestEcho_Same(t *testing.T) {
	t.Parallel()
	prefix := redistest.Prefix(t)
	here := redisx.NewLog(open(t, redisx.Config{Prefix: prefix}))
	there := redisx.NewLog(open(t, redisx.Config{Prefix: prefix}))
	var near, second, far heard
	for h, l := range map[*heard]*redisx.Log{&near: here, &second: here, &far: there} {
		t.Cleanup(l.Follow("room", h.take))
		eventually(t, "the feed stands", h.stands)
	}
	var at flow.Position
	write := func(l *redisx.Log, key string, operations ...flow.Operation) {
		answers, err := l.Append(t.Context(), "room", flow.Batch{Fence: at, Key: key, Operations: operations})
		if err != nil {
			t.Fatalf("Append: %v", err)
		}
		for _, a := range answers {
			if a.Status == flow.Confirmed && a.Seq > at.Seq {
				at = flow.Position{Seq: a.Seq, Hash: a.Hash}
			}
		}
	}
	for n := uint64(1); n <= 60; n += 3 {
		write(here, "", op("a", n), op("a", n+1), op("gap", 7), op("b", n))
		write(there, "", op("c", n), op("c", n+1))
		write(here, "", op("a", n+1), op("a", n+2))
		write(here, fmt.Sprint("key-", n), op("b", n+1))
		write(here, fmt.Sprint("key-", n), op("b", n+1))
		write(there, "", op("b", n+2))
		write(there, "", op("c", n+2))
	}
	page, err := here.Read(t.Context(), "room", flow.Query{Limit: 200})
	if err != nil || page.Head != at || len(page.Operations) != 180 {
		t.Fatalf("the log ends at %v with %d operations, %v, want %v", page.Head, len(page.Operations), err, at)
	}
	for name, h := range map[string]*heard{"the writer's": &near, "its second": &second, "the other's": &far} {
		eventually(t, name+" follower has heard all", func() bool { return len(h.all()) >= len(page.Operations) })
		for i, o := range h.all() {
			if fmt.Sprint(o) != fmt.Sprint(page.Operations[i]) {
				t.Fatalf("%s follower heard %v, the log has %v", name, o, page.Operations[i])
			}
		}
	}
}

// What a room hears after its log was lost and written anew by others is what they wrote, though it begins as
// what was appended here.
func TestEcho_Lost(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	here := redisx.NewLog(open(t, redisx.Config{Addrs: []string{server.Addr()}, Prefix: "p"}))
	there := redisx.NewLog(open(t, redisx.Config{Addrs: []string{server.Addr()}, Prefix: "p"}))
	var near heard
	t.Cleanup(here.Follow("room", near.take))
	eventually(t, "the feed stands", near.stands)
	for i, l := range []*redisx.Log{here, there} {
		last := [...]string{"ours", "theirs"}[i]
		if err := server.Client(t).FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		before := len(near.all())
		batch := flow.Batch{Operations: []flow.Operation{op("a", 1), op(last, 1)}}
		if _, err := l.Append(t.Context(), "room", batch); err != nil {
			t.Fatalf("Append: %v", err)
		}
		eventually(t, "two more are heard", func() bool { return len(near.all()) == before+2 })
		if got := near.all()[before+1].Session; got != last {
			t.Errorf("heard an operation of %q, want %q", got, last)
		}
	}
}
