package redisx

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/fiberflow/flow"
)

// A look that was under way when others took over has no say, and nothing to tell: nobody would look again.
func TestBreaker_Retired(t *testing.T) {
	t.Parallel()
	var lines strings.Builder
	b := newBreaker(slog.New(slog.NewTextHandler(&lines, nil)), "", func(bool) {})
	b.proved()
	term := b.now.Load().term
	b.retire()
	b.trip(term, inDoubt, "connection refused", errors.New("connection refused"))
	b.trip(term, configuration, "NOAUTH", errors.New("NOAUTH"))
	if st := b.now.Load(); st.state != flow.Live || lines.Len() != 0 {
		t.Errorf("state %v after retire and trip, and told:\n%s", st.state, &lines)
	}
}
