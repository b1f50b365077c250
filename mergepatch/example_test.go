package mergepatch_test

import (
	"fmt"

	"github.com/fiberflow/flow/mergepatch"
)

// Two people change a board. Their patches are applied in the order of the room's log.
func ExampleReducer_Fold() {
	state := []byte(`{"title":"Plan","nodes":{"n1":{"x":10,"text":"Start"},"n2":{"x":20,"text":"End"}}}`)
	ops := [][]byte{
		[]byte(`{"nodes":{"n1":{"x":15}}}`),          // Ann moves a node
		[]byte(`{"nodes":{"n1":{"text":"Begin"}}}`),  // Bob writes into it
		[]byte(`{"nodes":{"n2":null,"n3":{"x":0}}}`), // Ann removes one and adds one
	}
	next, err := mergepatch.Reducer{}.Fold(state, ops)
	fmt.Println(string(next), err)
	// Output: {"title":"Plan","nodes":{"n1":{"x":15,"text":"Begin"},"n3":{"x":0}}} <nil>
}

// A room goes back by an operation like any other.
func ExampleReducer_Diff() {
	now := []byte(`{"title":"Plan B","nodes":{"n1":{"x":15},"n2":{"x":20}}}`)
	earlier := []byte(`{"title":"Plan","nodes":{"n1":{"x":10}}}`)
	var r mergepatch.Reducer
	patch, err := r.Diff(now, earlier)
	fmt.Println(string(patch), err)
	again, err := r.Apply(now, patch)
	fmt.Println(string(again), err)

	_, err = r.Diff(now, []byte(`{"title":null}`))
	fmt.Println(err)
	// Output:
	// {"title":"Plan","nodes":{"n2":null,"n1":{"x":10}}} <nil>
	// {"title":"Plan","nodes":{"n1":{"x":10}}} <nil>
	// rejected: there would be null at "/title": a merge patch can remove a member, but not make it null
}
