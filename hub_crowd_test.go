package flow_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fiberflow/flow"
)

// crowdConfig is of a hub that lets a crowd in.
func crowdConfig() flow.Config {
	return flow.Config{
		Secrets: func() [][]byte { return [][]byte{[]byte("shared")} },
		Quotas:  flow.Quotas{RoomJoinsPerSecond: 100_000},
	}
}

// elsewhere has a crowd come to rooms of their own.
func elsewhere(t *testing.T, h *flow.Hub, count int) []*client {
	t.Helper()
	crowd := make([]*client, count)
	for i := range crowd {
		crowd[i] = dial(t, h, fmt.Sprint("u", i))
		crowd[i].join(fmt.Sprint("r", i))
	}
	return crowd
}

// view returns who is in the room as far as a client was told.
func (c *client) view() map[string]string {
	list := map[string]string{}
	c.each(func(m msg) {
		switch m.str("type") {
		case "joined":
			apply(list, msg{"join": m["participants"]})
		case "presence":
			apply(list, m)
		}
	})
	return list
}

// A crowd that comes to many rooms, and goes, is told in few frames, and everybody knows everybody in the end.
// Whoever was given the whole list is not told it again.
func TestHub_Crowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, crowdConfig())
		const rooms, members = 100, 5
		var all []*client
		for i := range rooms * members {
			c := dial(t, h, fmt.Sprint("u", i))
			c.join(fmt.Sprint("r", i%rooms))
			all = append(all, c)
			if i%rooms == rooms-1 {
				advance(100 * time.Millisecond)
			}
		}
		advance(time.Second)
		frames := 0
		for _, c := range all {
			frames += c.count("presence")
			if got := c.view(); len(got) != members {
				t.Fatalf("%s knows %d of %d", c.user, len(got), members)
			}
		}
		if each := rooms * members * (members - 1) / 2; frames >= each {
			t.Errorf("%d frames, no fewer than one for each who comes to each who is there: %d", frames, each)
		}
		for _, c := range all[(members-1)*rooms:] {
			if got := c.count("presence"); got != 0 {
				t.Errorf("%s was told %d times what its list had", c.user, got)
			}
		}
		for _, c := range all[rooms:] {
			c.drop()
		}
		advance(h.Config().Grace + 2*time.Second)
		for _, c := range all[:rooms] {
			if got := c.view(); len(got) != 1 {
				t.Errorf("%s knows of %d who are left, want 1", c.user, len(got))
			}
		}
	})
}

// A stream is not told again what its list had, and is told what comes after.
func TestHub_Crowd_stream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, crowdConfig())
		ann := dial(t, h, "ann")
		ann.join("r")
		stream := watch(t, h, &flow.User{ID: "bob"}, "r")
		advance(time.Second)
		if got := stream.count("presence"); got != 0 {
			t.Errorf("told %d times what the list had", got)
		}
		dial(t, h, "eve").join("r")
		advance(time.Second)
		if got := len(stream.view()); got != 2 {
			t.Errorf("the stream knows %d, want 2", got)
		}
	})
}

// A clean leave is shown within half a second (I5), whatever comes and goes elsewhere.
func TestHub_Crowd_leave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, crowdConfig())
		ann, bob := dial(t, h, "ann"), dial(t, h, "bob")
		ann.join("r")
		bob.join("r")
		advance(time.Second)
		elsewhere(t, h, 600)
		bob.request(msg{"type": "leave", "room": "r"})
		advance(400 * time.Millisecond)
		if got := len(ann.view()); got != 1 {
			t.Errorf("ann knows %d, want 1", got)
		}
	})
}

// Who moves is shown at once, also while those who come are waited for; in quiet times nobody waits for long
// to be shown.
func TestHub_Crowd_moves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, crowdConfig())
		ann := dial(t, h, "ann")
		ann.join("r")
		quiet := dial(t, h, "quiet")
		quiet.join("r")
		advance(20 * time.Millisecond)
		if got := len(ann.view()); got != 2 {
			t.Errorf("ann knows %d of 2 after 20 ms of quiet", got)
		}
		elsewhere(t, h, 600)
		bob := dial(t, h, "bob")
		bob.join("r")
		advance(100 * time.Millisecond)
		if got := len(ann.view()); got != 2 {
			t.Errorf("ann knows %d of the crowd after 100 ms, want 2 before it", got)
		}
		bob.send(msg{"type": "presence", "room": "r", "data": msg{"x": 1}})
		advance(time.Millisecond)
		if got := len(ann.view()); got != 3 {
			t.Errorf("ann knows %d of 3, one of whom has moved", got)
		}
	})
}

// Who leaves an instance with a crowd, and comes to another one while that is still waited for, is seen on both (I5).
func TestHub_Crowd_moved(t *testing.T) {
	for _, crowd := range []int{0, 600} {
		t.Run(fmt.Sprint(crowd), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				one, two := newHubs(t, crowdConfig())
				ann, bob, eve := dial(t, one, "ann"), dial(t, two, "bob"), dial(t, one, "eve")
				ann.join("r")
				bob.join("r")
				resume := eve.join("r").str("resume")
				gone := elsewhere(t, one, crowd)
				advance(3 * time.Second)
				for _, c := range append(gone, eve) {
					c.drop()
				}
				for left := 3; left == 3; { // until the grace of eve is over
					advance(10 * time.Millisecond)
					all, err := one.Participants(t.Context(), "r", "", 10)
					if err != nil {
						t.Fatal(err)
					}
					left = len(all)
				}
				dial(t, two, "eve").join("r", msg{"resume": resume})
				advance(10 * time.Second)
				if here, there := len(ann.view()), len(bob.view()); here != 3 || there != 3 {
					t.Errorf("ann knows %d, bob %d, want 3", here, there)
				}
			})
		})
	}
}
