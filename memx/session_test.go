package memx_test

import (
	"testing"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/conformance"
	"github.com/fiberflow/flow/memx"
)

// The session store in memory keeps the contract of flow.SessionStore.
func TestSessionStore(t *testing.T) {
	conformance.SessionStore(t, func(t *testing.T, s conformance.SessionSettings) (one, other flow.SessionStore) {
		t.Helper()
		store := memx.NewSessionStore(memx.SessionConfig(s))
		return store, store
	})
}
