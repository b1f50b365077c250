package memx

import (
	"maps"
	"slices"
)

// shrinkAbove is up to how many entries a map or an array may keep the memory that it once needed.
const shrinkAbove = 64

// sparse reports whether so few are left of what there once was, that it is worth to copy them.
func sparse(left, once int) bool { return once > shrinkAbove && left < once/4 }

// shrunkMap returns a map with the same entries and no more memory than they need. Those that were
// deleted leave theirs behind, and to clone a map clones that too.
func shrunkMap[K comparable, V any](m map[K]V) map[K]V {
	fresh := make(map[K]V, len(m))
	maps.Copy(fresh, m)
	return fresh
}

// shrunkSlice returns s, in an array of its own if it uses little of the one it has.
func shrunkSlice[S ~[]E, E any](s S) S {
	if !sparse(len(s), cap(s)) {
		return s
	}
	return slices.Clone(s)
}
