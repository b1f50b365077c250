package flow // internal: the decoder is not exported

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// decodeAll returns what one text holds.
func decodeAll(text string) (all []message, err error) {
	err = decodeText([]byte(text), func(m *message) { all = append(all, *m) })
	return all, err
}

// decodeOne returns the one message of a text.
func decodeOne(t *testing.T, text string) message {
	t.Helper()
	all, err := decodeAll(text)
	if err != nil || len(all) != 1 {
		t.Fatalf("%s: %d messages, %v", text, len(all), err)
	}
	return all[0]
}

// wantInvalid fails when an error is not the one for what is not a message.
func wantInvalid(t *testing.T, text string, err error) {
	t.Helper()
	if ErrorCode(err) != CodeInvalidMessage || ErrorMessage(err) == "" {
		t.Errorf("%.200s: error is %v", text, err)
	}
}

// shown writes a message down, for comparisons.
func shown(m message) string {
	text := fmt.Sprintf("%s id=%q room=%q resume=%q position=%q token=%q name=%q n=%d data=%q presence=%q echo=%v",
		m.kind, m.id, m.room, m.resume, m.position, m.token, m.name, m.n, m.data, m.presence, m.echo)
	if m.to != nil {
		text += fmt.Sprintf(" to=%+v", *m.to)
	}
	if m.err != nil {
		text += fmt.Sprintf(" err=%v", m.err)
	}
	return text
}

// Every message of the contract is read with all its fields (protocol section 1.1).
func TestDecodeText(t *testing.T) {
	for text, want := range map[string]message{
		`{"type":"auth","id":"1","token":"t"}`:          {kind: "auth", id: "1", token: "t"},
		`{"type":"leave","id":"1","room":"r"}`:          {kind: "leave", id: "1", room: "r"},
		`{"type":"op","room":"r","n":1,"data":null}`:    {kind: "op", room: "r", n: 1, data: []byte(`null`)},
		`{"type":"presence","room":"r","data":{"a":1}}`: {kind: "presence", room: "r", data: []byte(`{"a":1}`)},
		`{"type":"event","room":"r","name":"x"}`:        {kind: "event", room: "r", name: "x"},
		`{"type":"ping"}`:                               {kind: "ping"},
		`{"type":"ping","id":"` + long(64) + `"}`:       {kind: "ping", id: long(64)},
		`{"type":"nonsense","id":"1"}`:                  {kind: "nonsense", id: "1"},
		` { "n" : 9007199254740991 , "type" : "op" } `:  {kind: "op", n: MaxN},

		`{"type":"join","id":"1","room":"r","resume":"s.m","position":"p","presence":{"a" : 1}}`: {
			kind: "join", id: "1", room: "r", resume: "s.m", position: "p", presence: []byte(`{"a":1}`),
		},
		`{"typ\u0065":"p\u0069ng","\u0069d":"\ud83d\ude00"}`: {kind: "ping", id: "😀"},
		`{"type":"snapshot","id":"1","room":"r","position":"p","data":[ ]}`: {
			kind: "snapshot", id: "1", room: "r", position: "p", data: []byte(`[]`),
		},
		`{"type":"event","room":"r","name":"x","data":0,"to":{"user":"u"},"echo":true,"id":"1"}`: {
			kind: "event", id: "1", room: "r", name: "x", data: []byte(`0`), to: &Target{User: "u"}, echo: true,
		},
		// Members that the contract does not know are ignored, whatever they are, also in other letters.
		`{"TYPE":1,"type":"ping","Id":[],"x":{"type":"y","type":"z"},"x":2,"":null,"N":"a","hash":0}`: {kind: "ping"},
	} {
		if got := decodeOne(t, text); shown(got) != shown(want) {
			t.Errorf("%s is\n%s, want\n%s", text, shown(got), shown(want))
		}
	}
}

// many returns an array of so many messages.
func many(count int) string {
	return "[" + strings.TrimSuffix(strings.Repeat(`{"type":"a"},`, count), ",") + "]"
}

