//go:build linux

package bench

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// Machine is what a reader must know about where a table comes from.
func Machine() []string {
	notes := []string{
		fmt.Sprintf("%d cores of %s, Linux %s, %s", runtime.NumCPU(), processor(),
			firstLine("/proc/sys/kernel/osrelease"), runtime.Version()),
		fmt.Sprintf("instances on core %d with GOMAXPROCS=1, generator and Redis on core %d; load average before: %s",
			ServerCore, GeneratorCore, firstLine("/proc/loadavg")),
	}
	if out, err := exec.Command("redis-server", "--version").Output(); err == nil {
		notes = append(notes, strings.TrimSpace(string(out)))
	}
	return notes
}

func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	_, rest, _ := strings.Cut(string(text), "model name")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimSpace(strings.TrimLeft(line, "\t :"))
}

func firstLine(path string) string {
	text, err := os.ReadFile(path) //nolint:gosec // under /proc
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(line)
}
