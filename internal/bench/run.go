//go:build linux

package bench

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Scenario is one kind of work.
type Scenario struct {
	Name string
	play func(r *Run)
}

// Scenarios are all of them, in the order of the table.
func Scenarios() []Scenario {
	return []Scenario{
		{"S1", (*Run).fanOut},
		{"S1held", (*Run).fanOutHeld},
		{"S2", (*Run).manyRooms},
		{"S3", (*Run).cursors},
		{"S4", (*Run).acknowledged},
		{"S5", (*Run).idle},
		{"S6", (*Run).twoInstances},
		{"S7", (*Run).comeback},
		{"members", (*Run).linearMembers},
		{"rooms", (*Run).linearRooms},
		{"large", (*Run).largeRoom},
		{"slow", (*Run).slowReaders},
	}
}

// Run is one run of a scenario. What goes wrong ends the test.
type Run struct {
	testing.TB

	Side    Side          // whom is measured
	For     time.Duration // of what is measured
	Small   bool          // as few users as make sense
	Profile string        // directory for profiles of the server, empty for none
	Table   *Table

	scenario string
	profiles int
}

// Play plays a scenario once.
func (r *Run) Play(s Scenario) {
	r.Helper()
	r.scenario = s.Name
	s.play(r)
}

// pick returns a number of the scenario: the full one, or that of a small run.
func (r *Run) pick(full, small int) int {
	if r.Small {
		return small
	}
	return full
}

// report adds a row, or a run to a row that is there.
func (r *Run) report(work, measure string, value float64, goal string) {
	r.Table.add(row{scenario: r.scenario, side: r.Side.Name, work: work, measure: measure, goal: goal}, value)
}

// note adds a line below the table.
func (r *Run) note(format string, args ...any) {
	r.Table.Note("%s", strings.TrimSpace(r.Side.Name+" "+r.scenario)+" "+fmt.Sprintf(format, args...))
}

// must ends the test with an error.
func (r *Run) must(err error) {
	r.Helper()
	if err != nil {
		r.Fatalf("%s: %v", r.scenario, err)
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
