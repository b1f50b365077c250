package redisx_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/redistest"
	"github.com/fiberflow/flow/redisx"
)

// appendTo appends at a fence, and returns the position after what was confirmed.
func appendTo(t *testing.T, l flow.Log, b flow.Batch) (flow.Position, []flow.Appended) {
	t.Helper()
	answers, err := l.Append(t.Context(), "room", b)
	if err != nil {
		t.Fatalf("Append of %v: %v", b.Operations, err)
	}
	at := b.Fence
	for _, a := range answers {
		if a.Status == flow.Confirmed {
			at = flow.Position{Seq: a.Seq, Hash: a.Hash}
		}
	}
	return at, answers
}

// kept is what Redis has of a log, and what it published.
func kept(t *testing.T, client *redis.Client, prefix string) (head map[string]string, entries []redis.XMessage) {
	t.Helper()
	head, err := client.HGetAll(t.Context(), prefix+":{room}:head").Result()
	if err != nil {
		t.Fatalf("HGetAll: %v", err)
	}
	entries, err = client.XRange(t.Context(), prefix+":{room}:ops", "-", "+").Result()
	if err != nil {
		t.Fatalf("XRange: %v", err)
	}
	return head, entries
}

// Both ways of an append leave the same in Redis, byte for byte, publish the same, and have the same answers;
// and the short one is gone where it can be (I1, I2).
func TestReady_Same(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client := server.Client(t)
	ways := []string{"short", "long"}
	var logs [2]*redisx.Log
	var heads [2]flow.Position
	var feeds [2]<-chan *redis.Message
	for i, prefix := range ways {
		logs[i] = redisx.NewLog(open(t, redisx.Config{Addrs: []string{server.Addr()}, Prefix: prefix}))
		ps := client.Subscribe(t.Context(), prefix+":{room}:feed")
		t.Cleanup(func() { _ = ps.Close() })
		if _, err := ps.Receive(t.Context()); err != nil {
			t.Fatalf("Subscribe: %v", err)
		}
		feeds[i] = ps.Channel()
		longest := flow.Operation{Session: "longest", N: 1, Data: make([]byte, 100)}
		heads[i], _ = appendTo(t, logs[i], flow.Batch{Operations: []flow.Operation{op("a", 1), longest}})
		<-feeds[i]
	}
	batches := [][]flow.Operation{
		{op("a", 2)}, {op("a", 3), op("b", 1), op("a", 4), op("b", 2)}, {op("c \n\x00", 1)}, {op("", 1)},
		{op("b", 3), {Session: "d", N: 1, Time: -1}},
	}
	renewed := calls(t, client)["pexpireat"]
	for _, operations := range batches {
		var answers [2][]flow.Appended
		var told [2]string
		for i := range ways {
			// With Jump nothing is offered; what follows is appended either way.
			batch := flow.Batch{Fence: heads[i], Jump: i == 1, Operations: operations}
			heads[i], answers[i] = appendTo(t, logs[i], batch)
			told[i] = (<-feeds[i]).Payload
		}
		if !slices.Equal(answers[0], answers[1]) || told[0] != told[1] {
			t.Errorf("%v:\n%v %q\n%v %q", operations, answers[0], told[0], answers[1], told[1])
		}
	}
	if n := calls(t, client)["pexpireat"] - renewed; n != 3*len(batches) {
		t.Errorf("renewed %d keys, want those of the long way alone", n)
	}
	headA, entriesA := kept(t, client, ways[0])
	headB, entriesB := kept(t, client, ways[1])
	if fmt.Sprint(headA) != fmt.Sprint(headB) || fmt.Sprint(entriesA) != fmt.Sprint(entriesB) {
		t.Errorf("in Redis are\n%v %v\n%v %v", headA, entriesA, headB, entriesB)
	}
}

