package memx_test

import (
	"testing"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/conformance"
	"github.com/fiberflow/flow/memx"
)

func logConfig(s conformance.LogSettings) memx.LogConfig {
	return memx.LogConfig{
		OperationLimit: s.OperationLimit, OperationTTL: s.OperationTTL, SessionTTL: s.SessionTTL,
		TombstoneTTL: s.TombstoneTTL, KeyTTL: s.KeyTTL, Settle: s.Settle,
	}
}

func openLog(t *testing.T, s conformance.LogSettings) (one, other flow.Log) {
	t.Helper()
	l := memx.NewLog(logConfig(s))
	return l, l
}

// The log in memory keeps the contract of flow.Log.
func TestLog(t *testing.T) { conformance.Log(t, openLog) }

// Two logs in memory answer alike: nothing in an answer depends on chance.
func TestLog_Differential(t *testing.T) {
	conformance.DifferentialLog(t, func(t *testing.T, s conformance.LogSettings) (a, b flow.Log) {
		t.Helper()
		return memx.NewLog(logConfig(s)), memx.NewLog(logConfig(s))
	})
}

// The leases in memory keep the contract of flow.Leases.
func TestLog_Leases(t *testing.T) {
	conformance.Leases(t, func(t *testing.T, s conformance.LogSettings) (one, other conformance.LeaseLog) {
		t.Helper()
		l := memx.NewLog(logConfig(s))
		return l, l
	})
}

// The cursors in memory keep the contract of flow.Cursors.
func TestLog_Cursors(t *testing.T) {
	conformance.Cursors(t, func(t *testing.T, s conformance.LogSettings) (one, other conformance.CursorLog) {
		t.Helper()
		l := memx.NewLog(logConfig(s))
		return l, l
	})
}
