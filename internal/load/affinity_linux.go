package load

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"unsafe"
)

// cores is a set of up to 1,024 cores, as the kernel has it.
type cores [16]uint64

func (c *cores) set(core int) { c[core/64] |= 1 << (core % 64) }

// affinity calls the kernel for a thread of this process; 0 is the calling one.
func affinity(call uintptr, thread int, set *cores) error {
	_, _, errno := syscall.RawSyscall(call, uintptr(thread), unsafe.Sizeof(*set),
		uintptr(unsafe.Pointer(set))) //nolint:gosec // the standard library has no wrapper
	if errno != 0 {
		return fmt.Errorf("affinity of thread %d: %w", thread, errno)
	}
	return nil
}

// OnCore calls do on one core. Processes that do starts stay there.
func OnCore(core int, do func()) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, only cores
	if err := affinity(syscall.SYS_SCHED_GETAFFINITY, 0, &before); err != nil {
		return err
	}
	only.set(core)
	if err := affinity(syscall.SYS_SCHED_SETAFFINITY, 0, &only); err != nil {
		return err
	}
	// A thread that may be elsewhere again was on that core for as long as do took.
	defer func() { _ = affinity(syscall.SYS_SCHED_SETAFFINITY, 0, &before) }()
	do()
	return nil
}

// StayOn moves this process to one core, all its threads and those to come.
func StayOn(core int) error {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	var only cores
	only.set(core)
	for _, thread := range threads {
		id, err := strconv.Atoi(thread.Name())
		if err != nil {
			return err
		}
		if err := affinity(syscall.SYS_SCHED_SETAFFINITY, id, &only); err != nil {
			return err
		}
	}
	return nil
}
