package scale_test

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/fiberflow/flow/internal/scale"
)

// example is one of the loads of the document.
type example struct {
	name   string
	load   scale.Load
	byRoom bool
}

func examples() (list []example) {
	const million = 1_000_000
	for _, e := range []example{
		{name: "idle presence", load: scale.Load{Members: 10, Moves: 1.0 / 60}},
		{name: "boards", load: scale.Load{Members: 5, Operations: 0.1, Moves: 0.5}},
		{name: "chat", load: scale.Load{Members: 50, Operations: 0.02, Events: 0.02}},
	} {
		e.load.Sockets, e.load.Returns = million, 1.0/600
		list = append(list, e)
		e.byRoom = true
		list = append(list, e)
	}
	return list
}

func machine() scale.Machine { return scale.Machine{Cores: 4, Bytes: 8 << 30, Sockets: 100_000} }

// The table of the worked example in docs/scaling.md is what the formulas say.
func TestPlan_Document(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../../docs/scaling.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range examples() {
		line := row(e, e.load.Plan(scale.Measured(), machine(), e.byRoom))
		if !strings.Contains(string(document), line) {
			t.Errorf("docs/scaling.md lacks the line\n%s", line)
		}
	}
}

func row(e example, p scale.Plan) string {
	placed, redis := "by chance", "one, with Sentinels"
	if e.byRoom {
		placed = "by room"
	}
	switch {
	case p.Masters > 1 && p.Sites == 1:
		redis = fmt.Sprintf("a Cluster of %.0f + %.0f", p.Masters, p.Masters)
	case p.Masters > 1:
		redis = fmt.Sprintf("%.0f times a Cluster of %.0f + %.0f", p.Sites, p.Masters, p.Masters)
	}
	return fmt.Sprintf("| %s, %s | %.1f | %s | %s | %.0f | %.0f | %.1f | %s |", e.name, placed, p.Hearing,
		thousands(p.Messages), thousands(p.Deliveries), p.Cores, p.Instances, p.Redis, redis)
}

func thousands(n float64) string { return fmt.Sprintf("%.0f k", n/1000) }

// A plan has room for its load, and more of anything never needs less (I9).
func TestPlan_Enough(t *testing.T) {
	t.Parallel()
	c, m := scale.Measured(), machine()
	for _, e := range examples() {
		before := 0.0
		for _, sockets := range []float64{1000, 10_000, 100_000, 1_000_000} {
			l := e.load
			l.Sockets = sockets
			p := l.Plan(c, m, e.byRoom)
			if p.Cores > p.Instances*m.Cores/2 || sockets > p.Instances*m.Sockets {
				t.Errorf("%s: %.0f sockets and %.1f cores on %.0f instances", e.name, sockets, p.Cores, p.Instances)
			}
			if p.Redis/p.Sites/p.Masters > 0.5 {
				t.Errorf("%s: %.1f cores on %.0f times %.0f masters", e.name, p.Redis, p.Sites, p.Masters)
			}
			if p.Instances < before || p.Instances != math.Trunc(p.Instances) {
				t.Errorf("%s: %.1f instances for %.0f sockets, after %.0f", e.name, p.Instances, sockets, before)
			}
			before = p.Instances
		}
	}
}
