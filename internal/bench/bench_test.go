//go:build linux

package bench_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fiberflow/flow/internal/bench"
	"github.com/fiberflow/flow/internal/load"
)

var (
	chosen  = flag.String("scenarios", "", "which of them to play in full, like S1,S2, or all; empty: all in small")
	runs    = flag.Int("runs", 3, "how often each scenario is played")
	lasting = flag.Duration("for", 5*time.Second, "how long one measurement lasts")
	profile = flag.String("profile", "", "directory for CPU and heap profiles of the server")
	beside  = flag.Bool("beside", false, "play them against the peers too, and compare")
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Each scenario, in small: all that was sent arrives where it should, and every measure is taken. With
// -scenarios it is the full work, and the table is printed.
func TestScenarios(t *testing.T) {
	if *chosen != "" {
		inFull(t)
		return
	}
	program, err := load.Build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	side := bench.Side{Program: program}
	for _, scenario := range bench.Scenarios() {
		t.Run(scenario.Name, func(t *testing.T) {
			table := &bench.Table{}
			run := &bench.Run{TB: t, Side: side, For: 200 * time.Millisecond, Small: true, Table: table}
			run.Play(scenario)
			if table.Measures(scenario.Name) == 0 {
				t.Error("nothing was measured")
			}
		})
	}
}

// inFull plays the chosen scenarios, run by run, so that what disturbs one run disturbs all of them.
func inFull(t *testing.T) {
	t.Helper()
	sides, err := build(t)
	if err != nil {
		t.Fatal(err)
	}
	if err := load.StayOn(bench.GeneratorCore); err != nil {
		t.Fatal(err)
	}
	table := &bench.Table{}
	t.Cleanup(func() { show(table) })
	for _, note := range bench.Machine() {
		table.Note("%s", note)
	}
	for number := range *runs {
		table.Round = number
		for _, scenario := range bench.Scenarios() {
			if *chosen != "all" && !slices.Contains(strings.Split(*chosen, ","), scenario.Name) {
				continue
			}
			fmt.Fprintf(os.Stderr, "run %d of %d: %s\n", number+1, *runs, scenario.Name)
			for _, side := range sides {
				if side.Plays(scenario) {
					play(t, scenario, side, table)
				}
			}
		}
	}
}

// play plays one scenario once in full.
func play(t *testing.T, scenario bench.Scenario, side bench.Side, table *bench.Table) {
	t.Helper()
	others, err := bench.WatchOthers()
	if err != nil {
		t.Fatal(err)
	}
	t.Run(strings.TrimSpace(scenario.Name+" "+side.Name), func(t *testing.T) {
		run := &bench.Run{TB: t, Side: side, For: *lasting, Profile: *profile, Table: table}
		run.Play(scenario)
	})
	took, err := others.Took()
	if err != nil {
		t.Fatal(err)
	}
	table.Disturbed(scenario.Name, side.Name, took)
}

func show(table *bench.Table) {
	if *beside {
		table.PrintBeside(os.Stdout)
		return
	}
	table.Print(os.Stdout)
}

// build returns the servers that are measured.
func build(t *testing.T) ([]bench.Side, error) {
	t.Helper()
	if *profile == "" {
		program, err := load.Build(t.TempDir())
		if err != nil || !*beside {
			return []bench.Side{{Program: program}}, err
		}
		peer, err := bench.BuildPeers(t.TempDir())
		return bench.Beside(program, peer), err
	}
	if *beside {
		return nil, errors.New("profiles are of the example alone")
	}
	if err := os.MkdirAll(*profile, 0o750); err != nil {
		return nil, err
	}
	program, err := bench.BuildProfiled(t.TempDir())
	return []bench.Side{{Program: program}}, err
}
