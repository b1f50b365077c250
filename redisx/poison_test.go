package redisx_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/redistest"
	"github.com/fiberflow/flow/redisx"
)

// poisons are what keys of a room are replaced by.
func poisons() map[string]func(ctx context.Context, p redis.Pipeliner, key string) {
	return map[string]func(ctx context.Context, p redis.Pipeliner, key string){
		"string": func(ctx context.Context, p redis.Pipeliner, key string) { p.Set(ctx, key, "evil", 0) },
		"list":   func(ctx context.Context, p redis.Pipeliner, key string) { p.RPush(ctx, key, "evil") },
		"set":    func(ctx context.Context, p redis.Pipeliner, key string) { p.SAdd(ctx, key, "evil") },
		"zset": func(ctx context.Context, p redis.Pipeliner, key string) {
			p.ZAdd(ctx, key, redis.Z{Score: 1e300, Member: "evil \xff\n"})
		},
		"hash": func(ctx context.Context, p redis.Pipeliner, key string) {
			p.HSet(ctx, key, "seq", "evil", "hash", "x", "base", "nan", "basehash", "", "max", "-1",
				"restored", "inf", "s:a", "x y", "l:work", "inf me", "swept", "x", "digest", "evil", "g:group", "evil")
		},
		"numbers": func(ctx context.Context, p redis.Pipeliner, key string) {
			p.HSet(ctx, key, "seq", "1e300", "hash", "x", "base", "-1e300", "basehash", "y", "max", "1e308")
		},
		"nan": func(ctx context.Context, p redis.Pipeliner, key string) {
			p.HSet(ctx, key, "seq", "nan", "hash", "x", "base", "nan", "basehash", "y", "max", "nan")
		},
		"stream": func(ctx context.Context, p redis.Pipeliner, key string) {
			huge := []string{"evil", strings.Repeat("x", 1<<16)}
			p.XAdd(ctx, &redis.XAddArgs{Stream: key, ID: "1-5", Values: huge})
			p.XAdd(ctx, &redis.XAddArgs{Stream: key, ID: "9007199254740993-0", Values: []string{
				"session", "a", "n", "evil", "user", "\xff", "time", "nan", "hash", "evil", "data", "{"}})
		},
	}
}

// useRoom does once everything that there is to do with a room, and returns what went wrong.
func useRoom(t *testing.T, i *instance, room string) (failed []error) {
	t.Helper()
	ctx := t.Context()
	note := func(err error) {
		if err != nil {
			failed = append(failed, err)
		}
	}
	page, err := i.log.Read(ctx, room, flow.Query{Unchecked: true, Limit: 10, Sessions: []string{"a"}, Renew: true})
	note(err)
	next := op("a", page.Last["a"]+1)
	_, err = i.log.Append(ctx, room, flow.Batch{Fence: page.Head, Operations: []flow.Operation{next}})
	note(err)
	keyed := flow.Operation{Session: "b", N: 1, Data: []byte("{}")}
	_, err = i.log.Append(ctx, room, flow.Batch{Key: "key", Operations: []flow.Operation{keyed}})
	note(err)
	page, err = i.log.Read(ctx, room, flow.Query{Unchecked: true, Limit: 10})
	note(err)
	note(i.log.SaveSnapshot(ctx, room, flow.Snapshot{Position: page.Head, Data: []byte("{}")}))
	_, err = i.log.Snapshot(ctx, room)
	note(err)
	_, err = i.log.Acquire(ctx, room, flow.Position{}, flow.Lease{Name: "work", Owner: "i", TTL: 1e9}, false)
	note(err)
	_, err = i.log.Leases(ctx, room)
	note(err)
	_, err = i.log.Cursor(ctx, "group", room)
	note(err)
	note(i.log.Advance(ctx, "group", room, page.Head, "work", "i"))
	note(i.log.Release(ctx, room, "work", "i"))
	s := session("s-"+room, room, "user-")
	if room == "healthy" {
		s.User.ID = "other"
	}
	note(i.sessions.Put(ctx, s))
	_, err = i.sessions.Get(ctx, s.ID)
	note(err)
	_, err = i.sessions.Touch(ctx, "i", []string{s.ID})
	note(err)
	_, err = i.sessions.List(ctx, flow.SessionQuery{Room: room, Limit: 10})
	note(err)
	_, err = i.sessions.List(ctx, flow.SessionQuery{User: s.User.ID, Limit: 10})
	note(err)
	note(i.sessions.Delete(ctx, s.ID))
	return failed
}

// wantLive checks that nothing counts as away, and that nobody was told so.
func wantLive(t *testing.T, i *instance, when string) {
	t.Helper()
	for name, h := range i.health() {
		if h.State != flow.Live {
			t.Errorf("%s: %s is %+v", when, name, h)
		}
	}
	if n := i.lines.count("redis is away"); n > 0 {
		t.Errorf("%s: %d lines that Redis is away", when, n)
	}
}

