//go:build linux

package bench // the pieces are no business of anybody else

import (
	"strings"
	"testing"
	"time"
)

// The log of a collector is read as Go writes it; what idle cores did does not count, and other lines
// are no cycles.
func TestParseCycles(t *testing.T) {
	log := `time=2026-01-01T00:00:00Z level=INFO msg="gc 1 @"
gc 1 @0.010s 2%: 0.013+0.45+0.002 ms clock, 0.013+0.10/0.20/9.0+0.002 ms cpu, 4->4->1 MB, 4 MB goal, 1 P
gc 2 @0.020s 2%: 0.5+1.5+0.25 ms clock, 1.0+0.5/0.25/0+0.25 ms cpu, 4->4->1 MB, 4 MB goal, 1 P (forced)
`
	got := parseCycles(log)
	if got.cpu != 315*time.Microsecond+2*time.Millisecond || got.pause != 500*time.Microsecond {
		t.Errorf("parseCycles = %+v, want 2.315 ms of CPU and a pause of 0.5 ms", got)
	}
	if got := parseCycles("nothing"); got != (garbage{}) {
		t.Errorf("parseCycles without a cycle = %+v", got)
	}
}

// A row holds all runs of a measure; the table shows the median and both ends, and each note once.
func TestTable(t *testing.T) {
	table := &Table{}
	for _, v := range []float64{3, 1, 2_200_000} {
		table.add(row{scenario: "S", work: "w", measure: "m", goal: "9"}, v)
	}
	table.add(row{scenario: "S", work: "w", measure: "other"}, 120.4)
	table.Note("note %d", 1)
	table.Note("note %d", 1)
	if got := table.Measures("S"); got != 4 {
		t.Errorf("Measures = %d, want 4", got)
	}
	var out strings.Builder
	table.Print(&out)
	text := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{"| S | w | m | 3 | 1 to 2.20 M | 3 | 9 |", "| other | 120 | 120 to 120 | 1 |"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if strings.Count(text, "note 1") != 1 {
		t.Errorf("the note stands there %d times", strings.Count(text, "note 1"))
	}
}

// Beside a peer each measure has the rows of both, and the ratio of what belongs together, run by run, with
// what is to be reached of that peer. What the peer does not play, or not to its end, has no ratio.
func TestTable_PrintBeside(t *testing.T) {
	table := &Table{}
	const measure = "CPU s a million deliveries"
	for run, values := range [][2]float64{{10, 20}, {30, 40}, {20, 100}} {
		table.Round = run
		table.add(row{scenario: "S2", side: "flow", work: "w, memory", measure: measure, goal: "9"}, values[0])
		table.add(row{scenario: "S2", side: "Centrifuge", work: "w, memory", measure: measure, goal: "9"}, values[1])
		table.add(row{scenario: "S2", side: "flow", work: "w, memory", measure: "p50, ms"}, float64(run))
	}
	table.Round = 3 // of which the peer's part went wrong
	table.add(row{scenario: "S2", side: "flow", work: "w, memory", measure: measure, goal: "9"}, 20)
	var out strings.Builder
	table.PrintBeside(&out)
	got := strings.Join(strings.Fields(out.String()), " ")
	want := "| S2 | w, memory | " + measure + " | flow | 20 | 10 to 30 | 4 | 9 | " +
		"| S2 | w, memory | " + measure + " | Centrifuge | 40 | 20 to 100 | 3 | | " +
		"| S2 | w, memory | " + measure + " | ratio | 0.5 | 0.2 to 0.75 | 3 | <= 0.65 | " +
		"| S2 | w, memory | p50, ms | flow | 1 | 0 to 2 | 3 | |"
	if !strings.HasSuffix(got, want) {
		t.Errorf("printed\n%s\nwant\n%s", got, want)
	}
}

// The median of an even number of runs is between the two in the middle.
func TestMedian(t *testing.T) {
	if got := median([]float64{1, 2, 4, 9}); got != 3 {
		t.Errorf("median = %v, want 3", got)
	}
}
