package flow // internal: the scanner is not exported

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"
)

// jsonSeeds are texts at the edges of RFC 8259, good and bad.
func jsonSeeds() []string {
	return []string{
		"", " ", "null", "true", "false", "nul", "nulll", "True", "NaN", "-Infinity", "1 2", "/**/1", "'a'", "\v1",
		"0", "-0", "-", "+1", "01", "1.", ".1", "1.5e+10", "1e", "1E-2", "1e+", "0x1", "\ufeff{}", "\u00a01",
		`""`, `"a`, `"\"`, `"\`, `"\u12"`, `"\u12G4"`, `"\ud800"`, `"\ud83d\ude00"`, `"\x"`, `"\/"`,
		"\"\x00\"", "\"\x1f\"", "\"\x7f\"", "\"\xff\"", "\"\xed\xa0\x80\"", "\"\u2028\"",
		"\t[ ]\r\n", "[", "]", "[,]", "[1,]", "[1 2]", "[]]", "[1,2", "[\f1]",
		"{}", "{", `{"a"}`, `{"a":}`, `{"a":1,}`, `{"a":1 "b":2}`, `{a:1}`, `{"a":1,"a":2}`, `{1:2}`, `{"a":1`,
		"{\"a\":1}\x00", `{ "a" : [ { } , null ] }`, ` { "a b" : " \" { " , "b":[ 1 , 2.50 ] } `,
		"0e00000", "1e9999", "1E+10000", "[-1e-9999,1e-10000]", strings.Repeat("1", 256),
		"-" + strings.Repeat("1", 256), "0." + strings.Repeat("1", 254), "0." + strings.Repeat("1", 255),
		strings.Repeat("1", 252) + "e123",
		strings.Repeat("[", 600), strings.Repeat("[", 513) + strings.Repeat("]", 513),
	}
}

// enclosing returns how many arrays and objects stand around the deepest value of a valid text.
func enclosing(t *testing.T, text []byte) int {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	depth, deepest := 0, 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return deepest
		}
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		switch token {
		case json.Delim(']'), json.Delim('}'):
			depth--
			continue
		}
		deepest = max(deepest, depth)
		if token == json.Delim('[') || token == json.Delim('{') {
			depth++
		}
	}
}

// What is JSON is what encoding/json takes, but for the depth, for numbers that are long when they are written
// out, and for bytes inside strings that are not UTF-8: one such operation in a log would end the connection
// of every browser in the room.
func checkValidJSON(t *testing.T, src []byte) {
	t.Helper()
	want := json.Valid(src) && utf8.Valid(src) && enclosing(t, src) <= maxDepth && shortNumbers(src)
	if got := validJSON(src); got != want {
		t.Fatalf("%.100q: valid is %v, want %v", src, got, want)
	}
}

// shortNumbers reports whether each number of a JSON text has at most 256 bytes, and four digits of exponent.
func shortNumbers(src []byte) bool {
	dec := json.NewDecoder(bytes.NewReader(src))
	dec.UseNumber()
	for {
		token, err := dec.Token()
		if err != nil {
			return true
		}
		number, _ := token.(json.Number)
		_, exponent, _ := strings.Cut(strings.ToLower(number.String()), "e")
		if len(number) > 256 || len(strings.TrimLeft(exponent, "+-")) > 4 {
			return false
		}
	}
}

func TestValidJSON(t *testing.T) {
	t.Run("table", func(t *testing.T) {
		for _, seed := range jsonSeeds() {
			checkValidJSON(t, []byte(seed))
		}
	})

	// The depth limit is exact, for every mix of arrays and objects.
	t.Run("depth", func(t *testing.T) {
		for _, nest := range []struct{ open, end string }{{"[", "]"}, {`{"a":`, "}"}, {` [ {"a" : `, " } ] "}} {
			each := strings.Count(nest.open, "[") + strings.Count(nest.open, "{")
			for levels := maxDepth - 2; levels <= maxDepth+2; levels += each {
				text := strings.Repeat(nest.open, levels/each) + "1" + strings.Repeat(nest.end, levels/each)
				if got := validJSON([]byte(text)); got != (levels <= maxDepth) {
					t.Errorf("%d levels of %s: valid is %v", levels, nest.open, got)
				}
				checkValidJSON(t, []byte(text))
			}
		}
	})

	// A text that only goes deeper and deeper is refused early, whatever its length. I9
	t.Run("bombs", func(t *testing.T) {
		for _, bomb := range []string{"[", `{"a":`, `[{"":`, "[ ", "[[],"} {
			text := []byte(strings.Repeat(bomb, 5_000_000/len(bomb)))
			s := scanner{src: text}
			if s.value(0) || s.i > 20*maxDepth {
				t.Errorf("%s was followed for %d bytes", bomb, s.i)
			}
		}
	})

	// The reader of every message costs no memory of its own. I9
	t.Run("allocations", func(t *testing.T) {
		text := []byte(` {"type" : "op", "data": [1, "\u0061", {"a": null}] } `)
		if n := testing.AllocsPerRun(100, func() { validJSON(text) }); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
}

func FuzzValidJSON(f *testing.F) {
	for _, seed := range jsonSeeds() {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		before := bytes.Clone(src)
		checkValidJSON(t, src)
		if !bytes.Equal(src, before) {
			t.Fatal("the text was changed")
		}
		if !validJSON(src) {
			return
		}
		checkCompact(t, src)
		checkParts(t, src)
	})
}

// White space outside strings goes, nothing else changes, and the text stays as it was.
func checkCompact(t *testing.T, src []byte) {
	t.Helper()
	var want bytes.Buffer
	if err := json.Compact(&want, src); err != nil {
		t.Fatal(err)
	}
	got := compactJSON(src)
	if !bytes.Equal(got, want.Bytes()) {
		t.Fatalf("%q became %q, want %q", src, got, want.Bytes())
	}
	s := scanner{src: src}
	if s.value(0); s.i == len(src) && s.space != (len(got) < len(src)) {
		t.Fatalf("%q: white space seen is %v", src, s.space)
	}
}

func TestCompactJSON(t *testing.T) {
	for src, want := range map[string]string{
		" { \"a\" :\t[ 1.50 ,\r\n-0, 1E+2 ] , \"a\":\" \\\" , \" } ": `{"a":[1.50,-0,1E+2],"a":" \" , "}`,
		`"\\" `:                    `"\\"`,
		`[ "\\", " \\\" " , "x" ]`: `["\\"," \\\" ","x"]`,
		"\"\u2028<>&\\u0026\"":     "\"\u2028<>&\\u0026\"",
		"\"\xff \"":                "\"\xff \"",
	} {
		if got := string(compactJSON([]byte(src))); got != want {
			t.Errorf("%q became %q, want %q", src, got, want)
		}
		checkCompact(t, []byte(src))
	}
}

// part is a member of an object, or an element of an array.
type part struct{ name, value string }

// decodedParts is what encoding/json finds in an object or an array.
func decodedParts(t *testing.T, src []byte) (parts []part) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(src))
	open, err := d.Token()
	for err == nil && d.More() {
		var p part
		if open == json.Delim('{') {
			var name json.Token
			name, err = d.Token()
			p.name, _ = name.(string)
		}
		var raw json.RawMessage
		if err == nil {
			err = d.Decode(&raw)
		}
		p.value = string(raw)
		parts = append(parts, p)
	}
	if err != nil {
		t.Fatalf("%q: %v", src, err)
	}
	return parts
}

// checkParts holds members and elements to encoding/json: the same names and values, in order.
func checkParts(t *testing.T, src []byte) {
	t.Helper()
	var got []part
	switch bytes.TrimLeft(src, " \t\r\n")[0] {
	case '[':
		elements(src, func(value []byte) { got = append(got, part{value: string(value)}) })
	case '{':
		members(src, func(name, value []byte, spaced bool) bool {
			if spaced != (len(compactJSON(value)) < len(value)) {
				t.Fatalf("%q: white space seen is %v", value, spaced)
			}
			got = append(got, part{unquote(name), string(value)})
			return true
		})
	default:
		return
	}
	want := decodedParts(t, src)
	if len(got) != len(want) {
		t.Fatalf("%q has %q, want %q", src, got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%q has %q, want %q", src, got[i], want[i])
		}
	}
}

func TestMembers(t *testing.T) {
	// Names and values come in order, repeated ones too, with the white space inside them.
	t.Run("all", func(t *testing.T) {
		for _, src := range []string{
			`{}`, ` { } `, `{"a":1}`, ` { "a" : { "b" : [ 1 ] } , "a":null,"\u0061":"}" } `, `{"":{},"\"":[]}`,
			`[]`, `[ [ ] , {} , 1 ]`,
		} {
			checkParts(t, []byte(src))
		}
	})

	// Whoever has seen enough stops.
	t.Run("stops", func(t *testing.T) {
		count := 0
		members([]byte(`{"a":1,"b":2,"c":3}`), func(name, _ []byte, _ bool) bool {
			count++
			return string(name) != "b"
		})
		if count != 2 {
			t.Errorf("called %d times", count)
		}
	})
}

func TestUnquote(t *testing.T) {
	for raw, want := range map[string]string{
		``: "", `abc`: "abc", `\u0061\"\\\/\b\f\n\r\t`: "a\"\\/\b\f\n\r\t", `\ud83d\ude00`: "😀", `\u0000`: "\x00",
		`\ud800x`: "\ufffdx", "ü\u2028": "ü\u2028", `\u005cu0061`: `\u0061`,
	} {
		if got := unquote([]byte(raw)); got != want {
			t.Errorf("%q is %q, want %q", raw, got, want)
		}
	}
}

// checkString holds that any text, and any bytes, become one JSON string that reads as the same text,
// with U+FFFD for each byte that is not UTF-8.
func checkString(t *testing.T, s string) {
	t.Helper()
	got := appendString([]byte("x"), s)
	if got[0] != 'x' || !utf8.Valid(got) || !validJSON(got[1:]) {
		t.Fatalf("%q became %q", s, got)
	}
	var back string
	if err := json.Unmarshal(got[1:], &back); err != nil {
		t.Fatalf("%q became %q: %v", s, got, err)
	}
	if want := string([]rune(s)); back != want {
		t.Fatalf("%q came back as %q", s, back)
	}
	if utf8.ValidString(s) && unquote(got[2:len(got)-1]) != s {
		t.Fatalf("%q is read as %q", s, unquote(got[2:len(got)-1]))
	}
}

func TestAppendString(t *testing.T) {
	for _, s := range []string{
		"", "plain", `"`, `\`, `\"`, "\x00\x1f\x7f", "\n\r\t", "ü€😀", "\u2028\u2029", "\xff", "a\xc3", "\xc3\x28",
		"\xed\xa0\x80", "\ufffd", "\xf4\x90\x80\x80", "</script>&", "\xe2\x82", "é\xffé",
	} {
		checkString(t, s)
	}
	// What needs no escape goes through untouched.
	if got := string(appendString(nil, "ü</script>\u2028")); got != "\"ü</script>\u2028\"" {
		t.Errorf("got %s", got)
	}
}

func FuzzAppendString(f *testing.F) {
	for _, seed := range []string{"", `"\`, "\x00\x1f", "ü\xff😀", "\xed\xa0\x80", "\u2028"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, s []byte) { checkString(t, string(s)) })
}

// What is kept of a text is no larger than what is left of it.
func TestCompactJSON_Memory(t *testing.T) {
	padded := []byte("1" + strings.Repeat(" ", 60_000))
	if got := compactJSON(padded); string(got) != "1" || cap(got) > 64 {
		t.Errorf("%d bytes are kept for %q", cap(got), got)
	}
}
