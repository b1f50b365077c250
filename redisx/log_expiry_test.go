package redisx_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/redistest"
	"github.com/fiberflow/flow/redisx"
)

// The keys of a log end at the same millisecond, whatever wrote last, so that an idle room is never
// found with a part of it and mended (I7).
func TestLog_OneEnd(t *testing.T) {
	t.Parallel()
	client, prefix := shared.Server(t).Client(t), redistest.Prefix(t)
	log := redisx.NewLog(open(t, redisx.Config{Prefix: prefix}))
	key := prefix + ":{room}:"
	for n := range uint64(2000) { // one in 400 pairs of times is on both sides of a millisecond
		at := confirm(t, log, "room", "a", n+1)
		if n%2 == 1 {
			save(t, log, "room", at)
		}
		pipe := client.Pipeline()
		var ends []*redis.Cmd
		for _, name := range []string{"head", "ops", "snap"} {
			ends = append(ends, pipe.Do(t.Context(), "pexpiretime", key+name))
		}
		if _, err := pipe.Exec(t.Context()); err != nil {
			t.Fatal(err)
		}
		head, ops, snap := ends[0].Val(), ends[1].Val(), ends[2].Val()
		if head != ops || n > 0 && head != snap {
			t.Fatalf("after %d: the head ends at %v, the stream at %v, the snapshot at %v", n+1, head, ops, snap)
		}
	}
}

// A read with Renew has the whole log live on, one without leaves it alone.
func TestLog_Renew(t *testing.T) {
	t.Parallel()
	client, prefix := shared.Server(t).Client(t), redistest.Prefix(t)
	log, key := redisx.NewLog(open(t, redisx.Config{Prefix: prefix})), prefix+":{room}:"
	save(t, log, "room", confirm(t, log, "room", "a", 1))
	end := func() int64 { return client.PExpireTime(t.Context(), key+"head").Val().Milliseconds() }
	for _, name := range []string{"head", "ops", "snap"} {
		if err := client.PExpire(t.Context(), key+name, time.Minute).Err(); err != nil {
			t.Fatalf("PExpire: %v", err)
		}
	}
	short := end()
	for _, renew := range []bool{false, true} {
		if _, err := log.Read(t.Context(), "room", flow.Query{Renew: renew}); err != nil {
			t.Fatalf("Read: %v", err)
		}
		if renewed := end() > short; renewed != renew {
			t.Errorf("renewed %v, want %v", renewed, renew)
		}
	}
	wantOneTTL(t, client, key)
	_, err := log.Read(t.Context(), "nowhere", flow.Query{Renew: true})
	if n := client.Exists(t.Context(), prefix+":{nowhere}:head").Val(); err != nil || n != 0 {
		t.Errorf("Read of a room without a log = %v, and %d keys", err, n)
	}
}
