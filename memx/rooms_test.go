package memx_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/memx"
)

// A room that is forgotten because nothing was in it, and is written to at that moment, loses nothing
// (I1).
func TestLog_ForgottenAtOnce(t *testing.T) {
	log := memx.NewLog(memx.LogConfig{})
	confirmed := flow.Batch{Operations: []flow.Operation{{Session: "a", N: 1, Data: []byte(`1`)}}}
	refused := flow.Batch{Operations: []flow.Operation{{Session: "b", N: 2, Data: []byte(`2`)}}}
	for i := range 300 {
		room := fmt.Sprint("room", i)
		var running sync.WaitGroup
		for _, b := range []flow.Batch{refused, confirmed, refused, {}} {
			running.Go(func() {
				if _, err := log.Append(t.Context(), room, b); err != nil {
					t.Errorf("Append: %v", err)
				}
			})
		}
		running.Go(func() { log.Follow(room, func(flow.Feed) {})() })
		running.Wait()
		page, err := log.Read(t.Context(), room, flow.Query{Limit: 10})
		if err != nil || len(page.Operations) != 1 {
			t.Fatalf("Read: %d operations, %v, want 1", len(page.Operations), err)
		}
	}
}
