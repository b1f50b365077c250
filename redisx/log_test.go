package redisx_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/redistest"
	"github.com/fiberflow/flow/redisx"
)

// After a restart of Redis with its data, positions are what they were and the log goes on (I1); after
// one without, whoever knows a position is told that the log is missing, and nothing is written.
func TestLog_Restart(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, redistest.AppendOnly())
	conn := open(t, redisx.Config{Addrs: []string{server.Addr()}})
	ordering := redisx.NewLog(conn)
	confirm(t, ordering, "room", "a", 1)
	fence := confirm(t, ordering, "room", "a", 2)

	server.Kill(t)
	server.Restart(t)
	batch := flow.Batch{Fence: fence, Operations: []flow.Operation{op("a", 3)}}
	eventually(t, "the log goes on", func() bool {
		answers, err := ordering.Append(t.Context(), "room", batch)
		if err == nil && answers[0].Last != 3 {
			t.Fatalf("Append after the restart: %+v", answers)
		}
		return err == nil
	})
	if page, err := ordering.Read(t.Context(), "room", flow.Query{After: fence}); err != nil || page.Head.Seq != 3 {
		t.Fatalf("Read after the restart: %+v, %v", page, err)
	}

	server.RestartEmpty(t)
	eventually(t, "the loss is noticed", func() bool {
		batch := flow.Batch{Fence: fence, Operations: []flow.Operation{op("a", 4)}}
		_, err := ordering.Append(t.Context(), "room", batch)
		return errors.Is(err, flow.ErrNoLog)
	})
	if page, err := ordering.Read(t.Context(), "room", flow.Query{}); err != nil || page.Head.Seq != 0 {
		t.Errorf("Read = %+v, %v, want an empty log", page, err)
	}
}

// An operation whose data were changed in Redis is never handed on as if it were the one that was
// confirmed (I1).
func TestLog_Tampered(t *testing.T) {
	client, prefix := shared.Server(t).Client(t), redistest.Prefix(t)
	ordering := redisx.NewLog(open(t, redisx.Config{Prefix: prefix}))
	after := confirm(t, ordering, "room", "a", 1)
	hash := after.Next("a", 2, flow.DigestOf(op("a", 2).Data)).Hash.String()
	if _, err := client.Pipelined(t.Context(), func(p redis.Pipeliner) error {
		p.XAdd(t.Context(), &redis.XAddArgs{Stream: prefix + ":{room}:ops", ID: "2-0", Values: []any{
			"session", "a", "n", 2, "user", "u", "time", 1, "hash", hash, "data", `{"n":"forged"}`,
		}})
		p.HSet(t.Context(), prefix+":{room}:head", "seq", 2, "hash", hash, "s:a", "2 1")
		return nil
	}); err != nil {
		t.Fatalf("forge: %v", err)
	}
	if page, err := ordering.Read(t.Context(), "room", flow.Query{Limit: 10}); !errors.Is(err, flow.ErrCorrupt) {
		t.Errorf("Read = %+v, %v, want ErrCorrupt", page, err)
	}
}

// A server that lost its scripts gets them again, without the caller noticing.
func TestLog_ScriptFlush(t *testing.T) {
	client := shared.Server(t).Client(t)
	ordering := redisx.NewLog(open(t, redisx.Config{}))
	for n := uint64(1); n <= 3; n++ {
		if err := client.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatalf("ScriptFlush: %v", err)
		}
		p := confirm(t, ordering, "room", "a", n)
		if page, err := ordering.Read(t.Context(), "room", flow.Query{}); err != nil || page.Head != p {
			t.Errorf("Read = %+v, %v, want head %v", page, err, p)
		}
	}
}

// All keys of a room have the prefix, one hash tag and a TTL, and those of the log the same one, however
// they were written. After Delete only what marks the deletion is left.
func TestLog_Keys(t *testing.T) {
	client, prefix := shared.Server(t).Client(t), redistest.Prefix(t)
	ordering := redisx.NewLog(open(t, redisx.Config{Prefix: prefix}))
	const room = "A.b_c:d~e-f"
	for n := uint64(1); n <= 3; n++ {
		p := confirm(t, ordering, room, "a", n)
		if n == 2 {
			save(t, ordering, room, p)
		}
		wantOneTTL(t, client, prefix+":{"+room+"}:")
	}
	keyed := flow.Batch{Key: "{x} \n", Operations: []flow.Operation{op("b", 1)}}
	if _, err := ordering.Append(t.Context(), room, keyed); err != nil {
		t.Fatalf("Append with a key: %v", err)
	}
	wantKeys(t, client, prefix, "{"+room+"}:head", "{"+room+"}:key:e3h9IAo", "{"+room+"}:ops", "{"+room+"}:snap")
	if err := ordering.Delete(t.Context(), room); err != nil {
		t.Fatalf("Delete: %v", err)
	}
	wantKeys(t, client, prefix, "{"+room+"}:epoch", "{"+room+"}:gone", "{"+room+"}:key:e3h9IAo")
	for _, key := range keysOf(t, client, prefix) {
		if ttl := client.PTTL(t.Context(), key).Val(); ttl <= 0 {
			t.Errorf("%s has no TTL", key)
		}
	}
}

