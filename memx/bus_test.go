package memx_test

import (
	"testing"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/conformance"
	"github.com/fiberflow/flow/memx"
)

// The bus in memory keeps the contract of flow.Bus.
func TestBus(t *testing.T) {
	conformance.Bus(t, func(t *testing.T) (one, other flow.Bus) {
		t.Helper()
		b := memx.NewBus()
		return b, b
	})
}
