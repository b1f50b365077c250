package flow_test

import (
	"testing"

	"github.com/fiberflow/flow"
)

// Levels have the names of the contract, in an order in which each includes those before it.
func TestAccess_String(t *testing.T) {
	names := []string{"none", "viewer", "editor", "owner"}
	for i, level := range []flow.Access{flow.None, flow.Viewer, flow.Editor, flow.Owner} {
		if level.String() != names[i] || int(level) != i {
			t.Errorf("level %d is %q, want %q", level, level, names[i])
		}
	}
	// A level that does not exist says that it gives nothing.
	if got := flow.Access(4).String(); got != "none" {
		t.Errorf("level 4 is %q", got)
	}
}

// Names are read as they are written; anything else is no level, and gives nothing.
func TestParseAccess(t *testing.T) {
	for _, level := range []flow.Access{flow.None, flow.Viewer, flow.Editor, flow.Owner} {
		if got, ok := flow.ParseAccess(level.String()); !ok || got != level {
			t.Errorf("%q is %v, %v", level.String(), got, ok)
		}
	}
	for _, name := range []string{"", "Owner", "OWNER", "owner ", " owner", "admin", "3", "viewer,editor"} {
		if got, ok := flow.ParseAccess(name); ok || got != flow.None {
			t.Errorf("%q is %v, %v", name, got, ok)
		}
	}
}
