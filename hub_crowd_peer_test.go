package flow_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fiberflow/flow"
)

// crowdHubs are two instances that share their backends, to be closed at the end.
func crowdHubs(t *testing.T) (one, two *flow.Hub, closed func()) {
	t.Helper()
	cfg := memory(flow.Config{
		Secrets: func() [][]byte { return [][]byte{[]byte("shared")} },
		Quotas:  flow.Quotas{RoomJoinsPerSecond: 100_000},
	})
	var hubs [2]*flow.Hub
	for i := range hubs {
		var err error
		cfg.Instance = fmt.Sprint("i", i)
		if hubs[i], err = flow.New(cfg); err != nil {
			t.Fatal(err)
		}
	}
	return hubs[0], hubs[1], func() {
		for _, h := range hubs {
			if err := h.Close(context.Background()); err != nil {
				t.Error(err)
			}
		}
	}
}

// Who leaves an instance with a crowd, and comes to another one while that is still waited for, is seen on both (I5).
func TestHub_Crowd_moved(t *testing.T) {
	for _, crowd := range []int{0, 600} {
		t.Run(fmt.Sprint(crowd), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				one, two, closed := crowdHubs(t)
				defer closed()
				ann, bob, eve := dial(t, one, "ann"), dial(t, two, "bob"), dial(t, one, "eve")
				ann.join("r")
				bob.join("r")
				resume := eve.join("r").str("resume")
				var gone []*client
				for i := range crowd {
					c := dial(t, one, fmt.Sprint("u", i))
					c.join(fmt.Sprint("r", i))
					gone = append(gone, c)
				}
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
