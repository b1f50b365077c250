package load

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// jiffy is the unit of CPU times in /proc: a hundredth of a second on every Linux of today.
const jiffy = 10 * time.Millisecond

// Usage is what a process has used.
type Usage struct {
	CPU      time.Duration // since its start, in user and system mode
	Resident int64         // bytes, now
	Peak     int64         // bytes resident, at most so far
}

// UsageOf reads the usage of a process from /proc, so it needs Linux.
func UsageOf(pid int) (u Usage, err error) {
	dir := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(dir + "/stat") //nolint:gosec // under /proc
	if err != nil {
		return u, err
	}
	// The name of the program stands in parentheses and may hold anything; utime and stime are the
	// 12th and 13th field after it.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 13 {
		return u, fmt.Errorf("%s/stat has %d fields", dir, len(fields))
	}
	if u.CPU, err = jiffies(fields[11:13]); err != nil {
		return u, err
	}
	status, err := os.ReadFile(dir + "/status") //nolint:gosec // under /proc
	if err != nil {
		return u, err
	}
	if u.Resident, err = kilobytes(string(status), "VmRSS:"); err != nil {
		return u, err
	}
	u.Peak, err = kilobytes(string(status), "VmHWM:")
	return u, err
}

// MachineCPU returns the CPU time that all programs of the machine have used.
func MachineCPU() (time.Duration, error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(stat), "\n")
	fields := strings.Fields(line) // cpu user nice system idle iowait irq softirq steal …
	if len(fields) < 9 {
		return 0, fmt.Errorf("/proc/stat begins with %q", line)
	}
	return jiffies(append(fields[1:4:4], fields[6:9]...))
}

// jiffies adds up CPU times.
func jiffies(fields []string) (total time.Duration, err error) {
	for _, field := range fields {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		total += time.Duration(n) * jiffy
	}
	return total, nil
}

// kilobytes reads one line of /proc/<pid>/status.
func kilobytes(status, name string) (int64, error) {
	_, rest, _ := strings.Cut(status, name)
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0, fmt.Errorf("no %s in the status of a process", name)
	}
	n, err := strconv.ParseInt(fields[0], 10, 64)
	return n << 10, err
}
