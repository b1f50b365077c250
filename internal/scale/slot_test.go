package scale_test

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/redistest"
	"github.com/fiberflow/flow/internal/scale"
	"github.com/fiberflow/flow/redisx"
)

// whole is a Cluster of one node, which has all slots.
func whole(t *testing.T) (*redistest.Server, *redis.Client) {
	t.Helper()
	server := redistest.Start(t, redistest.Set("cluster-enabled", "yes"))
	client := server.Client(t)
	if err := client.ClusterAddSlotsRange(t.Context(), 0, scale.Slots-1).Err(); err != nil {
		t.Fatalf("add slots: %v", err)
	}
	eventually(t, "the node serves", func() bool {
		return client.Set(t.Context(), "probe", "", time.Second).Err() == nil
	})
	return server, client
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not in %v: %s", patience, what)
		}
	}
}

// Slot is what Redis says, and every key of a room's log is on the slot of the room's id.
func TestSlot_Redis(t *testing.T) {
	t.Parallel()
	server, client := whole(t)
	for _, key := range append(ids(shapes(), 50), "", "{}", "a{b}c", "{a}{b}", "a{", "flow:{room-1}:head", "{{x}}") {
		want, err := client.ClusterKeySlot(t.Context(), key).Result()
		if err != nil || int(want) != scale.Slot(key) {
			t.Errorf("Slot(%q) = %d, Redis says %d, %v", key, scale.Slot(key), want, err)
		}
	}

	conn, err := redisx.Open(t.Context(), redisx.Config{
		Mode: redisx.Cluster, Addrs: []string{server.Addr()}, Timeout: patience,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	room := "7f8a"
	o := flow.Operation{Session: "s", N: 1, User: "u", Time: 1, Data: []byte("{}")}
	b := flow.Batch{Key: "once", Operations: []flow.Operation{o}}
	eventually(t, "an operation is appended", func() bool {
		_, err := redisx.NewLog(conn).Append(t.Context(), room, b)
		return err == nil
	})
	found := 0
	for _, key := range client.Keys(t.Context(), "flow:*"+room+"*").Val() {
		found++
		if scale.Slot(key) != scale.Slot(room) {
			t.Errorf("key %q is on slot %d, the room's is %d", key, scale.Slot(key), scale.Slot(room))
		}
	}
	if found < 2 {
		t.Errorf("%d keys of the room, want at least its head and its stream", found)
	}
}

// shape is a way to name rooms.
type shape struct {
	name string
	id   func(i int) string
}

func ids(all []shape, n int) (list []string) {
	for _, s := range all {
		for i := range n {
			list = append(list, s.id(i))
		}
	}
	return list
}

// mix scatters a number, the same way in every run.
func mix(i int) uint64 {
	z := uint64(i)*0x9e3779b97f4a7c15 + 0x1234567
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

func shapes() []shape {
	return []shape{
		{"1, 2, 3", func(i int) string { return fmt.Sprint(i) }},
		{"room-1", func(i int) string { return fmt.Sprint("room-", i) }},
		{"00000001", func(i int) string { return fmt.Sprintf("%08d", i) }},
		{"team-12.board-3", func(i int) string { return fmt.Sprintf("team-%d.board-%d", i/20, i%20) }},
		{"UUID", func(i int) string {
			return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", mix(i)>>32, mix(i)&0xffff, mix(i)>>20&0xfff,
				mix(-i)&0xfff, mix(-i)>>16)
		}},
		{"time and chance", func(i int) string {
			return fmt.Sprintf("%012x%010x", 1_760_000_000_000+i*37, mix(i)>>24)
		}},
		{"snowflake", func(i int) string { return fmt.Sprint((1_760_000_000_000+uint64(i)/4)<<22 | uint64(i%4)) }},
	}
}
