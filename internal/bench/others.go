//go:build linux

package bench

import (
	"fmt"
	"syscall"
	"time"

	"github.com/fiberflow/flow/internal/load"
)

// Others measures what unrelated programs take of the machine's CPU, which disturbs.
type Others struct {
	began time.Time
	cpu   time.Duration
}

// WatchOthers begins now.
func WatchOthers() (Others, error) {
	cpu, err := othersCPU()
	return Others{began: time.Now(), cpu: cpu}, err
}

// Took returns how many cores they took. Processes that this one started, and that still run, count as
// others.
func (o Others) Took() (cores float64, err error) {
	cpu, err := othersCPU()
	return (cpu - o.cpu).Seconds() / time.Since(o.began).Seconds(), err
}

func othersCPU() (time.Duration, error) {
	machine, err := load.MachineCPU()
	if err != nil {
		return 0, err
	}
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var used syscall.Rusage
		if err := syscall.Getrusage(who, &used); err != nil {
			return 0, fmt.Errorf("getrusage: %w", err)
		}
		machine -= time.Duration(used.Utime.Nano() + used.Stime.Nano())
	}
	return machine, nil
}
