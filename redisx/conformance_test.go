package redisx_test

import (
	"testing"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/conformance"
	"github.com/fiberflow/flow/internal/redistest"
	"github.com/fiberflow/flow/memx"
	"github.com/fiberflow/flow/redisx"
)

func logConfig(s conformance.LogSettings) redisx.Config {
	return redisx.Config{
		OperationLimit: s.OperationLimit, OperationTTL: s.OperationTTL, SessionTTL: s.SessionTTL,
		TombstoneTTL: s.TombstoneTTL, KeyTTL: s.KeyTTL, Settle: s.Settle,
	}
}

// The log on Redis keeps the contract of flow.Log, seen from two instances.
func TestLog(t *testing.T) {
	t.Parallel()
	conformance.Log(t, func(t *testing.T, s conformance.LogSettings) (one, other flow.Log) {
		t.Helper()
		config := logConfig(s)
		config.Prefix = redistest.Prefix(t)
		return redisx.NewLog(open(t, config)), redisx.NewLog(open(t, config))
	})
}

// Redis and memory give the same answers to the same calls.
func TestLog_Differential(t *testing.T) {
	t.Parallel()
	conformance.DifferentialLog(t, func(t *testing.T, s conformance.LogSettings) (a, b flow.Log) {
		t.Helper()
		return redisx.NewLog(open(t, logConfig(s))), memx.NewLog(memx.LogConfig{
			OperationLimit: s.OperationLimit, OperationTTL: s.OperationTTL, SessionTTL: s.SessionTTL,
			TombstoneTTL: s.TombstoneTTL, KeyTTL: s.KeyTTL, Settle: s.Settle,
		})
	})
}

// The leases on Redis keep the contract of flow.Leases, seen from two instances.
func TestLog_Leases(t *testing.T) {
	t.Parallel()
	conformance.Leases(t, func(t *testing.T, s conformance.LogSettings) (one, other conformance.LeaseLog) {
		t.Helper()
		config := logConfig(s)
		config.Prefix = redistest.Prefix(t)
		return redisx.NewLog(open(t, config)), redisx.NewLog(open(t, config))
	})
}

// The cursors on Redis keep the contract of flow.Cursors, seen from two instances.
func TestLog_Cursors(t *testing.T) {
	t.Parallel()
	conformance.Cursors(t, func(t *testing.T, s conformance.LogSettings) (one, other conformance.CursorLog) {
		t.Helper()
		config := logConfig(s)
		config.Prefix = redistest.Prefix(t)
		return redisx.NewLog(open(t, config)), redisx.NewLog(open(t, config))
	})
}

// The bus on Redis keeps the contract of flow.Bus, between two instances.
func TestBus(t *testing.T) {
	t.Parallel()
	conformance.Bus(t, func(t *testing.T) (one, other flow.Bus) {
		t.Helper()
		config := redisx.Config{Prefix: redistest.Prefix(t)}
		return redisx.NewBus(open(t, config)), redisx.NewBus(open(t, config))
	})
}

// The sessions on Redis keep the contract of flow.SessionStore, seen from two instances.
func TestSessionStore(t *testing.T) {
	t.Parallel()
	conformance.SessionStore(t, func(t *testing.T, s conformance.SessionSettings) (one, other flow.SessionStore) {
		t.Helper()
		config := redisx.Config{
			Prefix: redistest.Prefix(t), SessionTTL: s.SessionTTL, InstanceTTL: s.InstanceTTL,
		}
		return redisx.NewSessionStore(open(t, config)), redisx.NewSessionStore(open(t, config))
	})
}
