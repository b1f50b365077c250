//go:build linux

package bench

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Table is what was measured, one row for each measure of each scenario.
type Table struct {
	Round int // the one that is played now

	rows  []row
	notes []string
}

// row is one measure, with its value in each run.
type row struct {
	scenario, side, work, measure, goal string
	values                              []float64
	rounds                              []int // in which they were measured
}

func (t *Table) add(like row, value float64) {
	for i, r := range t.rows {
		if r.is(like) && r.side == like.side {
			t.rows[i].values, t.rows[i].rounds = append(r.values, value), append(r.rounds, t.Round)
			return
		}
	}
	like.values, like.rounds = []float64{value}, []int{t.Round}
	t.rows = append(t.rows, like)
}

// is tells whether two rows hold the same measure, of whichever side.
func (r row) is(like row) bool {
	return r.scenario == like.scenario && r.work == like.work && r.measure == like.measure
}

// Note adds a line below the table, once.
func (t *Table) Note(format string, args ...any) {
	if note := fmt.Sprintf(format, args...); !slices.Contains(t.notes, note) {
		t.notes = append(t.notes, note)
	}
}

// Measures returns how many values a scenario has.
func (t *Table) Measures(scenario string) (count int) {
	for _, r := range t.rows {
		if r.scenario == scenario {
			count += len(r.values)
		}
	}
	return count
}

// Disturbed adds a row for how many cores unrelated programs took in a run of a scenario.
func (t *Table) Disturbed(scenario, side string, cores float64) {
	t.add(row{scenario: scenario, side: side, work: "other programs", measure: "cores"}, cores)
}

// Print writes the table in Markdown, with the median of all runs and the smallest and largest value.
func (t *Table) Print(w io.Writer) {
	t.print(w, nil, func(w io.Writer) {
		for _, r := range t.rows {
			r.print(w)
		}
	})
}

// print writes a table with more columns behind the measure, and the notes.
func (t *Table) print(w io.Writer, more []string, rows func(w io.Writer)) {
	aligned := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	columns := slices.Concat([]string{"", "work", "measure"}, more, []string{"median", "spread", "runs", "to reach"})
	printLine(aligned, columns)
	printLine(aligned, slices.Repeat([]string{"---"}, len(columns)))
	rows(aligned)
	_ = aligned.Flush() // w is for people
	for _, note := range t.notes {
		fmt.Fprintln(w, "-", note)
	}
}

// print writes a row, with what belongs into the columns behind the measure.
func (r row) print(w io.Writer, more ...string) {
	sorted := slices.Sorted(slices.Values(r.values))
	printLine(w, slices.Concat([]string{r.scenario, r.work, r.measure}, more, []string{
		number(median(sorted)), number(sorted[0]) + " to " + number(sorted[len(sorted)-1]),
		strconv.Itoa(len(sorted)), r.goal,
	}))
}

func printLine(w io.Writer, cells []string) {
	fmt.Fprintf(w, "| %s \t|\n", strings.Join(cells, " \t| "))
}

func median(sorted []float64) float64 {
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// number writes three digits that count.
func number(v float64) string {
	switch {
	case v >= 1e6:
		return strconv.FormatFloat(v/1e6, 'f', 2, 64) + " M"
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	default:
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
}
