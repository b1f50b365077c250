package mergepatch_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/fiberflow/flow/mergepatch"
)

// merged is the pseudocode of RFC 7396, section 2.
func merged(target, patch any) any {
	members, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	object, _ := target.(map[string]any)
	if object = maps.Clone(object); object == nil {
		object = make(map[string]any)
	}
	for name, v := range members {
		if v == nil {
			delete(object, name)
		} else {
			object[name] = merged(object[name], v)
		}
	}
	return object
}

// Patches come to the state that the RFC's own pseudocode comes to, whatever is spelled how and repeated
// where. What comes out is compact, no longer than what went in, and what went in is as it was.
func TestReducer_AsTheRFC(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := texts{repeated: true}
		state, ops := []byte(x.draw(t, 4)), x.patches(t)
		want, size := value(t, state), len(state)
		for _, op := range ops {
			want = merged(want, value(t, op))
			size += len(op)
		}
		before := string(state) + string(bytes.Join(ops, nil))

		got, err := mergepatch.Reducer{}.Fold(state, ops)
		if err != nil {
			t.Fatalf("%s on %s: %v", ops, state, err)
		}
		if !isCompact(got) {
			t.Fatalf("%s on %s: %s is not compact JSON", ops, state, got)
		}
		if !reflect.DeepEqual(value(t, got), want) {
			text, _ := json.Marshal(want)
			t.Fatalf("%s on %s\ngot  %s\nwant %s", ops, state, got, text)
		}
		if len(got) > size {
			t.Fatalf("%s on %s: %d bytes became %d", ops, state, size, len(got))
		}
		if after := string(state) + string(bytes.Join(ops, nil)); after != before {
			t.Fatalf("%s became %s", before, after)
		}
	})
}

// Operations one by one and all at once come to the same bytes, wherever the hub cuts the log into
// batches; and no operation makes a state larger by more than its length and 16 bytes, as flow.Folder
// asks for.
func TestReducer_Batches(t *testing.T) {
	var r mergepatch.Reducer
	rapid.Check(t, func(t *rapid.T) {
		var state []byte
		if rapid.Bool().Draw(t, "has a state") {
			state = []byte(texts{halves: true}.draw(t, 4))
		}
		ops := texts{halves: true, repeated: true}.patches(t)
		all, err := r.Fold(state, ops)
		if err != nil {
			t.Fatal(err)
		}
		single := state
		for _, op := range ops {
			next, err := r.Apply(single, op)
			if err != nil {
				t.Fatal(err)
			}
			if len(next) > len(single)+len(op)+16 {
				t.Fatalf("%s made %s %s", op, single, next)
			}
			single = next
		}
		cut := rapid.IntRange(0, len(ops)).Draw(t, "cut")
		half, err := r.Fold(state, ops[:cut])
		if err != nil {
			t.Fatal(err)
		}
		halves, err := r.Fold(half, ops[cut:])
		if err != nil || !bytes.Equal(all, single) || !bytes.Equal(all, halves) {
			t.Fatalf("%s on %s:\nat once   %s\none by one %s\nin halves  %s (%v)", ops, state, all, single, halves, err)
		}
	})
}
