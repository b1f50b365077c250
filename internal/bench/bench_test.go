//go:build linux

package bench_test

import (
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
	for _, scenario := range bench.Scenarios() {
		t.Run(scenario.Name, func(t *testing.T) {
			table := &bench.Table{}
			run := &bench.Run{TB: t, Program: program, For: 200 * time.Millisecond, Small: true, Table: table}
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
	program, err := build(t)
	if err != nil {
		t.Fatal(err)
	}
	if err := load.StayOn(bench.GeneratorCore); err != nil {
		t.Fatal(err)
	}
	table := &bench.Table{}
	t.Cleanup(func() { table.Print(os.Stdout) })
	for _, note := range bench.Machine() {
		table.Note("%s", note)
	}
	for number := range *runs {
		for _, scenario := range bench.Scenarios() {
			if *chosen != "all" && !slices.Contains(strings.Split(*chosen, ","), scenario.Name) {
				continue
			}
			fmt.Fprintf(os.Stderr, "run %d of %d: %s\n", number+1, *runs, scenario.Name)
			others, err := bench.WatchOthers()
			if err != nil {
				t.Fatal(err)
			}
			t.Run(scenario.Name, func(t *testing.T) {
				run := &bench.Run{TB: t, Program: program, For: *lasting, Profile: *profile, Table: table}
				run.Play(scenario)
			})
			took, err := others.Took()
			if err != nil {
				t.Fatal(err)
			}
			table.Disturbed(scenario.Name, took)
		}
	}
}

func build(t *testing.T) (program string, err error) {
	t.Helper()
	if *profile == "" {
		return load.Build(t.TempDir())
	}
	if err := os.MkdirAll(*profile, 0o750); err != nil {
		return "", err
	}
	return bench.BuildProfiled(t.TempDir())
}
