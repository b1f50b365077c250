package flow // internal: the simulation looks into the sequencer

import (
	"strings"
	"testing"
)

// mutantSchedules is how many schedules a mistake may survive.
const mutantSchedules = 3000

// The simulation finds deliberate mistakes, each by the invariant that it breaks. They are made in the
// simulation's own shell and log; .ci/mutants makes them in the source.
func TestSimulation_Mutants(t *testing.T) {
	for name, tc := range map[string]struct {
		mutant simMutant
		breaks string
	}{
		"no dedupe":                      {mutantDedupe, "I1: "},
		"confirm before the log answers": {mutantConfirm, "I2: "},
		"no re-seed":                     {mutantSeed, "I1: "},
		"journal dropped on recovery":    {mutantJournal, "I14: "},
		"jump over a missing n":          {mutantJump, "I1: "},
		"publish outside the script":     {mutantPublish, "I2: "},
	} {
		t.Run(name, func(t *testing.T) {
			others := 0
			for seed := range uint64(mutantSchedules) {
				s := newSimSchedule(seed + 1)
				s.mutant = tc.mutant
				failure := s.play(nil)
				if strings.HasPrefix(failure, tc.breaks) {
					t.Logf("seed %d, after %d that broke something else: %s", s.seed, others, failure)
					return
				}
				if failure != "" {
					others++
				}
			}
			t.Fatalf("%d schedules do not find it by %s%d break something else", mutantSchedules, tc.breaks, others)
		})
	}
}
