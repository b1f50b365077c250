package mergepatch_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/mergepatch"
)

// The examples of appendix A of RFC 7396, in its order. There they are equal as values; here members stand
// in the order that doc.go promises, too.
func TestReducer_Appendix(t *testing.T) {
	for _, c := range []struct{ state, patch, want string }{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`["a","b"]`, `["c","d"]`, `["c","d"]`},
		{`{"a":"b"}`, `["c"]`, `["c"]`},
		{`{"a":"foo"}`, `null`, `null`},
		{`{"a":"foo"}`, `"bar"`, `"bar"`},
		{`{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`},
		{`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
	} {
		expect(t, c.state, []string{c.patch}, c.want)
	}
}

// The example of section 3 of RFC 7396.
func TestReducer_Section3(t *testing.T) {
	expect(t,
		`{"title":"Goodbye!","author":{"givenName":"John","familyName":"Doe"},`+
			`"tags":["example","sample"],"content":"This will be unchanged"}`,
		[]string{`{"title":"Hello!","phoneNumber":"+01-123-456-7890","author":{"familyName":null},"tags":["example"]}`},
		`{"title":"Hello!","author":{"givenName":"John"},"tags":["example"],`+
			`"content":"This will be unchanged","phoneNumber":"+01-123-456-7890"}`)
}

// fold is a case of [mergepatch.Reducer.Fold].
type fold struct {
	state   string // "" for none
	patches []string
	want    string
}

// What the RFC leaves open of values is as doc.go has it.
func TestReducer_Values(t *testing.T) {
	for name, c := range map[string]fold{
		"no state": {
			``,
			[]string{`{"a":{"b":null},"c":null,"d":[null]}`},
			`{"a":{},"d":[null]}`,
		},
		"no state, no object": {``, []string{`[{"a":null}]`}, `[{"a":null}]`},
		"null is a state":     {`null`, []string{`{"a":1}`}, `{"a":1}`},
		"nothing":             {`{"a":1}`, []string{`{}`}, `{"a":1}`},
		"no patches":          {`{"a":1}`, nil, `{"a":1}`},
		"into null":           {`{"a":null}`, []string{`{"a":{"b":1}}`}, `{"a":{"b":1}}`},
		"nulls inside arrays": {
			`{"a":[null,{"b":null}]}`,
			[]string{`{"c":[null,{"b":null}]}`},
			`{"a":[null,{"b":null}],"c":[null,{"b":null}]}`,
		},
		"nulls of a state": {
			`{"a":{"b":null},"c":null}`,
			[]string{`{"a":{"d":1}}`},
			`{"a":{"b":null,"d":1},"c":null}`,
		},
		"white space": {
			`{"a":1}`,
			[]string{" { \"b\" : [ 1 , \" \" ] } "},
			`{"a":1,"b":[1," "]}`,
		},
		"numbers": {
			`{"a":1e400}`,
			[]string{`{"b":-0,"c":10000000000000000001,"d":1.50E+1}`},
			`{"a":1e400,"b":-0,"c":10000000000000000001,"d":1.50E+1}`,
		},
		"escapes": {
			`{"a":"\u0041"}`,
			[]string{`{"b":"\u0041\/<&>\ud800"}`},
			`{"a":"\u0041","b":"\u0041\/<&>\ud800"}`,
		},
	} {
		t.Run(name, func(t *testing.T) { expect(t, c.state, c.patches, c.want) })
	}
}

// What the RFC leaves open of names is as doc.go has it.
func TestReducer_Names(t *testing.T) {
	for name, c := range map[string]fold{
		"names spelled otherwise": {
			`{"\u0061":1,"😀":1,"\/":1}`,
			[]string{`{"a":2,"\ud83d\uDE00":2,"/":2}`},
			`{"\u0061":2,"😀":2,"\/":2}`,
		},
		"every escape": {
			`{"\b\f\n\r\t\"\\\/":1}`,
			[]string{`{"\u0008\u000C\u000a\u000d\u0009\u0022\u005c\u002f":2}`},
			`{"\b\f\n\r\t\"\\\/":2}`,
		},
		"names of no characters": {
			`{"":{"":1}}`,
			[]string{`{"":{"":2,"\u0000":3}}`},
			`{"":{"":2,"\u0000":3}}`,
		},
		"halves of pairs": {
			`{"\ud800":1,"\udc00":1,"\ufffd":1}`,
			[]string{`{"\uD800":2,"\udc01":2}`},
			`{"\ud800":2,"\udc00":1,"\ufffd":1,"\udc01":2}`,
		},
		"special names": {
			`{"__proto__":{"a":1}}`,
			[]string{`{"__proto__":{"b":2},"constructor":{"prototype":null}}`},
			`{"__proto__":{"a":1,"b":2},"constructor":{}}`,
		},
		"repeated in a patch": {
			`{"z":0}`,
			[]string{`{"a":{"b":1},"c":2,"\u0061":{"d":3},"z":null,"z":1}`},
			`{"z":1,"a":{"d":3},"c":2}`,
		},
		"repeated in a state": {
			`{"a":{"b":1,"b":null},"c":1,"a":{"d":2},"e":[{"f":1,"f":2}]}`,
			[]string{`{"a":{"g":3}}`},
			`{"a":{"d":2,"g":3},"c":1,"e":[{"f":1,"f":2}]}`,
		},
		"repeated and removed": {`{"a":1,"b":2,"\u0061":3}`, []string{`{"a":null}`}, `{"b":2}`},
		"repeated elsewhere":   {`{"a":1,"b":2,"a":3}`, []string{`{"b":4}`}, `{"a":1,"b":4,"a":3}`},
	} {
		t.Run(name, func(t *testing.T) { expect(t, c.state, c.patches, c.want) })
	}
}

// Members keep their order, those that are new or come back are last, and a value that was replaced on the
// way does not count.
func TestReducer_Order(t *testing.T) {
	for name, c := range map[string]fold{
		"one comes back": {
			`{"a":1,"b":2}`,
			[]string{`{"c":3,"a":null}`, `{"\u0061":4,"d":5}`},
			`{"b":2,"c":3,"\u0061":4,"d":5}`,
		},
		"one comes back, empty": {
			`{"a":{"b":1}}`,
			[]string{`{"a":null}`, `{"a":{"c":null}}`},
			`{"a":{}}`,
		},
		"object over a value": {
			`{"a":{"b":1}}`,
			[]string{`{"a":1}`, `{"a":{"c":2}}`, `{"a":{"d":3}}`},
			`{"a":{"c":2,"d":3}}`,
		},
		"state over a value": {`{"a":1}`, []string{`7`, `{"b":2}`, `{"c":3}`}, `{"b":2,"c":3}`},
		"order inside what is new": {`{}`, []string{`{"a":{"x":1,"y":2}}`, `{"a":{"x":null}}`, `{"a":{"z":3,"x":4}}`},
			`{"a":{"y":2,"z":3,"x":4}}`},
	} {
		t.Run(name, func(t *testing.T) { expect(t, c.state, c.patches, c.want) })
	}
}

// expect applies patches one by one, and all together.
func expect(t *testing.T, state string, patches []string, want string) {
	t.Helper()
	var r mergepatch.Reducer
	var ops [][]byte
	next := []byte(state)
	for _, patch := range patches {
		ops = append(ops, []byte(patch))
		var err error
		if next, err = r.Apply(next, []byte(patch)); err != nil {
			t.Fatalf("%s on %s: %v", patch, state, err)
		}
	}
	if string(next) != want {
		t.Errorf("%s on %s, one by one:\ngot  %s\nwant %s", patches, state, next, want)
	}
	folded, err := r.Fold([]byte(state), ops)
	if err != nil || string(folded) != want {
		t.Errorf("%s on %s, together:\ngot  %s (%v)\nwant %s", patches, state, folded, err, want)
	}
}

// Without a state and without patches there is no state.
func TestReducer_FoldNothing(t *testing.T) {
	if state, err := (mergepatch.Reducer{}).Fold(nil, nil); state != nil || err != nil {
		t.Errorf("got %s, %v", state, err)
	}
}

// What is no patch is refused with a message that says what it is, whatever the state is, and so is a
// state that is no JSON.
func TestReducer_Check(t *testing.T) {
	var r mergepatch.Reducer
	for op, want := range map[string]string{
		``:                "not JSON",
		`{`:               "not JSON",
		`{"a":1}}`:        "not JSON",
		`{"a":01}`:        "not JSON",
		"{\"\xff\":1}":    "not in UTF-8",
		nested(513, "1"):  "nested 513 levels deep, expected at most 512",
		nested(600, "[]"): "nested 600 levels deep, expected at most 512",
		strings.Repeat("[", 514) + strings.Repeat("]", 514): "nested 513 levels deep, expected at most 512",
	} {
		for what, err := range map[string]error{
			"check": r.Check([]byte(op)), "apply": failure(r.Apply([]byte(`{}`), []byte(op))),
			"fold": failure(r.Fold(nil, [][]byte{[]byte(`1`), []byte(op)})),
		} {
			refused(t, what+" "+op, err, flow.CodeRejected, want)
		}
	}
	for _, op := range []string{nested(512, "1"), nested(512, "{}"), nested(512, `"[[["`), "null"} {
		if err := r.Check([]byte(op)); err != nil {
			t.Errorf("%.20s: %v", op, err)
		}
	}
	for _, state := range []string{
		`{`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1}}`, `{"b":`, `{"b":1,}`, `{"b":1 "c"}`, `x`, `{"a":"`, `{"b":[`,
	} {
		_, err := r.Apply([]byte(state), []byte(`{"a":2}`))
		refused(t, state, err, flow.CodeInternal, "expected compact JSON")
	}
}

func failure(_ []byte, err error) error { return err }

func refused(t *testing.T, what string, err error, code flow.Code, message string) {
	t.Helper()
	var e *flow.Error
	if !errors.As(err, &e) || e.Code != code || !strings.Contains(e.Message, message) {
		t.Errorf("%.60s: %v, want %s: %s", what, err, code, message)
	}
}

// nested returns a text inside of n objects.
func nested(n int, inside string) string {
	return strings.Repeat(`{"a":`, n) + inside + strings.Repeat("}", n)
}

// As deep as it may be, a patch meets a state that is as deep and large, and each keeps its own.
func TestReducer_Deep(t *testing.T) {
	large := `"` + strings.Repeat("x", 1<<20) + `"`
	expect(t, nested(511, `{"b":`+large+`}`), []string{nested(511, `{"c":1}`)}, nested(511, `{"b":`+large+`,"c":1}`))
	expect(t, nested(300, "1"), []string{nested(512, "2"), nested(511, "3")}, nested(511, "3"))
}
