package mergepatch_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/mergepatch"
)

// The patch between two states is the smallest, member by member.
func TestReducer_Diff(t *testing.T) {
	for name, c := range map[string]struct{ from, to, want string }{ // "" for no state, and for no patch
		"nothing":         {``, ``, ``},
		"the first":       {``, `{"a":1}`, `{"a":1}`},
		"the first, null": {``, `null`, `null`},
		"equal": {
			`{"a":{"b":[1,{"c":2,"d":"x"}]},"e":null}`,
			`{"e":null,"\u0061":{"b":[1,{"d":"\u0078","c":2}]}}`,
			``,
		},
		"one member": {`{"a":1,"b":2}`, `{"a":1,"b":3}`, `{"b":3}`},
		"deep": {
			`{"a":{"b":{"c":1,"d":2}},"e":{}}`,
			`{"a":{"b":{"c":1,"d":3}},"e":{}}`,
			`{"a":{"b":{"d":3}}}`,
		},
		"added":              {`{"a":1}`, `{"b":{"c":[null]},"a":1}`, `{"b":{"c":[null]}}`},
		"removed":            {`{"a":1,"b":{"c":1,"d":{}}}`, `{"b":{"c":1}}`, `{"a":null,"b":{"d":null}}`},
		"an empty object":    {`{"a":1}`, `{"a":{}}`, `{"a":{}}`},
		"to be empty":        {`{"a":1}`, `{}`, `{"a":null}`},
		"arrays are whole":   {`{"a":[1,2,3]}`, `{"a":[1,2]}`, `{"a":[1,2]}`},
		"inside arrays":      {`{"a":[{"b":1}]}`, `{"a":[{"b":null}]}`, `{"a":[{"b":null}]}`},
		"no object":          {`{"a":1}`, `[{"a":null}]`, `[{"a":null}]`},
		"from no object":     {`7`, `{"a":{"b":1}}`, `{"a":{"b":1}}`},
		"null":               {`{"a":1}`, `null`, `null`},
		"null stays":         {`{"a":{"b":null},"c":1}`, `{"a":{"b":null},"c":2}`, `{"c":2}`},
		"null goes":          {`{"a":{"b":null}}`, `{"a":{}}`, `{"a":{"b":null}}`},
		"numbers as spelled": {`{"a":1,"b":1e400}`, `{"a":1.0,"b":1e400}`, `{"a":1.0}`},
		"repeated":           {`{"a":1,"a":2}`, `{"a":2,"b":1,"b":3}`, `{"b":3}`},
		"halves of pairs": {
			`{"\ud800":1,"b":"\udc00"}`,
			`{"\ud801":1,"b":"\udc01"}`,
			`{"\ud800":null,"\ud801":1,"b":"\udc01"}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := mergepatch.Reducer{}.Diff([]byte(c.from), []byte(c.to))
			if err != nil || string(got) != c.want || (got == nil) != (c.want == "") {
				t.Errorf("from %s to %s: got %s (%v), want %s", c.from, c.to, got, err, c.want)
			}
		})
	}
}

// What a merge patch cannot say is an error that names the place, and never a patch that does something else.
func TestReducer_DiffImpossible(t *testing.T) {
	long := strings.Repeat("é", 500)
	for _, c := range []struct{ from, to, message string }{
		{`{"a":1}`, ``, "there was no state yet"},
		{``, `{"a":null}`, `null at "/a"`},
		{`{"a":{"b/c":1}}`, `{"a":{"b/c":null}}`, `null at "/a/b~1c"`},
		{`{"a":1}`, `{"x":0,"a":{"b":{"":null}}}`, `null at "/a/b/"`},
		{`{"a":[]}`, `{"a":{"~":null}}`, `null at "/a/~0"`},
		{`{}`, `{"` + long + `":null}`, `null at "/` + long[:198] + `…"`},
		{`{}`, `{"a":`, "the state to come to is not JSON"},
		{`{]`, `{}`, "the state to come from is not JSON"},
		{`1`, nested(513, "1"), "the state to come to is nested 513 levels deep, expected at most 512"},
	} {
		patch, err := mergepatch.Reducer{}.Diff([]byte(c.from), []byte(c.to))
		refused(t, c.from+" to "+c.to, err, flow.CodeRejected, c.message)
		if patch != nil {
			t.Errorf("from %s to %s: a patch %s beside the error", c.from, c.to, patch)
		}
	}
}

// The patch between two states makes the second of the first; there is none exactly when they are equal,
// and an error exactly when a member of the second is null that was not null before.
func TestReducer_DiffApplied(t *testing.T) {
	var r mergepatch.Reducer
	rapid.Check(t, func(t *rapid.T) {
		x := texts{repeated: true}
		from, to := []byte(x.draw(t, 4)), []byte(x.draw(t, 4))
		if rapid.Bool().Draw(t, "alike") {
			to, _ = r.Fold(from, x.patches(t))
		}
		patch, err := r.Diff(from, to)
		if impossible := addsNull(value(t, from), value(t, to)); (err != nil) != impossible {
			t.Fatalf("from %s to %s: %v, is it impossible: %v", from, to, err, impossible)
		}
		if err != nil {
			return
		}
		if patch == nil {
			patch = []byte(`{}`)
			if _, ok := value(t, from).(map[string]any); !ok {
				patch = from
			}
		}
		got, err := r.Apply(from, patch)
		if err != nil || !reflect.DeepEqual(value(t, got), value(t, to)) {
			t.Fatalf("from %s to %s: %s makes %s (%v)", from, to, patch, got, err)
		}
		if again, err := r.Diff(got, to); err != nil || again != nil {
			t.Fatalf("from %s to %s, which are equal: %s (%v)", got, to, again, err)
		}
	})
}

// addsNull reports whether a member of to is null, outside of arrays, that is not null in from.
func addsNull(from, to any) bool {
	members, ok := to.(map[string]any)
	if !ok {
		return false
	}
	before, _ := from.(map[string]any)
	for name, v := range members {
		old, had := before[name]
		if v == nil && (!had || old != nil) || addsNull(old, v) {
			return true
		}
	}
	return false
}

// Of a hundred members the one that differs is in the patch, in whatever order they stand.
func TestReducer_DiffMany(t *testing.T) {
	var from, to []string
	for i := range 100 {
		from = append(from, fmt.Sprintf(`"n%d":{"x":%d}`, i, i))
	}
	to = slices.Clone(from)
	to[70] = `"n70":{"x":71}`
	slices.Reverse(to)
	got, err := mergepatch.Reducer{}.Diff(
		[]byte("{"+strings.Join(from, ",")+"}"), []byte("{"+strings.Join(to, ",")+"}"))
	if err != nil || string(got) != `{"n70":{"x":71}}` {
		t.Errorf("got %s (%v)", got, err)
	}
}
