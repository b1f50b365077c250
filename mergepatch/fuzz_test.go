package mergepatch_test

import (
	"testing"

	"github.com/fiberflow/flow/mergepatch"
)

// Whatever bytes come, nothing panics and nothing hangs. Patches that Check lets pass can be applied to
// any state that is JSON: the result is JSON, not too deep and not too long, the same one by one and at
// once; and of two states Diff finds the way from one to the other, or says that there is none.
func FuzzReducer(f *testing.F) {
	for _, seed := range [][3]string{
		{`{"a":1,"b":{"c":[null]}}`, `{"b":{"c":null,"d":1}}`, `{"b":null,"\u0061":{"x":null}}`},
		{`{"a":1,"a":{"b":2}}`, `{"a":{"c":3}}`, `{"":"\ud800"}`},
		{``, `{"__proto__":null}`, `1e400`},
		{`{"a":{"b":`, `{"a":`, "{\"\xff\":1}"},
		{`{"\u12":1,"\`, `{"a":1}`, ` [ 1 , "\" " ] `},
		{`]`, `}`, `{"a":1}}`},
		{nested(512, "1"), nested(512, "2"), nested(513, "3")},
	} {
		f.Add([]byte(seed[0]), []byte(seed[1]), []byte(seed[2]))
	}
	f.Fuzz(func(t *testing.T, state, first, second []byte) {
		var r mergepatch.Reducer
		next, err := r.Fold(state, [][]byte{first, second})
		patch, diffErr := r.Diff(state, first)
		if r.Check(first) != nil || r.Check(second) != nil {
			if err == nil {
				t.Fatalf("%q, %q applied to %q, though one is refused", first, second, state)
			}
			return
		}
		if len(state) > 0 && (r.Check(state) != nil || !isCompact(state)) {
			return // nothing is promised, but that we come here
		}
		checkNext(t, state, first, second, next, err)
		if diffErr == nil {
			if patch == nil {
				patch = first
			}
			got, err := r.Apply(state, patch)
			if err != nil {
				t.Fatalf("from %q to %q: %q: %v", state, first, patch, err)
			}
			checkAlike(t, got, first)
		}
	})
}

func checkNext(t *testing.T, state, first, second, next []byte, err error) {
	t.Helper()
	if err != nil || !isCompact(next) || (mergepatch.Reducer{}).Check(next) != nil {
		t.Fatalf("%q, %q applied to %q: %q (%v)", first, second, state, next, err)
	}
	if len(next) > len(state)+len(first)+len(second)+32 {
		t.Fatalf("%q, %q applied to %q is long: %q", first, second, state, next)
	}
	single, err := mergepatch.Reducer{}.Apply(state, first)
	if err == nil {
		single, err = mergepatch.Reducer{}.Apply(single, second)
	}
	if err != nil {
		t.Fatalf("%q, %q applied to %q: %v", first, second, state, err)
	}
	checkAlike(t, next, single)
}

func checkAlike(t *testing.T, a, b []byte) {
	t.Helper()
	if patch, err := (mergepatch.Reducer{}).Diff(a, b); patch != nil || err != nil {
		t.Fatalf("%q and %q differ by %q (%v)", a, b, patch, err)
	}
}
