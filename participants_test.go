package flow_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/fiberflow/flow"
)

// The pages of the list of everybody in a room, whatever their size and whichever instance is asked, follow each
// other without holes and repeats, and only the last one is short; the room is told with as many. I5
func TestCluster_ParticipantPages(t *testing.T) {
	onCluster(t, flow.Config{}, func(t *testing.T, one, two *flow.Hub) {
		var sessions []string
		for i := range 12 {
			c := dial(t, []*flow.Hub{one, two}[i%2], fmt.Sprint("user", i))
			j := c.join("r")
			if i%4 == 3 {
				c.request(msg{"type": "leave", "room": "r"})
				continue
			}
			sessions = append(sessions, j.str("session"))
		}
		slices.Sort(sessions)
		for _, h := range []*flow.Hub{one, two} {
			for _, limit := range []int{1, 2, 4, 9, 10, 1000} {
				var got []string
				eventually(t, fmt.Sprintf("pages of %d have everybody", limit), func() bool {
					got = pages(t, h, limit)
					return slices.Equal(got, sessions)
				})
			}
			if info, err := h.Room(t.Context(), "r"); err != nil || info.Participants != len(sessions) {
				t.Errorf("the room is %+v, %v", info, err)
			}
		}
	})
}

// pages reads page after page of a room's participants until one is short.
func pages(t *testing.T, h *flow.Hub, limit int) (sessions []string) {
	t.Helper()
	for after := ""; ; {
		page, err := h.Participants(t.Context(), "r", after, limit)
		if err != nil || len(page) > limit {
			t.Fatalf("a page of %d has %d: %v", limit, len(page), err)
		}
		for _, p := range page {
			sessions = append(sessions, p.Session)
		}
		if len(page) < limit {
			return sessions
		}
		after = sessions[len(sessions)-1]
	}
}
