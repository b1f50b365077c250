package redisx_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/redistest"
	"github.com/fiberflow/flow/redisx"
)

// A page of the list of rooms looks at the rooms that it has, and at no others, however many there are: also
// after some have gone without a word, which are met once.
func TestSessionStore_RoomsPageCost(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client, prefix := server.Client(t), redistest.Prefix(t)
	store := redisx.NewSessionStore(open(t, redisx.Config{Addrs: []string{server.Addr()}, Prefix: prefix}))
	const rooms, limit = 300, 10
	for i := range rooms {
		if err := store.Put(t.Context(), session(fmt.Sprint(i), fmt.Sprintf("room-%03d", i), "user")); err != nil {
			t.Fatalf("Put: %v", err)
		}
	}
	page := func(want int) {
		t.Helper()
		before := calls(t, client)
		got, err := store.Rooms(t.Context(), "room-099", limit)
		if err != nil || len(got) != limit || got[0] != fmt.Sprintf("room-%03d", want) {
			t.Fatalf("Rooms = %v, %v", got, err)
		}
		after := calls(t, client)
		const prober = 5 // looks at keys of its own now and then
		if n := after["zcount"] - before["zcount"]; n > 3*limit+prober {
			t.Errorf("%d rooms were looked at for a page of %d", n, limit)
		}
		if n := after["zrangebylex"] - before["zrangebylex"]; n > 2+prober {
			t.Errorf("%d looks into the list for a page", n)
		}
		if n := after["zrangebyscore"] - before["zrangebyscore"]; n > prober {
			t.Errorf("%d looks at all rooms for a page", n)
		}
	}
	page(100)
	for i := 100; i < 100+limit; i++ {
		client.Del(t.Context(), fmt.Sprintf("%s:sessions:room:room-%03d", prefix, i))
	}
	page(100 + limit)
	page(100 + limit)
}

// Rooms whose sessions expire without anybody listing them leave no trace, while others go on.
func TestSessionStore_RoomsForgotten(t *testing.T) {
	client, prefix := shared.Server(t).Client(t), redistest.Prefix(t)
	store := redisx.NewSessionStore(open(t, redisx.Config{Prefix: prefix, SessionTTL: 200 * time.Millisecond}))
	for i := range 20 {
		if err := store.Put(t.Context(), session(fmt.Sprint(i), fmt.Sprint("room-", i), "user")); err != nil {
			t.Fatalf("Put: %v", err)
		}
	}
	eventually(t, "only the room that lives is kept", func() bool {
		if err := store.Put(t.Context(), session("live", "live", "user")); err != nil {
			t.Fatalf("Put: %v", err)
		}
		var names, times []string
		names = client.ZRange(t.Context(), prefix+":{~rooms}:names", 0, -1).Val()
		times = client.ZRange(t.Context(), prefix+":{~rooms}:times", 0, -1).Val()
		return slices.Equal(names, []string{"live"}) && slices.Equal(times, names)
	})
}

// Something else in the place of the sets of all rooms gives way, and rooms are listed again.
func TestPoison_Rooms(t *testing.T) {
	t.Parallel()
	prefix := redistest.Prefix(t)
	client := shared.Server(t).Client(t)
	i := newInstance(t, redisx.Config{Addrs: []string{shared.Server(t).Addr()}, Prefix: prefix})
	for kind, poison := range poisons() {
		for _, name := range []string{"names", "times"} {
			key := prefix + ":{~rooms}:" + name
			client.Del(t.Context(), key)
			p := client.Pipeline()
			poison(t.Context(), p, key)
			if _, err := p.Exec(t.Context()); err != nil {
				t.Fatalf("%s: %v", kind, err)
			}
			if _, err := i.sessions.Rooms(t.Context(), "", 10); err != nil {
				t.Errorf("%s in %s: Rooms: %v", kind, name, err)
			}
			s := session(kind+name, kind+"-"+name, "user")
			if err := i.sessions.Put(t.Context(), s); err != nil {
				t.Errorf("%s in %s: Put: %v", kind, name, err)
			}
			if rooms, err := i.sessions.Rooms(t.Context(), "", 100); err != nil || !slices.Contains(rooms, s.Room) {
				t.Errorf("%s in %s: Rooms = %v, %v", kind, name, rooms, err)
			}
		}
	}
	wantLive(t, i, "in the end")
}

// In a Cluster the list of rooms, whose own sets are on all nodes, pages in order too, and forgets.
func TestCluster_Rooms(t *testing.T) {
	t.Parallel()
	config := redisx.Config{Mode: redisx.Cluster, Prefix: "flow"}
	for _, n := range redistest.StartCluster(t) {
		config.Addrs = append(config.Addrs, n.Addr())
	}
	store := redisx.NewSessionStore(open(t, config))
	var want []string
	for i := range 60 {
		s := session(fmt.Sprint(i), fmt.Sprintf("room-%02d", i), "user")
		if err := store.Put(t.Context(), s); err != nil {
			t.Fatalf("Put: %v", err)
		}
		if i%3 > 0 {
			want = append(want, s.Room)
			continue
		}
		if err := store.Delete(t.Context(), s.ID); err != nil {
			t.Fatalf("Delete: %v", err)
		}
	}
	var got []string
	for after := ""; ; after = got[len(got)-1] {
		page, err := store.Rooms(t.Context(), after, 7)
		if err != nil {
			t.Fatalf("Rooms: %v", err)
		}
		if got = append(got, page...); len(page) < 7 {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("Rooms = %v, want %v", got, want)
	}
	list, err := store.List(t.Context(), flow.SessionQuery{User: "user", Limit: 100})
	if err != nil || len(list) != len(want) {
		t.Errorf("List: %d, %v", len(list), err)
	}
}
