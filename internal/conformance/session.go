package conformance

import (
	"testing"
	"time"

	"github.com/fiberflow/flow"
)

// SessionSettings are what a case needs of a store. A zero field means the backend's default.
type SessionSettings struct {
	SessionTTL  time.Duration // after which an untouched session is forgotten, 1 h
	InstanceTTL time.Duration // after which an untouched instance is taken as dead, 15 s
}

// OpenSessions returns two handles on one fresh and empty store.
type OpenSessions func(t *testing.T, s SessionSettings) (one, other flow.SessionStore)

// SessionStore runs the suite of [flow.SessionStore].
func SessionStore(t *testing.T, open OpenSessions) {
	t.Helper()
	t.Run("Health", func(t *testing.T) {
		one, _ := open(t, SessionSettings{})
		if _, err := one.Touch(t.Context(), "instance", nil); err != nil {
			t.Fatalf("Touch: %v", err)
		}
		wantServing(t, one.Health())
	})
}
