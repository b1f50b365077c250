package conformance

import (
	"testing"

	"github.com/fiberflow/flow"
)

// OpenBus returns two handles on one fresh bus.
type OpenBus func(t *testing.T) (one, other flow.Bus)

// Bus runs the suite of [flow.Bus].
func Bus(t *testing.T, open OpenBus) {
	t.Helper()
	t.Run("Health", func(t *testing.T) {
		one, _ := open(t)
		if err := one.Publish(t.Context(), "topic", []byte("x")); err != nil {
			t.Fatalf("Publish: %v", err)
		}
		wantServing(t, one.Health())
	})
}