// Whatever is not as the instance expects, in the batch or in Redis, ends as the long way has it: nothing is
// taken twice, or past a gap, and what was damaged is mended (I1, I3).
func TestReady_Unexpected(t *testing.T) {
	t.Parallel()
	type set = func(ctx context.Context, c *redis.Client, key string)
	none := func(context.Context, *redis.Client, string) {}
	field := func(name, value string) set {
		return func(ctx context.Context, c *redis.Client, key string) { c.HSet(ctx, key+"head", name, value) }
	}
	cases := map[string]struct {
		poison set
		last   flow.Operation
		want   []flow.AppendStatus // of b 2, last
	}{
		"duplicate": {none, op("a", 3), []flow.AppendStatus{flow.Confirmed, flow.Duplicate}},
		"gap":       {none, op("a", 5), []flow.AppendStatus{flow.Confirmed, flow.Gap}},
		"twice":     {none, op("b", 2), []flow.AppendStatus{flow.Confirmed, flow.Duplicate}},
		"long":      {none, flow.Operation{Session: "a", N: 4, Data: make([]byte, 5000)}, nil},
		"too long":  {none, flow.Operation{Session: "a", N: 4, Data: make([]byte, 500_000)}, nil},
		"restored":  {field("restored", "1"), op("a", 4), nil},
		"no longest": {func(ctx context.Context, c *redis.Client, key string) {
			c.HDel(ctx, key+"head", "max")
		}, op("a", 4), nil},
		"evil":      {field("max", "evil"), op("a", 4), nil},
		"evil base": {field("base", "nan"), op("a", 4), nil},
		"further": {func(ctx context.Context, c *redis.Client, key string) {
			c.XAdd(ctx, &redis.XAddArgs{Stream: key + "ops", ID: "9-0", Values: []any{"x", "y"}})
			c.XDel(ctx, key+"ops", "9-0")
		}, op("a", 4), nil},
		"an entry more": {func(ctx context.Context, c *redis.Client, key string) {
			c.XAdd(ctx, &redis.XAddArgs{Stream: key + "ops", ID: "9-0", Values: []any{"x", "y"}})
		}, op("a", 4), nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, prefix := shared.Server(t).Client(t), redistest.Prefix(t)
			l := redisx.NewLog(open(t, redisx.Config{Prefix: prefix}))
			at, _ := appendTo(t, l, flow.Batch{Operations: []flow.Operation{op("a", 1), op("a", 2), op("b", 1)}})
			at, _ = appendTo(t, l, flow.Batch{Fence: at, Operations: []flow.Operation{op("a", 3)}})
			c.poison(t.Context(), client, prefix+":{room}:")
			at, answers := appendTo(t, l, flow.Batch{Fence: at, Operations: []flow.Operation{op("b", 2), c.last}})
			want := c.want
			if want == nil {
				want = []flow.AppendStatus{flow.Confirmed, flow.Confirmed}
			}
			if got := []flow.AppendStatus{answers[0].Status, answers[1].Status}; !slices.Equal(got, want) {
				t.Errorf("answers %+v, want %v", answers, want)
			}
			page, err := l.Read(t.Context(), "room", flow.Query{Limit: 10})
			if err != nil || page.Head != at || page.Head.Seq != uint64(len(page.Operations)) {
				t.Errorf("the log ends at %v with %d operations, %v, want %v", page.Head, len(page.Operations), err, at)
			}
			longest := 0
			for _, o := range page.Operations {
				longest = max(longest, len(o.Data))
			}
			if head, _ := kept(t, client, prefix); head["max"] != fmt.Sprint(longest) {
				t.Errorf("the longest has %s bytes, want %d", head["max"], longest)
			}
		})
	}
}

// A log without operations gets one that ends with it, and one that lost some is mended before anything is
// added (I1, I7).
func TestReady_Missing(t *testing.T) {
	t.Parallel()
	client, prefix := shared.Server(t).Client(t), redistest.Prefix(t)
	l, key := redisx.NewLog(open(t, redisx.Config{Prefix: prefix, Settle: -1})), prefix+":{room}:"
	at, _ := appendTo(t, l, flow.Batch{Operations: []flow.Operation{op("a", 1), op("a", 2), op("a", 3)}})
	client.Del(t.Context(), key+"ops")
	client.HSet(t.Context(), key+"head", "base", at.Seq, "basehash", at.Hash.String())
	at, _ = appendTo(t, l, flow.Batch{Fence: at, Operations: []flow.Operation{op("a", 4)}})
	wantOneTTL(t, client, key)

	at, _ = appendTo(t, l, flow.Batch{Fence: at, Operations: []flow.Operation{op("a", 5), op("a", 6)}})
	client.XDel(t.Context(), key+"ops", "5-0")
	at, _ = appendTo(t, l, flow.Batch{Fence: at, Operations: []flow.Operation{op("a", 7)}})
	left := client.XLen(t.Context(), key+"ops").Val()
	page, err := l.Read(t.Context(), "room", flow.Query{Unchecked: true})
	if page.Head != at || page.Base.Seq != 6 || left != 1 {
		t.Errorf("from %v to %v with %d operations, %v, want from 6 to %v", page.Base, page.Head, left, err, at)
	}
}

