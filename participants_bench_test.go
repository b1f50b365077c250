package flow_test

import (
	"fmt"
	"testing"

	"github.com/fiberflow/flow"
)

// BenchmarkHub_Participants measures one page of 100 of the list of everybody in a room, the first and one in the
// middle.
func BenchmarkHub_Participants(b *testing.B) {
	for _, members := range []int{100, 1000} {
		h := benchHub(b)
		gather(b, h, void{}, members)
		everybody, err := h.Participants(b.Context(), "r", "", members)
		if err != nil || len(everybody) != members {
			b.Fatalf("Participants: %d, %v", len(everybody), err)
		}
		for name, after := range map[string]string{"first": "", "middle": everybody[members/2-1].Session} {
			b.Run(fmt.Sprintf("members=%d/%s", members, name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					page, err := h.Participants(b.Context(), "r", after, 100)
					if err != nil || len(page) != min(100, members/2) && after != "" {
						b.Fatalf("Participants: %d, %v", len(page), err)
					}
				}
			})
		}
	}
}

// BenchmarkHub_Rooms measures one page of 100 of the list of rooms, by how many are open.
func BenchmarkHub_Rooms(b *testing.B) {
	for _, rooms := range []int{100, 10000} {
		b.Run(fmt.Sprint("rooms=", rooms), func(b *testing.B) {
			h := benchHub(b)
			for i := range rooms {
				c, err := h.Connect(void{}, flow.Client{User: &flow.User{ID: fmt.Sprint("u", i)}})
				if err != nil {
					b.Fatal(err)
				}
				b.Cleanup(c.Done)
				c.Receive(fmt.Appendf(nil, `{"type":"join","id":"1","room":"r%d"}`, i))
			}
			b.ReportAllocs()
			for b.Loop() {
				if page, err := h.Rooms(b.Context(), "", 100); err != nil || len(page) != 100 {
					b.Fatalf("Rooms: %d, %v", len(page), err)
				}
			}
		})
	}
}
