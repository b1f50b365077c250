package conformance

import (
	"testing"
	"time"

	"github.com/fiberflow/flow"
)

// LogSettings are what a case needs of a log. A zero field means the backend's default.
type LogSettings struct {
	OperationLimit int           // how many operations a room keeps, 10,000
	OperationTTL   time.Duration // after which the log of an idle room vanishes, 24 h
	SessionTTL     time.Duration // raises the age at which a session's last N is forgotten, 1 h
	TombstoneTTL   time.Duration // how long a deleted room answers so, 10 min
	KeyTTL         time.Duration // how long Batch.Key makes a batch idempotent, 24 h
}

// OpenLog returns two handles on one fresh and empty storage.
type OpenLog func(t *testing.T, s LogSettings) (one, other flow.Log)

// logCase is one sentence of a contract.
type logCase struct {
	name string
	run  func(t *testing.T, open OpenLog)
}

// Log runs the suite of [flow.Log].
func Log(t *testing.T, open OpenLog) {
	t.Helper()
	groups := map[string][]logCase{
		"Health": healthCases(),
	}
	for name, cases := range groups {
		t.Run(name, func(t *testing.T) {
			for _, c := range cases {
				t.Run(c.name, func(t *testing.T) { c.run(t, open) })
			}
		})
	}
}

// healthCases: what a backend says about itself.
func healthCases() []logCase {
	return []logCase{{"serving", testLogHealth}}
}

// A backend that serves says so, with its name and a recent proof.
func testLogHealth(t *testing.T, open OpenLog) {
	one, _ := open(t, LogSettings{})
	if _, err := one.Append(t.Context(), "room", flow.Batch{}); err != nil {
		t.Fatalf("Append of nothing: %v", err)
	}
	wantServing(t, one.Health())
}

func wantServing(t *testing.T, h flow.Health) {
	t.Helper()
	if h.Backend == "" || h.State != flow.Live || h.Since.IsZero() {
		t.Errorf("Health = %+v, want a named backend that is live since some time", h)
	}
	if age := time.Since(h.LastProof); age > time.Minute {
		t.Errorf("Health.LastProof is %v old", age)
	}
}