// The append that comes to the turn of a sweep forgets sessions that have been quiet for long.
func TestReady_Sweep(t *testing.T) {
	t.Parallel()
	client, prefix := shared.Server(t).Client(t), redistest.Prefix(t)
	l := redisx.NewLog(open(t, redisx.Config{Prefix: prefix}))
	var batch flow.Batch
	for i := range flow.SweepEvery - 2 {
		batch.Operations = append(batch.Operations, op(fmt.Sprint("old-", i), 1))
	}
	at, _ := appendTo(t, l, batch)
	late := op("late", 1)
	late.Time += flow.SweepHorizon(0).Milliseconds() + 1
	at, _ = appendTo(t, l, flow.Batch{Fence: at, Operations: []flow.Operation{late}})
	before, _ := kept(t, client, prefix)
	late.N++
	appendTo(t, l, flow.Batch{Fence: at, Operations: []flow.Operation{late}})
	after, _ := kept(t, client, prefix)
	if len(before) < flow.SweepEvery || len(after) > 10 {
		t.Errorf("the head had %d fields and has %d, want few", len(before), len(after))
	}
}

// Instances that write at the same time, each behind the position that it knows, make one log of all that they
// were told is in it, and every follower hears it (I1, I2, I3).
func TestReady_Race(t *testing.T) {
	t.Parallel()
	const writers, operations = 4, 100
	prefix := redistest.Prefix(t)
	var running sync.WaitGroup
	var readers []*reader
	var first *redisx.Log
	for w := range writers {
		l := redisx.NewLog(open(t, redisx.Config{Prefix: prefix}))
		if first = l; w == 0 {
			confirm(t, l, "room", "first", 1)
		}
		r := follow(t, l, "room")
		readers = append(readers, r)
		eventually(t, "the feed stands", func() bool { return r.gapsTold() > 0 })
		running.Go(func() {
			session, at := fmt.Sprint("session-", w), flow.Position{}
			for n := uint64(1); n <= operations; n++ {
				batch := flow.Batch{Fence: at, Operations: []flow.Operation{op(session, n)}}
				answers, err := l.Append(t.Context(), "room", batch)
				if err != nil || answers[0].Status != flow.Confirmed {
					t.Errorf("Append of %s %d: %+v, %v", session, n, answers, err)
					return
				}
				at = flow.Position{Seq: answers[0].Seq, Hash: answers[0].Hash}
			}
		})
	}
	running.Wait()
	var at flow.Position
	for at.Seq < writers*operations+1 {
		page, err := first.Read(t.Context(), "room", flow.Query{After: at, Limit: 200})
		if err != nil || len(page.Operations) == 0 {
			t.Fatalf("Read after %v: %d operations, %v", at, len(page.Operations), err)
		}
		at = page.Operations[len(page.Operations)-1].Position()
	}
	for _, r := range readers {
		eventually(t, "a follower has heard all", func() bool {
			r.catchUp(t)
			return r.position() == at
		})
	}
}

// What is appended renews a log that has lost more than a 128th of its life, or that would live for too long;
// all of its keys end together.
func TestReady_Renew(t *testing.T) {
	t.Parallel()
	const life = 24 * time.Hour
	client, prefix := shared.Server(t).Client(t), redistest.Prefix(t)
	l, key := redisx.NewLog(open(t, redisx.Config{Prefix: prefix, OperationTTL: life})), prefix+":{room}:"
	at := confirm(t, l, "room", "a", 1)
	save(t, l, "room", at)
	n := uint64(1)
	for left, renews := range map[time.Duration]bool{
		life: false, life - life/256: false, life - life/120: true, time.Minute: true, 2 * life: true, 0: true,
	} {
		end := time.Now().Add(left) // one for all
		for _, name := range []string{"head", "ops", "snap"} {
			if left > 0 {
				client.PExpireAt(t.Context(), key+name, end)
			} else {
				client.Persist(t.Context(), key+name)
			}
		}
		n++
		at, _ = appendTo(t, l, flow.Batch{Fence: at, Operations: []flow.Operation{op("a", n)}})
		wantOneTTL(t, client, key)
		got := client.PTTL(t.Context(), key+"head").Val()
		if renews && (got < life-time.Minute || got > life) || !renews && got > left {
			t.Errorf("with %v left it has %v after an append", left, got)
		}
	}
}
