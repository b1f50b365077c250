//go:build linux

package bench

import (
	"io"
	"slices"
	"strings"
)

// aim is what the example is to reach of a peer's measure.
type aim struct{ scenario, side, work, measure, ratio string }

// aims are matched in order: by what a row's side and measure begin with, and its work ends with.
func aims() []aim {
	return []aim{
		{"S1", "Centrifuge, 5 ms", "", "deliveries a second", ">= 1.52"},
		{"S1", "Centrifuge", "", "deliveries a second", ">= 2.06"},
		{"S1held", "", "", "CPU s", "<= 0.8"},
		{"S1held", "", "", "p99", "<= 1"},
		{"S2", "", "memory", "CPU s a", "<= 0.65"},
		{"S2", "", "memory", "p99", "<= 0.3"},
		{"S2", "", "Redis", "CPU s", ""},
		{"S2", "", "Redis", "p99", ""},
		{"S3", "", "", "kept up", ">= 1"},
		{"S3", "", "", "age of the position shown", ""},
		{"S3", "", "", "server", "<= 0.35"},
		{"S4", "", "memory", "acknowledged", ">= 1.98"},
		{"S4", "", "Redis", "acknowledged", ">= 1.51"},
		{"S4", "", "memory", "p99", "<= 0.4"},
		{"S4", "", "Redis", "p99", ""},
		{"S5", "", "", "resident", "<= 0.5"},
		{"S5", "", "", "connects", ""},
		{"S5", "", "", "CPU", ""},
		{"S6", "", "", "to the other instance, p50", "<= 1"},
		{"S6", "", "", "CPU s a", "<= 0.6"},
		{"S7", "", "memory", "until the last is caught up", "<= 0.7"},
		{"S7", "", "Redis", "until the last is caught up", "<= 0.5"},
	}
}

// aimOf returns what is to be reached of a peer's row, if the ratio is of interest.
func aimOf(r row) (ratio string, ok bool) {
	for _, a := range aims() {
		if a.scenario == r.scenario && strings.HasPrefix(r.side, a.side) && strings.HasSuffix(r.work, a.work) &&
			strings.HasPrefix(r.measure, a.measure) {
			return a.ratio, true
		}
	}
	return "", false
}

// PrintBeside writes the table with the rows of all sides beside each other, and the ratios of the first
// side to each other one, run by run.
func (t *Table) PrintBeside(w io.Writer) {
	t.print(w, []string{"server"}, func(w io.Writer) {
		for _, ours := range t.rows {
			if ours.side == t.rows[0].side {
				t.printBeside(w, ours)
			}
		}
	})
}

// printBeside writes a row of the first side, and those of the others with their ratios.
func (t *Table) printBeside(w io.Writer, ours row) {
	ours.print(w, ours.side)
	for _, peer := range t.rows {
		if !peer.is(ours) || peer.side == ours.side {
			continue
		}
		peer.goal = ""
		peer.print(w, peer.side)
		if goal, ok := aimOf(peer); ok {
			ratio := ours.over(peer)
			ratio.goal = goal
			ratio.print(w, "ratio")
		}
	}
}

// over returns the ratios to another row, run by run.
func (r row) over(other row) row {
	ratio := row{scenario: r.scenario, work: r.work, measure: r.measure}
	for i, round := range r.rounds {
		if at := slices.Index(other.rounds, round); at >= 0 {
			ratio.values = append(ratio.values, r.values[i]/other.values[at])
		}
	}
	return ratio
}
