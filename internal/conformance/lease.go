package conformance

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/fiberflow/flow"
)

// LeaseLog is a log that keeps leases.
type LeaseLog interface {
	flow.Log
	flow.Leases
}

// OpenLeases returns two handles on one fresh and empty storage.
type OpenLeases func(t *testing.T, s LogSettings) (one, other LeaseLog)

// Leases runs the suite of [flow.Leases].
func Leases(t *testing.T, open OpenLeases) {
	t.Helper()
	for _, c := range slices.Concat(leaseCases(), leaseFenceCases(), leaseEndCases()) {
		t.Run(c.name, func(t *testing.T) {
			one, other := open(t, c.settings)
			c.run(newLeaseTest(t, c.settings, one, other))
		})
	}
}

type leaseCase struct {
	name     string
	settings LogSettings
	run      func(t *leaseTest)
}

// leaseTest is one case under way. It has the words of the log's cases too.
type leaseTest struct {
	*logTest

	one, other LeaseLog
}

func newLeaseTest(t *testing.T, s LogSettings, one, other LeaseLog) *leaseTest {
	t.Helper()
	return &leaseTest{
		logTest: &logTest{T: t, one: one, other: other, settings: s}, one: one, other: other,
	}
}

// brief is the TTL of leases whose end a case waits for; others do not end before their case.
const brief = 50 * time.Millisecond

// lease returns one of an owner that does not end by itself.
func lease(name, owner string) flow.Lease {
	return flow.Lease{Name: name, Owner: owner, TTL: flow.MaxLease}
}

func (t *leaseTest) handles() []LeaseLog { return []LeaseLog{t.one, t.other} }

// take acquires leases that must be had.
func (t *leaseTest) take(list ...flow.Lease) {
	t.Helper()
	for i, l := range list {
		got, err := t.handles()[i%2].Acquire(t.Context(), room, flow.Position{}, l, false)
		if err != nil {
			t.Fatalf("Acquire(%+v): %v", l, err)
		}
		t.wantLease(got, l)
	}
}

// wantLease checks a lease as it is told: it lasts as long as was asked for, or less by now.
func (t *leaseTest) wantLease(got, expected flow.Lease) {
	t.Helper()
	want(t, "name", got.Name, expected.Name)
	want(t, "owner", got.Owner, expected.Owner)
	if got.TTL <= 0 || got.TTL > expected.TTL {
		t.Errorf("the lease lasts %v, want above zero and at most %v", got.TTL, expected.TTL)
	}
}

// wantLeases checks that these are in force, as every instance sees it. It may be called from any
// goroutine.
func (t *leaseTest) wantLeases(expected ...flow.Lease) {
	t.Helper()
	for _, handle := range t.handles() {
		list, err := handle.Leases(t.Context(), room)
		if err != nil || len(list) != len(expected) {
			t.Errorf("Leases are %+v, %v, want %+v", list, err, expected)
			return
		}
		for i := range list {
			t.wantLease(list[i], expected[i])
		}
	}
}

// wantLocked checks that an owner does not get what another has, held before or not, and learns whose it
// is.
func (t *leaseTest) wantLocked(asked, by flow.Lease) {
	t.Helper()
	t.wantLockedAs(false, asked, by)
	t.wantLockedAs(true, asked, by)
}

func (t *leaseTest) wantLockedAs(held bool, asked, by flow.Lease) {
	t.Helper()
	for _, handle := range t.handles() {
		got, err := handle.Acquire(t.Context(), room, flow.Position{}, asked, held)
		wantCode(t, err, flow.CodeLocked)
		t.wantLease(got, by)
	}
}

// wantRefused checks that an owner does not get a lease, for a reason that is no other owner, and that
// those in force stay as they are.
func (t *leaseTest) wantRefused(fence flow.Position, asked flow.Lease, held bool, reason error) {
	t.Helper()
	for _, handle := range t.handles() {
		before, err := handle.Leases(t.Context(), room)
		if err != nil {
			t.Fatalf("Leases: %v", err)
		}
		_, err = handle.Acquire(t.Context(), room, fence, asked, held)
		wantError(t, err, reason)
		t.wantLeases(before...)
	}
}

func (t *leaseTest) release(name, owner string) {
	t.Helper()
	if err := t.other.Release(t.Context(), room, name, owner); err != nil {
		t.Fatalf("Release(%q, %q): %v", name, owner, err)
	}
}

// becomesFree waits until an owner gets what another had.
func (t *leaseTest) becomesFree(asked flow.Lease) {
	t.Helper()
	eventually(t, fmt.Sprintf("%q ends", asked.Name), func() bool {
		_, err := t.other.Acquire(t.Context(), room, flow.Position{}, asked, false)
		if err != nil {
			wantCode(t, err, flow.CodeLocked)
		}
		return err == nil
	})
}