// wantOneTTL checks that the parts of a log end together: at the same time, but for the clock that goes
// on while a script runs.
func wantOneTTL(t *testing.T, client *redis.Client, key string) {
	t.Helper()
	var ends []time.Duration
	for _, name := range []string{"head", "ops", "snap"} {
		at, err := client.PExpireTime(t.Context(), key+name).Result()
		if err != nil {
			t.Fatalf("PExpireTime: %v", err)
		}
		if at != -2*time.Nanosecond { // not there
			ends = append(ends, at)
		}
	}
	if len(ends) == 0 || slices.Max(ends)-slices.Min(ends) > 2*time.Millisecond {
		t.Errorf("the parts of the log end at %v, want one time", ends)
	}
}

// Whatever the order in which an idempotent retry and the deletion of its room come, the new room with
// that id knows nothing of the old one's keys.
func TestLog_KeyOfDeletedRoom(t *testing.T) {
	ordering := redisx.NewLog(open(t, redisx.Config{TombstoneTTL: 50 * time.Millisecond}))
	batch := flow.Batch{Key: "k", Operations: []flow.Operation{op("a", 1)}}
	var last flow.Appended
	for round := range 3 {
		eventually(t, "the tombstone ends", func() bool {
			answers, err := ordering.Append(t.Context(), "room", batch)
			if err == nil {
				last = answers[0]
			}
			return err == nil
		})
		page, err := ordering.Read(t.Context(), "room", flow.Query{})
		if err != nil || last.Status != flow.Confirmed || page.Head.Seq != 1 {
			t.Fatalf("round %d: answer %+v, head %v, %v", round, last, page.Head, err)
		}
		if err := ordering.Delete(t.Context(), "room"); err != nil {
			t.Fatalf("Delete: %v", err)
		}
	}
}

// A page is bounded in bytes too, and never empty for that.
func TestLog_PageBytes(t *testing.T) {
	ordering := redisx.NewLog(open(t, redisx.Config{}))
	big := make([]byte, 300<<10)
	for n := uint64(1); n <= 20; n++ {
		o := op("a", n)
		o.Data = big
		if _, err := ordering.Append(t.Context(), "room", flow.Batch{Operations: []flow.Operation{o}}); err != nil {
			t.Fatalf("Append: %v", err)
		}
	}
	var at flow.Position
	for pages := 0; at.Seq < 20; pages++ {
		page, err := ordering.Read(t.Context(), "room", flow.Query{After: at, Limit: 1000})
		if err != nil || len(page.Operations) == 0 || pages > 5 {
			t.Fatalf("page %d after %v: %d operations, %v", pages, at, len(page.Operations), err)
		}
		at = page.Operations[len(page.Operations)-1].Position()
	}
}

// keysOf lists what is stored under a prefix, which only a test may do that way.
func keysOf(t testing.TB, client *redis.Client, prefix string) []string {
	t.Helper()
	keys, err := client.Keys(t.Context(), prefix+"*").Result()
	if err != nil {
		t.Fatalf("Keys: %v", err)
	}
	return keys
}

// wantKeys checks that exactly these keys are under a prefix.
func wantKeys(t testing.TB, client *redis.Client, prefix string, want ...string) {
	t.Helper()
	got := map[string]bool{}
	for _, key := range keysOf(t, client, prefix) {
		if !strings.HasPrefix(key, prefix+":probe:") { // gone within a second
			got[key] = true
		}
	}
	for _, name := range want {
		if !got[prefix+":"+name] {
			t.Errorf("key %s is missing", name)
		}
		delete(got, prefix+":"+name)
	}
	if len(got) > 0 {
		t.Errorf("unexpected keys: %v", got)
	}
}

// dump writes down everything under a prefix that has something to do with a log.
func dump(t testing.TB, client *redis.Client, prefix string) string {
	t.Helper()
	text := ""
	for _, name := range []string{"head", "ops", "snap"} {
		value, err := client.Dump(t.Context(), prefix+":{room}:"+name).Result()
		if err != nil && !errors.Is(err, redis.Nil) {
			t.Fatalf("Dump: %v", err)
		}
		text += fmt.Sprintf("%s %q\n", name, value)
	}
	return text
}