// Any key of a room, replaced by anything, fails that room alone, with errors that do not count as an outage;
// and to delete the room heals it (I6).
func TestPoison_Room(t *testing.T) {
	t.Parallel()
	names := []string{
		"{%s}:head", "{%s}:ops", "{%s}:snap", "{%s}:snap~", "{%s}:leases", "{%s}:key:a2V5", "{%s}:epoch", "{%s}:ops~",
		"sessions:room:%s", "sessions:user:dXNlci0", "session:s-%s", "instance:i",
	}
	prefix := redistest.Prefix(t)
	client := shared.Server(t).Client(t)
	i := newInstance(t, redisx.Config{Addrs: []string{shared.Server(t).Addr()}, Prefix: prefix})
	for kind, poison := range poisons() {
		for n, name := range names {
			room := fmt.Sprintf("%s-%d", kind, n)
			when := kind + " in " + name
			if failed := useRoom(t, i, room); len(failed) > 0 {
				t.Fatalf("%s, before: %v", when, failed)
			}
			if strings.Contains(name, "%s") {
				name = fmt.Sprintf(name, room)
			}
			_, err := client.Pipelined(t.Context(), func(p redis.Pipeliner) error {
				p.Del(t.Context(), prefix+":"+name)
				poison(t.Context(), p, prefix+":"+name)
				return nil
			})
			if err != nil {
				t.Fatalf("%s: %v", when, err)
			}
			for _, err := range useRoom(t, i, room) {
				if flow.ErrorCode(err) == flow.CodeUnavailable {
					t.Errorf("%s: %v, want no outage", when, err)
				}
			}
			if failed := useRoom(t, i, "healthy"); len(failed) > 0 {
				t.Errorf("%s: another room fails: %v", when, failed)
			}
			if err := i.log.Delete(t.Context(), room); err != nil {
				t.Errorf("%s: Delete: %v", when, err)
			}
			client.Del(t.Context(), prefix+":{"+room+"}:gone") // its time is over
			if failed := useRoom(t, i, room); len(failed) > 0 {
				t.Errorf("%s, after Delete: %v", when, failed)
			}
		}
	}
	wantLive(t, i, "in the end")
}

// A subscriber that panics over a message is told of the next one, and so are the others.
func TestPoison_Subscriber(t *testing.T) {
	t.Parallel()
	i := newInstance(t, redisx.Config{Addrs: []string{shared.Server(t).Addr()}, Prefix: redistest.Prefix(t)})
	told, well := make(chan string, 10), make(chan string, 10)
	t.Cleanup(i.bus.Subscribe("bad", func(d flow.Delivery) {
		told <- string(d.Payload)
		panic("cannot bear it")
	}))
	t.Cleanup(i.bus.Subscribe("bad", func(d flow.Delivery) { well <- string(d.Payload) }))
	for _, want := range []string{"", "one", "two"} {
		if want != "" {
			if err := i.bus.Publish(t.Context(), "bad", []byte(want)); err != nil {
				t.Fatalf("Publish: %v", err)
			}
		}
		if got, also := <-told, <-well; got != want || also != want {
			t.Errorf("told %q and %q, want %q", got, also, want)
		}
	}
	if n := i.lines.count("level=ERROR", "cannot bear it", "stack="); n != 3 {
		t.Errorf("%d lines about it, want 3", n)
	}
}

// Something else in the place of all rooms' marks gives way, told once, and rooms are marked again.
func TestPoison_Marks(t *testing.T) {
	t.Parallel()
	prefix := redistest.Prefix(t)
	client := shared.Server(t).Client(t)
	i := newInstance(t, redisx.Config{Addrs: []string{shared.Server(t).Addr()}, Prefix: prefix})
	for _, name := range []string{"names", "times"} {
		key := prefix + ":{~marks}:" + name
		client.Del(t.Context(), key)
		client.RPush(t.Context(), key, "evil")
		if err := i.log.Mark(t.Context(), "i", "room"); err != nil {
			t.Errorf("%s: Mark: %v", name, err)
		}
		marks, err := i.log.Marked(t.Context(), flow.Mark{}, 10)
		if err != nil || len(marks) != 1 || marks[0].Room != "room" {
			t.Errorf("%s: Marked = %+v, %v", name, marks, err)
		}
	}
	for _, member := range []string{"evil", "", "zz"} {
		client.ZAdd(t.Context(), prefix+":{~marks}:names", redis.Z{Member: member})
	}
	for range 2 {
		marks, err := i.log.Marked(t.Context(), flow.Mark{}, 2)
		if err != nil || len(marks) != 1 || marks[0].Room != "room" {
			t.Errorf("beside members that are no marks: Marked = %+v, %v", marks, err)
		}
	}
	if n := i.lines.count("dropped marks"); n != 2 {
		t.Errorf("%d lines about it, want 2", n)
	}
	wantLive(t, i, "in the end")
}
