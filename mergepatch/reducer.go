package mergepatch

import (
	"errors"
	"fmt"

	"github.com/fiberflow/flow"
)

// The contracts that the hub knows a [Reducer] by.
var (
	_ flow.Folder = Reducer{}
	_ flow.Differ = Reducer{}
)

// Reducer reads operations as JSON merge patches. It has no state of its own.
type Reducer struct{}

// Apply returns the state with one patch applied.
func (r Reducer) Apply(state, op []byte) ([]byte, error) {
	return r.Fold(state, [][]byte{op})
}

// Check returns a [*flow.Error] when the operation is not JSON, or nested too deep. Any other can be
// applied to any state.
func (Reducer) Check(op []byte) error {
	_, err := clean("the patch", op)
	return err
}

// Fold returns the state with patches applied one after the other. It fails, and applies none, when Check
// would refuse one of them, or when the state is not JSON.
func (Reducer) Fold(state []byte, ops [][]byte) ([]byte, error) {
	if len(ops) == 0 {
		return state, nil
	}
	patches, size := make([]node, len(ops)), len(state)
	for i, op := range ops {
		text, err := clean("the patch", op)
		if err != nil {
			return nil, err
		}
		patches[i] = parse(text, false)
		size += len(text)
	}
	next, err := merge(state, together(patches), size)
	if !errors.Is(err, errRepeated) {
		return next, err
	}
	text, err := clean("the state", state)
	if err != nil {
		return nil, err
	}
	return merge(parse(text, false).append(nil), together(patches), size)
}

// together returns what patches do one after the other.
func together(patches []node) *change {
	all := &change{}
	for _, patch := range patches {
		all.patch(patch)
	}
	return all
}

// Diff returns the smallest patch that makes one state of another, member by member; nil when they are
// equal.
func (Reducer) Diff(from, to []byte) ([]byte, error) {
	if len(to) == 0 {
		if len(from) == 0 {
			return nil, nil
		}
		return nil, flow.Errorf(flow.CodeRejected,
			"there was no state yet: a merge patch can empty a state, but not take it away")
	}
	text, err := clean("the state to come to", to)
	if err != nil {
		return nil, err
	}
	var d differ
	if len(from) == 0 {
		if err := d.add(parse(text, true)); err != nil {
			return nil, err
		}
		return d.buf, nil
	}
	old, err := clean("the state to come from", from)
	if err != nil {
		return nil, err
	}
	if differs, err := d.value(parse(old, true), parse(text, true)); err != nil || !differs {
		return nil, err
	}
	return d.buf, nil
}

// refuse returns an error that a client may see.
func refuse(format string, args ...any) error {
	return flow.Errorf(flow.CodeRejected, fmt.Sprintf(format, args...))
}
