package attack_test

import (
	"sync"
	"testing"
	"time"

	"github.com/fiberflow/flow/internal/attack"
)

// outcome is how gently a server with narrow limits is flooded, and what is to come of it, at least once:
// codes of refusals, and byes.
type outcome struct {
	workers, perSecond int
	refused, ended     []string
}

// outcomes has every kind.
func outcomes() map[string]outcome {
	limited := []string{"rate_limited"}
	return map[string]outcome{
		"operations":                 {2, 100, limited, limited},
		"operations of new sessions": {2, 4, limited, limited},
		"events":                     {2, 40, limited, limited},
		"presence":                   {2, 40, limited, limited},
		"pings":                      {2, 300, limited, limited},
		"empty arrays":               {2, 300, limited, limited},
		"no JSON":                    {2, 300, []string{"invalid_message", "rate_limited"}, limited},
		"arrays of 256 pings":        {2, 4, limited, limited},
		"large operations":           {2, 10, limited, limited},
		"joins and leaves":           {2, 40, limited, limited},
		"joins of new rooms":         {2, 40, limited, limited},
		"forged resume tokens":       {2, 40, []string{"stale_session", "rate_limited"}, limited},
		"connections":                {2, 40, []string{"429 rate_limited"}, nil},
		"sockets without a token":    {2, 5, nil, []string{"overloaded"}},
		"streams":                    {2, 5, []string{"429 rate_limited"}, nil},
		"REST":                       {2, 40, []string{"429 rate_limited"}, nil},
		"slow readers":               {3, 20, nil, []string{""}},
	}
}

// Who floods is refused with the code of the contract, and thrown out where the contract says so; whoever
// shares the room is refused nothing, and has every operation confirmed.
func TestRun(t *testing.T) {
	all := outcomes()
	var group sync.WaitGroup
	for _, kind := range attack.Kinds() {
		want, ok := all[kind.Name]
		if !ok {
			t.Errorf("%s: this kind of flood has no outcome", kind.Name)
			continue
		}
		kind.Workers, kind.PerSecond = want.workers, want.perSecond
		// All at the same time, more than t.Parallel lets run: each waits for the ten seconds after which a
		// socket is ended.
		group.Go(func() { t.Run(kind.Name, func(t *testing.T) { flood(t, kind, want) }) })
	}
	group.Wait()
}

func flood(t *testing.T, kind attack.Kind, want outcome) {
	t.Helper()
	report, err := attack.Run(t.Context(), serve(t), attack.Plan{
		Kind: kind, Neighbours: 3, Quiet: time.Second, Flood: 45 * time.Second,
		Enough: func(o *attack.Outcome) bool { return len(want.missing(o)) == 0 },
	})
	if err != nil {
		t.Errorf("Run: %v", err)
	}
	t.Logf("%d sent, %d opened in %v: %v", report.Outcome.Sent(), report.Outcome.Opened(), report.Took, report.Outcome)
	for _, missing := range want.missing(report.Outcome) {
		t.Errorf("never %s", missing)
	}
}

// missing tells what has not come of a flood yet.
func (w outcome) missing(o *attack.Outcome) (missing []string) {
	for _, code := range w.refused {
		if o.Refused(code) == 0 {
			missing = append(missing, "refused "+code)
		}
	}
	for _, bye := range w.ended {
		if o.Ended(bye) == 0 {
			missing = append(missing, "ended "+bye)
		}
	}
	return missing
}
