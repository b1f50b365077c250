//go:build linux

package bench

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// cycle is a line of GODEBUG=gctrace=1: the times of the phases by the clock, and in CPU time. What idle
// cores did stands last in the middle one, and is not counted.
var cycle = regexp.MustCompile(`(?m)^gc \d+ @.*: ([\d.]+)\+[\d.]+\+([\d.]+) ms clock, ` +
	`([\d.]+)\+([\d.]+)/([\d.]+)/[\d.]+\+([\d.]+) ms cpu`)

// garbage is what the collector of all instances took.
type garbage struct {
	cpu   time.Duration
	pause time.Duration // the longest
}

// mark is how much the instances have logged so far.
func (s *site) mark() (marks []int) {
	for _, server := range s.servers {
		out, err := server.Output()
		s.run.must(err)
		marks = append(marks, len(out))
	}
	return marks
}

// collected reads what the collector did since a mark.
func (s *site) collected(marks []int) (all garbage) {
	s.run.Helper()
	for i, server := range s.servers {
		out, err := server.Output()
		s.run.must(err)
		one := parseCycles(out[marks[i]:])
		all.cpu += one.cpu
		all.pause = max(all.pause, one.pause)
	}
	return all
}

func parseCycles(log string) (all garbage) {
	for _, found := range cycle.FindAllStringSubmatch(log, -1) {
		all.pause = max(all.pause, millis(found[1]), millis(found[2]))
		for _, phase := range found[3:] {
			all.cpu += millis(phase)
		}
	}
	return all
}

func millis(text string) time.Duration {
	v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil {
		return 0 // the pattern takes digits only
	}
	return time.Duration(v * float64(time.Millisecond))
}
