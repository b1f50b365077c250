//go:build linux

package bench

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/fiberflow/flow/internal/load"
)

// Side is a server that plays the scenarios: the example, or a peer on the same work.
type Side struct {
	Name        string // for the table; empty for the example alone
	Program     string
	Dialect     load.Dialect
	Environment []string // of the server, in addition to that of the scenario
	Presence    bool     // the server tells who is there only if it is asked
	Only        []string // scenarios; empty for all
}

// Plays tells whether a scenario is for this side.
func (s Side) Plays(scenario Scenario) bool {
	return len(s.Only) == 0 || slices.Contains(s.Only, scenario.Name)
}

// Beside returns the example and its peers: a server on Centrifuge, and the same again with what it offers
// for some work. It collects what it writes for 5 ms; it keeps little of an idle connection; and two things
// that the example always does: it keeps what is sent twice once, and tells members who else is there.
func Beside(example, centrifuge string) []Side {
	all := []string{"S1", "S1held", "S2", "S3", "S4", "S5", "S6", "S7"}
	peer := Side{Name: "Centrifuge", Program: centrifuge, Dialect: load.Centrifuge, Only: all}
	delayed, lean, once, present := peer, peer, peer, peer
	delayed.Name, delayed.Only = "Centrifuge, 5 ms", []string{"S1", "S1held", "S3"}
	delayed.Environment = []string{"CENTRIFUGE_WRITE_DELAY=5ms", "CENTRIFUGE_FRAME_MESSAGES=-1"}
	lean.Name, lean.Only = "Centrifuge, lean", []string{"S5", "S7"}
	lean.Environment = []string{"CENTRIFUGE_OFF_READ_LOOP=true"}
	once.Name, once.Only = "Centrifuge, once", []string{"S2", "S4"}
	once.Environment = []string{"CENTRIFUGE_IDEMPOTENT=true"}
	present.Name, present.Only = "Centrifuge, presence", []string{"S5", "S7"}
	present.Environment, present.Presence = []string{"CENTRIFUGE_PRESENCE=true"}, true
	return []Side{{Name: "flow", Program: example, Only: all}, peer, delayed, lean, once, present}
}

// BuildPeers compiles the peers, which are a module of their own, into dir. It is called in the directory
// of this package.
func BuildPeers(dir string) (centrifuge string, err error) {
	centrifuge = filepath.Join(dir, "centrifuge")
	build := exec.Command("go", "build", "-C", "peers", "-o", centrifuge, "./centrifuge") //nolint:gosec // our own
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the peers: %w\n%s", err, out)
	}
	return centrifuge, nil
}