// A text that is neither a message nor an array of messages is refused whole.
func TestDecodeText_NoMessage(t *testing.T) {
	for _, text := range []string{
		"", " ", "{", "nonsense", `{"type":"ping"} {"type":"ping"}`, `{"type":"ping",}`, `{type:"ping"}`, `'x'`,
		"null", "true", "1", `"ping"`, `"{}"`, `[`, `[{"type":"ping"},]`, `[{"type":"ping"}`, many(maxArray + 1),
		"\ufeff{\"type\":\"ping\"}", `{"type":"op","n":01}`, `{"type":"op","n":+1}`,
		`{"type":"op","data":` + strings.Repeat("[", 600) + `}`,
	} {
		all, err := decodeAll(text)
		if wantInvalid(t, text, err); len(all) > 0 {
			t.Errorf("%.100s: %d messages were handled", text, len(all))
		}
	}
}

// An array holds up to 256 messages, in order; what is wrong with one does not touch the others.
func TestDecodeText_Array(t *testing.T) {
	for text, want := range map[string]string{
		`[]`: "", ` [ ] `: "", `[{"type":"a"}]`: "a", ` [ {"type":"a"} , {"type":"b"} ] `: "a b",
		`[{"type":"a"},[],{"type":"b"}]`: "a ! b", `[[{"type":"a"}]]`: "!",
		`[1,"x",null,{"type":"b"}]`:         "! ! ! b",
		`[{"type":"a","n":0},{"type":"b"}]`: "a! b", `[{},{"type":"b"}]`: "! b",
		many(maxArray): strings.TrimSpace(strings.Repeat("a ", maxArray)),
	} {
		all, err := decodeAll(text)
		kinds := make([]string, len(all))
		for i, m := range all {
			if kinds[i] = m.kind; m.err != nil {
				kinds[i] += "!"
				wantInvalid(t, text, m.err)
			}
		}
		if got := strings.Join(kinds, " "); err != nil || got != want {
			t.Errorf("%.100s: %s, %v; want %s", text, got, err, want)
		}
	}
}

// What is kept does not lie in the reader's buffer.
func TestDecodeText_Copies(t *testing.T) {
	text := []byte(`{"type":"x","id":"i","room":"r","token":"t","data":{"a":1},"presence":{"b":2},"to":{"user":"u"}}`)
	var m message
	if err := decodeText(text, func(got *message) { m = *got }); err != nil {
		t.Fatal(err)
	}
	before := shown(m)
	for i := range text {
		text[i] = 'x'
	}
	if after := shown(m); after != before {
		t.Errorf("%s became %s", before, after)
	}
}

func long(n int) string { return strings.Repeat("x", n) }

// envelopeErrors are members that make an object no message, beside a good type.
func envelopeErrors() []string {
	return []string{
		// Repeated members, whatever their spelling and values.
		`"type":"ping"`, `"ty\u0070e":"ping"`, `"room":"r","room":"r"`, `"room":"r","r\u006fom":"q"`, `"n":1,"n":1`,
		`"data":1,"data":2`, `"to":{"user":"u"},"to":{"user":"u"}`, `"echo":true,"echo":true`, `"name":"a","name":"b"`,
		`"token":"a","token":"a"`, `"resume":"a","resume":"a"`, `"position":"a","position":"a"`,
		`"presence":{},"presence":{}`, `"x":1,"n":1,"y":2,"\u006e":1`,
		// Wrong types.
		`"room":1`, `"room":null`, `"room":["r"]`, `"room":{}`, `"resume":1`, `"position":{"seq":1}`, `"position":null`,
		`"token":true`, `"name":1`, `"presence":[]`, `"presence":null`, `"presence":"x"`, `"presence":1`,
		`"echo":1`, `"echo":"true"`, `"echo":null`, `"echo":[]`,
		// n is a whole number from 1 to 2^53-1.
		`"n":0`, `"n":-0`, `"n":-1`, `"n":1.0`, `"n":1.5`, `"n":1e3`, `"n":1E0`, `"n":9007199254740992`,
		`"n":18446744073709551617`, `"n":1` + strings.Repeat("0", 200), `"n":"1"`, `"n":null`, `"n":true`,
		`"n":[1]`, `"n":{}`,
		// to is exactly one of session and user.
		`"to":{}`, `"to":null`, `"to":"u"`, `"to":[]`, `"to":["u"]`, `"to":1`, `"to":{"user":""}`,
		`"to":{"session":""}`, `"to":{"user":1}`, `"to":{"user":null}`, `"to":{"user":["u"]}`,
		`"to":{"user":"u","session":"s"}`,
		`"to":{"user":"u","user":"v"}`, `"to":{"user":"u","us\u0065r":"u"}`, `"to":{"User":"u"}`, `"to":{"x":"y"}`,
	}
}

