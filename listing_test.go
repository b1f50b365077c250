package flow

import (
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Whatever comes in whatever order, how often ever, a page has the first ids behind its beginning and up to its
// bound, and it is open only if more may come behind that.
func TestListing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[a-d]{1,3}`)
		ids := rapid.SliceOfN(name, 0, 200).Draw(t, "ids")
		l := listing{
			after: rapid.OneOf(rapid.Just(""), name).Draw(t, "after"),
			last:  rapid.OneOf(rapid.Just(""), name).Draw(t, "last"),
			limit: rapid.IntRange(0, 20).Draw(t, "limit"),
		}
		want := slices.Compact(slices.Sorted(slices.Values(slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
			return id <= l.after || l.last != "" && id > l.last
		}))))
		want = want[:min(len(want), l.limit)]
		bounded := l.last != ""
		rand.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
		for _, id := range ids {
			l.add(id)
		}
		if got := l.page(); !slices.Equal(got, want) {
			t.Fatalf("the page has %q, want %q", got, want)
		}
		if l.open() != (bounded && len(want) < l.limit) {
			t.Fatalf("open is %v, %d of %d, bounded %v", l.open(), len(want), l.limit, bounded)
		}
	})
}
