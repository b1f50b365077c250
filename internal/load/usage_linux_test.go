package load_test

import (
	"os"
	"testing"

	"github.com/fiberflow/flow/internal/load"
)

// A process is seen to use memory and CPU time, no more of it than the whole machine.
func TestUsageOf(t *testing.T) {
	before, err := load.UsageOf(os.Getpid())
	if err != nil {
		t.Fatalf("UsageOf: %v", err)
	}
	if before.Resident < 1<<20 || before.Peak < before.Resident {
		t.Errorf("resident %d, peak %d bytes", before.Resident, before.Peak)
	}
	for now := before; now.CPU == before.CPU; { // until the clock of CPU times has moved
		if now, err = load.UsageOf(os.Getpid()); err != nil {
			t.Fatalf("UsageOf: %v", err)
		}
	}
	machine, err := load.MachineCPU()
	if err != nil || machine < before.CPU {
		t.Errorf("MachineCPU = %v, %v, but this process used %v", machine, err, before.CPU)
	}
}

// A process that does not exist is an error.
func TestUsageOf_Nobody(t *testing.T) {
	if usage, err := load.UsageOf(1 << 30); err == nil {
		t.Errorf("UsageOf = %+v", usage)
	}
}