// badIDs are ids that are not 1 to 64 bytes of text.
func badIDs() []string {
	return []string{
		`""`, `1`, `null`, `true`, `{}`, `["a"]`, `"` + long(65) + `"`, `"` + strings.Repeat("ü", 33) + `"`,
		`"` + strings.Repeat(`\u00fc`, 33) + `"`,
	}
}

// What is wrong with an envelope is told with its id, also when that stands behind it.
func TestDecodeMessage(t *testing.T) {
	for _, bad := range envelopeErrors() {
		text := `{"type":"event",` + bad + `,"id":"i"}`
		m := decodeOne(t, text)
		if wantInvalid(t, text, asError(m.err)); m.kind != "event" || m.id != "i" {
			t.Errorf("%s is %q with id %q", text, m.kind, m.id)
		}
		text = `{"id":"i",` + bad + `,"type":"op"}`
		wantInvalid(t, text, asError(decodeOne(t, text).err))
	}
	// Without a type there is no message.
	for _, text := range []string{
		`{}`, `{"id":"1"}`, `{"Type":"ping"}`, `{"type":1}`, `{"type":null}`, `{"type":["ping"]}`,
	} {
		wantInvalid(t, text, asError(decodeOne(t, text).err))
	}
}

// An id is 1 to 64 bytes of text; on op it is ignored, whatever it is: n is its id.
func TestDecodeMessage_ID(t *testing.T) {
	for _, bad := range badIDs() {
		for _, form := range []string{`{"type":"ping","id":%s}`, `{"id":%s,"type":"ping"}`} {
			text := fmt.Sprintf(form, bad)
			m := decodeOne(t, text)
			if wantInvalid(t, text, asError(m.err)); m.id != "" {
				t.Errorf("%s has id %q", text, m.id)
			}
		}
		for _, form := range []string{`{"type":"op","id":%s,"n":1}`, `{"id":%s,"n":1,"type":"op"}`} {
			text := fmt.Sprintf(form, bad)
			if m := decodeOne(t, text); m.err != nil || m.n != 1 {
				t.Errorf("%s is %s", text, shown(m))
			}
		}
	}
}

// A target is a session or a user; members of it that are not known are ignored.
func TestDecodeMessage_To(t *testing.T) {
	for text, want := range map[string]Target{
		`{"session":"s"}`: {Session: "s"}, ` { "user" : "u" } `: {User: "u"},
		`{"x":1,"user":"u","y":{"session":"s"}}`: {User: "u"}, `{"\u0075ser":"\u0075"}`: {User: "u"},
	} {
		if m := decodeOne(t, `{"type":"event","to":`+text+`}`); m.err != nil || m.to == nil || *m.to != want {
			t.Errorf("%s is %s", text, shown(m))
		}
	}
}

// Data loses its white space and nothing else: order, repeats, numbers and escapes stay. I1
func TestDecodeMessage_Data(t *testing.T) {
	for sent, want := range map[string]string{
		`null`: `null`, `false`: `false`, `""`: `""`, `{}`: `{}`,
		"{ \"b\" :\t1.0 ,\n\"a\":[ 1E+2 , -0 , 1.50 ] }\r":   `{"b":1.0,"a":[1E+2,-0,1.50]}`,
		`{"a":1,"a" : 2,"a":3}`:                              `{"a":1,"a":2,"a":3}`,
		`"\u0041\/ \\ \" \ud800"`:                            `"\u0041\/ \\ \" \ud800"`,
		`[ "a b" , " " ]`:                                    `["a b"," "]`,
		`123456789012345678901234567890.10e-400`:             `123456789012345678901234567890.10e-400`,
		"\"<\u2028&\"":                                       "\"<\u2028&\"",
		`{"type":"x","type":"y","n":0,"id":5,"data":"data"}`: `{"type":"x","type":"y","n":0,"id":5,"data":"data"}`,
	} {
		for _, form := range []string{`{"type":"op","n":1,"data":%s}`, ` [ { "data" : %s , "n" : 1 , "type":"op"} ] `} {
			text := fmt.Sprintf(form, sent)
			if m := decodeOne(t, text); m.err != nil || string(m.data) != want {
				t.Errorf("%s has %s, %v; want %s", text, m.data, m.err, want)
			}
		}
	}
}

