package conformance

import (
	"testing"
	"time"
)

const (
	// patience is how long a case waits for what has to happen.
	patience = 15 * time.Second
	// beat is how often it looks.
	beat = 5 * time.Millisecond
	// renewing is the TTL of what a case renews again and again, so that it does not end: longer than a busy machine
	// stands still.
	renewing = 3 * time.Second
)

// eventually looks until ok, and ends the test when patience runs out.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited %v in vain: %s", patience, what)
		case <-t.Context().Done():
			t.Fatalf("test ended while waiting: %s", what)
		}
	}
}

// await receives from c, and ends the test when patience runs out.
func await[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("waited %v in vain: %s", patience, what)
	}
	var none T
	return none
}
