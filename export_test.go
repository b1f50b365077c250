package flow

import (
	"maps"
	"slices"
)

// RequestTypes returns the types of messages that clients may send, from the table that serves them.
func RequestTypes() []string { return slices.Sorted(maps.Keys(requests())) }