// asError turns a nil *Error into a nil error.
func asError(e *Error) error {
	if e == nil {
		return nil
	}
	return e
}

func FuzzDecodeText(f *testing.F) {
	for _, bad := range envelopeErrors() {
		f.Add([]byte(`{"type":"event",` + bad + `,"id":"i"}`))
	}
	for _, bad := range badIDs() {
		f.Add([]byte(`{"type":"op","room":"r","n":7,"data":{ "a":[1 ,2]},"id":` + bad + `}`))
	}
	f.Add([]byte(` [ {"type":"ping","id":"1"} , [] , {"type":"x","to":{"session":"s"},"echo":true} ] `))
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := decodeAll(string(text))
		again, errAgain := decodeAll(string(text))
		same := slices.EqualFunc(all, again, func(a, b message) bool { return shown(a) == shown(b) })
		if !same || ErrorMessage(err) != ErrorMessage(errAgain) {
			t.Fatalf("%q is read as %+v and as %+v", text, all, again)
		}
		if err != nil {
			if wantInvalid(t, string(text), err); len(all) > 0 {
				t.Fatalf("%q: a refused text was handled", text)
			}
			return
		}
		if !json.Valid(text) || len(all) > maxArray {
			t.Fatalf("%q: %d messages", text, len(all))
		}
		for i := range all {
			checkMessage(t, text, &all[i])
		}
	})
}

// checkMessage holds what is true of every message that was decoded.
func checkMessage(t *testing.T, text []byte, m *message) {
	t.Helper()
	for _, data := range [][]byte{m.data, m.presence} {
		var compact bytes.Buffer
		if data == nil {
			continue
		}
		if err := json.Compact(&compact, data); err != nil || !bytes.Equal(compact.Bytes(), data) {
			t.Fatalf("%q: data %q is not compact: %v", text, data, err)
		}
	}
	if len(m.id) > 64 || m.n > MaxN || (m.presence != nil && m.presence[0] != '{') {
		t.Fatalf("%q is %+v", text, m)
	}
	if m.to != nil && (m.to.Session == "") == (m.to.User == "") {
		t.Fatalf("%q has target %+v", text, m.to)
	}
	if m.err != nil {
		wantInvalid(t, string(text), m.err)
		return
	}
	checkEnvelope(t, text, m)
}

// checkEnvelope holds a good message of a text of its own to what encoding/json reads.
func checkEnvelope(t *testing.T, text []byte, m *message) {
	t.Helper()
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return // an element of an array
	}
	for name, got := range map[string]string{
		"type": m.kind, "room": m.room, "resume": m.resume, "position": m.position, "token": m.token, "name": m.name,
	} {
		var want string
		if raw, found := fields[name]; found {
			if err := json.Unmarshal(raw, &want); err != nil {
				t.Fatalf("%q: %s was taken: %v", text, name, err)
			}
		}
		if got != want {
			t.Fatalf("%q: %s is %q, want %q", text, name, got, want)
		}
	}
	n := uint64(0)
	if raw, found := fields["n"]; found && (json.Unmarshal(raw, &n) != nil || n == 0) {
		t.Fatalf("%q: n was taken", text)
	}
	_, hasData := fields["data"]
	if m.n != n || m.echo != (string(fields["echo"]) == "true") || hasData != (m.data != nil) {
		t.Fatalf("%q is %+v", text, m)
	}
}
