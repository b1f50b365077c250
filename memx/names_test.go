package memx

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Whatever comes and goes, every page has the names that follow, in order, and no block is empty or too large.
func TestNames(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var n names
		there := map[string]bool{}
		name := rapid.StringMatching(`[a-c]{0,8}`)
		for range rapid.IntRange(0, 40).Draw(t, "rounds") {
			comes := rapid.Bool().Draw(t, "comes")
			for _, one := range rapid.SliceOfN(name, 0, 200).Draw(t, "names") {
				if there[one] = comes; comes {
					n.add(one)
				} else {
					n.remove(one)
				}
			}
			var all []string
			for one, is := range there {
				if is {
					all = append(all, one)
				}
			}
			slices.Sort(all)
			after, limit := name.Draw(t, "after"), rapid.IntRange(0, 1000).Draw(t, "limit")
			want := slices.DeleteFunc(slices.Clone(all), func(one string) bool { return one <= after })
			if got := n.after(after, limit); !slices.Equal(got, want[:min(limit, len(want))]) {
				t.Fatalf("after %q: %q, want %d of %q", after, got, limit, want)
			}
			if joined := slices.Concat(n.blocks...); !slices.Equal(joined, all) {
				t.Fatalf("there are %q, want %q", joined, all)
			}
			for _, block := range n.blocks {
				if len(block) == 0 || len(block) > namesAtOnce {
					t.Fatalf("a block of %d", len(block))
				}
			}
		}
	})
}
