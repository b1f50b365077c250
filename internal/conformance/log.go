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
	Settle         time.Duration // how long a restored log takes only restores, 500 ms
}

// OpenLog returns two handles on one fresh and empty storage.
type OpenLog func(t *testing.T, s LogSettings) (one, other flow.Log)

// Log runs the suite of [flow.Log].
func Log(t *testing.T, open OpenLog) {
	t.Helper()
	for _, group := range logGroups() {
		t.Run(group.name, func(t *testing.T) {
			for _, c := range group.cases {
				t.Run(c.name, func(t *testing.T) {
					one, other := open(t, c.settings)
					c.run(&logTest{T: t, one: one, other: other, settings: c.settings})
				})
			}
		})
	}
}

type logGroup struct {
	name  string
	cases []logCase
}

// logCase is one sentence of the contract, told at the function that checks it.
type logCase struct {
	name     string
	settings LogSettings
	run      func(t *logTest)
}

func logGroups() []logGroup {
	return []logGroup{
		{"Append", appendCases()},
		{"Data", dataCases()},
		{"Fence", fenceCases()},
		{"Jump", jumpCases()},
		{"Restore", restoreCases()},
		{"Restore refused", refusedCases()},
		{"Restored", restoredCases()},
		{"Sessions", noteCases()},
		{"Settle", settleCases()},
		{"Key", keyCases()},
		{"Read", readCases()},
		{"Trim", trimCases()},
		{"Forget", forgetCases()},
		{"Snapshot", snapshotCases()},
		{"Delete", deleteCases()},
		{"Expiry", expiryCases()},
		{"Follow", followCases()},
		{"Writers", writerCases()},
		{"Health", []logCase{{name: "serving", run: testLogHealth}}},
	}
}

// A backend that serves says so, with its name and a recent proof.
func testLogHealth(t *logTest) {
	t.confirm(op("a", 1))
	wantServing(t, t.one.Health(""))
}

func wantServing(t testing.TB, h flow.Health) {
	t.Helper()
	if h.Backend == "" || h.State != flow.Live || h.Since.IsZero() {
		t.Errorf("Health = %+v, want a named backend that is live since some time", h)
	}
	if age := time.Since(h.LastProof); age > time.Minute {
		t.Errorf("Health.LastProof is %v old", age)
	}
}
