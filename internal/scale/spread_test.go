package scale_test

import (
	"flag"
	"math"
	"testing"

	"github.com/fiberflow/flow/internal/scale"
)

// rooms is how many are spread: a power of ten. All that is random here is the same in every run.
var rooms = flag.Int("rooms", 100_000, "how many rooms to spread over the slots of a Cluster")

// rank scatters the busy rooms over the ids: which room is how busy has nothing to do with its id.
func rank(i int) int { return i * 611_953 % *rooms } // coprime, so each rank comes once

// zipf is the work of a room by its rank: the second has half of the first, the third a third.
func zipf(i int) float64 { return 1 / float64(1+i) }

// spread is what a million rooms of a shape put on the slots.
type spread struct {
	rooms, busy, skewed []float64
	work                float64 // all of skewed
}

func spreadOf(s shape) spread {
	all := spread{
		rooms: make([]float64, scale.Slots), busy: make([]float64, scale.Slots),
		skewed: make([]float64, scale.Slots),
	}
	for i := range *rooms {
		slot, at := scale.Slot(s.id(i)), rank(i)
		all.rooms[slot]++
		if at < *rooms/100 {
			all.busy[slot]++
		}
		all.skewed[slot] += zipf(at)
		all.work += zipf(at)
	}
	return all
}

// deviations is how far chance may be from the mean: six standard deviations, and what equal stretches of
// slots differ by.
func deviations(masters, of int) float64 {
	return 6*math.Sqrt(float64(masters)/float64(of)) + float64(masters)/scale.Slots
}

// Many rooms of any usual shape fill the nodes of a Cluster evenly, and so does the work of the busy ones,
// when these are one in a hundred. Where a few rooms have most of the work, these rooms are the load of their
// nodes, and no number of nodes helps.
func TestSpread(t *testing.T) {
	t.Parallel()
	for _, s := range shapes() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			all := spreadOf(s)
			slots := scale.SpreadOf(all.rooms)
			t.Logf("a slot has %.0f rooms, %.0f to %.0f", slots.Mean, slots.Least, slots.Most)
			if bound := 8 / math.Sqrt(slots.Mean); slots.Excess() > bound {
				t.Errorf("slots have %.0f to %.0f rooms", slots.Least, slots.Most)
			}
			for _, masters := range []int{3, 6, 12, 24, 48, 96} {
				even, busy, skewed := nodes(all.rooms, masters), nodes(all.busy, masters), nodes(all.skewed, masters)
				t.Logf("%2d nodes: rooms +%.1f %%, 1 %% of them +%.0f %%, skewed +%.0f %%",
					masters, 100*even.Excess(), 100*busy.Excess(), 100*skewed.Excess())
				if bound := deviations(masters, *rooms); even.Excess() > bound {
					t.Errorf("%d nodes: +%.2f %% rooms, bound %.2f %%", masters, 100*even.Excess(), 100*bound)
				}
				if bound := deviations(masters, *rooms/100); busy.Excess() > bound {
					t.Errorf("%d nodes: +%.1f %% busy rooms, bound %.1f %%", masters, 100*busy.Excess(), 100*bound)
				}
				if hottest := zipf(0); skewed.Most < hottest || skewed.Most > (all.work/float64(masters)+4*hottest) {
					t.Errorf("%d nodes: the busiest has %.2f of the work of %.2f, and the busiest room %.2f",
						masters, skewed.Most, all.work, hottest)
				}
			}
		})
	}
}

// nodes adds up what is on the slots of each node.
func nodes(slots []float64, masters int) scale.Spread {
	counts := make([]float64, masters)
	for slot, n := range slots {
		counts[scale.Node(slot, masters)] += n
	}
	return scale.SpreadOf(counts)
}
