package redisx_test

import (
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

func session(id, room, user string) flow.Session {
	return flow.Session{ID: id, Room: room, User: flow.User{ID: user}, Instance: "i"}
}

// When everybody has left, no key is left but those of instances and the probe, whatever the names of
// users and however sessions came and went at the same time (I7).
func TestSessionStore_NothingLeft(t *testing.T) {
	client, prefix := shared.Server(t).Client(t), redistest.Prefix(t)
	config := redisx.Config{Prefix: prefix}
	stores := []*redisx.SessionStore{redisx.NewSessionStore(open(t, config)), redisx.NewSessionStore(open(t, config))}
	var running sync.WaitGroup
	for i := range 8 {
		running.Go(func() {
			store := stores[i%2]
			for n := range 20 {
				s := session(fmt.Sprintf("s-%d-%d", i, n), fmt.Sprint("room-", n%3), fmt.Sprintf("{u}* \n%d", n%2))
				if err := store.Put(t.Context(), s); err != nil {
					t.Errorf("Put: %v", err)
				}
				if lost, err := store.Touch(t.Context(), "i", []string{s.ID}); err != nil || len(lost) > 0 {
					t.Errorf("Touch = %v, %v", lost, err)
				}
				if err := store.Delete(t.Context(), s.ID); err != nil {
					t.Errorf("Delete: %v", err)
				}
			}
		})
	}
	running.Wait()
	wantKeys(t, client, prefix, "instance:i")
}

// Every key of sessions has a TTL, so that nothing outlives an instance that died for good (I7).
func TestSessionStore_TTL(t *testing.T) {
	client, prefix := shared.Server(t).Client(t), redistest.Prefix(t)
	store := redisx.NewSessionStore(open(t, redisx.Config{Prefix: prefix, SessionTTL: time.Minute}))
	if err := store.Put(t.Context(), session("s", "room", "user")); err != nil {
		t.Fatalf("Put: %v", err)
	}
	wantKeys(t, client, prefix,
		"session:s", "sessions:room:room", "sessions:user:dXNlcg", "{~rooms}:names", "{~rooms}:times", "instance:i")
	for _, key := range keysOf(t, client, prefix) {
		if ttl := client.PTTL(t.Context(), key).Val(); ttl <= 0 || ttl > 2*time.Minute {
			t.Errorf("%s has TTL %v", key, ttl)
		}
	}
}

// Sessions that Redis lost are lost for Touch, and come back with all their places by Put, also by the
// instance that has just written them (I7).
func TestSessionStore_Lost(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	store := redisx.NewSessionStore(open(t, redisx.Config{Addrs: []string{server.Addr()}}))
	s := session("s", "room", "user")
	for range 2 {
		if err := store.Put(t.Context(), s); err != nil {
			t.Fatalf("Put: %v", err)
		}
		wantListed(t, store, "s")
	}
	flush(t, server)
	if lost, err := store.Touch(t.Context(), "i", []string{"s"}); err != nil || !slices.Equal(lost, []string{"s"}) {
		t.Errorf("Touch = %v, %v, want s", lost, err)
	}
	if err := store.Put(t.Context(), s); err != nil {
		t.Fatalf("Put after Touch: %v", err)
	}
	wantListed(t, store, "s")
	flush(t, server) // and now without a Touch
	if err := store.Put(t.Context(), s); err != nil {
		t.Fatalf("Put without Touch: %v", err)
	}
	wantListed(t, store, "s")
}

// A session that is put into another room or handed to another user leaves the lists of the first.
func TestSessionStore_Moved(t *testing.T) {
	store := redisx.NewSessionStore(open(t, redisx.Config{}))
	for _, s := range []flow.Session{session("s", "one", "a"), session("s", "two", "a"), session("s", "two", "b")} {
		if err := store.Put(t.Context(), s); err != nil {
			t.Fatalf("Put: %v", err)
		}
		if rooms, err := store.Rooms(t.Context(), "", 10); err != nil || !slices.Equal(rooms, []string{s.Room}) {
			t.Errorf("Rooms = %v, %v, want %s", rooms, err, s.Room)
		}
		for _, user := range []string{"a", "b"} {
			list, err := store.List(t.Context(), flow.SessionQuery{User: user, Limit: 10})
			if want := user == s.User.ID; err != nil || (len(list) == 1) != want {
				t.Errorf("List of %s = %+v, %v", user, list, err)
			}
		}
	}
}

func wantListed(t *testing.T, store *redisx.SessionStore, id string) {
	t.Helper()
	for _, q := range []flow.SessionQuery{{Room: "room", Limit: 10}, {User: "user", Limit: 10}} {
		list, err := store.List(t.Context(), q)
		if err != nil || len(list) != 1 || list[0].ID != id {
			t.Errorf("List(%+v) = %+v, %v, want %s", q, list, err, id)
		}
	}
	if rooms, err := store.Rooms(t.Context(), "", 10); err != nil || !slices.Equal(rooms, []string{"room"}) {
		t.Errorf("Rooms = %v, %v", rooms, err)
	}
}

func flush(t *testing.T, server *redistest.Server) {
	t.Helper()
	if err := server.Client(t).FlushAll(t.Context()).Err(); err != nil {
		t.Fatalf("FlushAll: %v", err)
	}
}

// calls returns how often each command ran on a server, scripts' own calls included.
func calls(t testing.TB, client *redis.Client) map[string]int {
	t.Helper()
	stats, err := client.InfoMap(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatalf("Info: %v", err)
	}
	counts := map[string]int{}
	for name, line := range stats["Commandstats"] {
		var n int
		if _, err := fmt.Sscanf(line, "calls=%d", &n); err != nil {
			t.Fatalf("commandstats of %s: %q", name, line)
		}
		counts[name[len("cmdstat_"):]] = n
	}
	return counts
}
