package flow // internal: the encoders are not exported

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// hostile are strings that break careless encoders.
func hostile() []string {
	return []string{
		`"`, `\`, `\"`, `","type":"op`, "\x00", "\x1f\n\r\t", "\x7f", "\u2028\u2029", "</script><!--", "😀é", "\xff",
		"a\xc3", "\xed\xa0\x80", "\ufeff", `\u0041`, strings.Repeat(`"\`, 500),
	}
}

// seen is what a client reads of a string: U+FFFD for each byte that is not UTF-8.
func seen(s string) string { return string([]rune(s)) }

// fields is a message as a client reads it.
type fields map[string]any

// checkFrame fails unless the frame is one JSON object, without white space, with exactly these fields,
// each of them once.
func checkFrame(t *testing.T, f *Frame, want fields) {
	t.Helper()
	var compact bytes.Buffer
	err := json.Compact(&compact, f.JSON)
	if err != nil || !bytes.Equal(compact.Bytes(), f.JSON) || !utf8.Valid(f.JSON) {
		t.Fatalf("frame is not compact JSON: %v: %q", err, f.JSON)
	}
	names := 0
	members(f.JSON, func(_, _ []byte, _ bool) bool {
		names++
		return true
	})
	d := json.NewDecoder(bytes.NewReader(f.JSON))
	d.UseNumber()
	var got fields
	if err := d.Decode(&got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) || names != len(want) {
		t.Errorf("frame is %s\nwant %v", f.JSON, want)
	}
	if f.Type != want["type"] {
		t.Errorf("frame of type %q says %s", f.Type, f.JSON)
	}
}

// num is a number as a client reads it.
func num(text string) json.Number { return json.Number(text) }

func TestOpFrame(t *testing.T) {
	op := Operation{Seq: 7, Hash: 0xff, Session: "s", N: 3, User: "u", Time: 1700000000000, Data: []byte(`{"a":1}`)}

	// An op has the fields of the contract, and the position that it stands at. I2
	t.Run("fields", func(t *testing.T) {
		f := opFrame("r", op)
		checkFrame(t, f, fields{
			"type": "op", "room": "r", "seq": num("7"), "hash": "00000000000000ff", "session": "s", "n": num("3"),
			"user": "u", "time": num("1700000000000"), "data": map[string]any{"a": num("1")},
		})
		if f.Position != (Position{7, 0xff}) {
			t.Errorf("position is %v", f.Position)
		}
	})

	// Data goes out byte for byte. I1
	t.Run("data", func(t *testing.T) {
		for _, data := range []string{`null`, `1.50E+3`, `{"a":1,"a":2}`, `"\u0041\/\ud800"`, `[{}]`, "\"\u2028\""} {
			op := op
			op.Data = []byte(data)
			if f := opFrame("r", op); !bytes.HasSuffix(f.JSON, []byte(`"data":`+data+`}`)) || !json.Valid(f.JSON) {
				t.Errorf("%s became %s", data, f.JSON)
			}
		}
	})

	// The largest numbers of the contract are written in full.
	t.Run("numbers", func(t *testing.T) {
		f := opFrame("r", Operation{Seq: 1<<53 - 1, Hash: math.MaxUint64, N: MaxN, Time: 1<<53 - 1, Data: []byte("1")})
		for _, want := range []string{
			`"seq":9007199254740991,`, `"n":9007199254740991,`, `"time":9007199254740991,`,
			`"hash":"ffffffffffffffff"`,
		} {
			if !bytes.Contains(f.JSON, []byte(want)) {
				t.Errorf("%s is not in %s", want, f.JSON)
			}
		}
	})

	t.Run("hostile", func(t *testing.T) {
		for _, s := range hostile() {
			checkFrame(t, opFrame("r", Operation{Session: s, User: s, Data: []byte("1")}), fields{
				"type": "op", "room": "r", "seq": num("0"), "hash": "0000000000000000", "session": seen(s),
				"n": num("0"), "user": seen(s), "time": num("0"), "data": num("1"),
			})
		}
	})
}

// REST shows an operation as the stream does, without type and room.
func TestOperation_MarshalJSON(t *testing.T) {
	for _, s := range append(hostile(), "s") {
		op := Operation{Seq: 7, Hash: 0xff, Session: s, N: 3, User: s, Time: 12, Data: []byte(`{"b":1.0,"a":"<"}`)}
		got, err := op.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		want := strings.Replace(string(opFrame("r", op).JSON), `"type":"op","room":"r",`, "", 1)
		if string(got) != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestErrorFrame(t *testing.T) {
	cause := errors.New("hunter2")

	// An error has its code and message, a delay if there is one, and never its cause.
	t.Run("fields", func(t *testing.T) {
		for _, tc := range []struct {
			id, room string
			err      error
			want     fields
		}{
			{"1", "r", Errorf(CodeGap, "m"), fields{
				"type": "error", "id": "1", "room": "r", "code": "gap", "message": "m",
			}},
			{"", "", Errorf(CodeGap, ""), fields{"type": "error", "code": "gap", "message": ""}},
			{"", "r", &Error{CodeRateLimited, "m", 1500 * time.Millisecond, cause}, fields{
				"type": "error", "room": "r", "code": "rate_limited", "message": "m", "retryAfter": num("1500"),
			}},
			{"1", "", &Error{CodeUnavailable, "m", time.Nanosecond, cause}, fields{
				"type": "error", "id": "1", "code": "unavailable", "message": "m", "retryAfter": num("1"),
			}},
			{"1", "", cause, fields{
				"type": "error", "id": "1", "code": "internal", "message": "something went wrong on the server",
			}},
		} {
			checkFrame(t, errorFrame(tc.id, tc.room, tc.err), tc.want)
		}
	})

	t.Run("hostile", func(t *testing.T) {
		for _, s := range hostile() {
			want := fields{"type": "error", "id": seen(s), "room": seen(s), "code": "rejected", "message": seen(s)}
			checkFrame(t, errorFrame(s, s, Errorf(CodeRejected, s)), want)
			checkFrame(t, okFrame(s, s), fields{"type": "ok", "id": seen(s), "room": seen(s)})
		}
	})
}

// A refusal tells the last n where the contract has it, and nowhere else.
func TestNackFrame(t *testing.T) {
	withLast := map[Code]bool{
		CodeGap: true, CodeDuplicate: true, CodeQueueFull: true, CodeRateLimited: true, CodeUnavailable: true,
	}
	for _, code := range Codes() {
		want := fields{"type": "nack", "room": "r", "n": num("9007199254740991"), "code": string(code), "message": "m"}
		if withLast[code] {
			want["last"] = num("0")
		}
		checkFrame(t, nackFrame("r", nack{session: "s", n: MaxN, code: code, message: "m"}), want)
	}
	for _, s := range hostile() {
		refusal := nack{n: 2, code: CodeUnavailable, message: s, last: 1, retry: 250 * time.Millisecond}
		checkFrame(t, nackFrame("r", refusal), fields{
			"type": "nack", "room": "r", "n": num("2"), "code": "unavailable", "message": seen(s),
			"last": num("1"), "retryAfter": num("250"),
		})
	}
}

// A good-bye tells when to come back, 0 for at once, or that coming back is of no use.
func TestByeFrame(t *testing.T) {
	for _, why := range Byes() {
		for delay, text := range map[time.Duration]string{0: "0", 1500 * time.Millisecond: "1500"} {
			want := fields{"type": "bye", "code": string(why), "reconnect": num(text)}
			if !why.Reconnect() {
				want["reconnect"] = false
			}
			checkFrame(t, byeFrame(why, delay), want)
		}
	}
}

func TestLeftFrame(t *testing.T) {
	for _, reason := range []LeaveReason{LeaveReplaced, LeaveKicked, LeaveForbidden, LeaveDeleted, LeaveExpired} {
		checkFrame(t, leftFrame("r", reason), fields{"type": "left", "room": "r", "reason": string(reason)})
	}
}

func TestRewindFrame(t *testing.T) {
	for _, reason := range []string{"repair", "trimmed"} {
		checkFrame(t, rewindFrame("r", Position{3, 0xff}, reason), fields{
			"type": "rewind", "room": "r", "position": "3:00000000000000ff", "reason": reason,
		})
	}
}

// A state says how far what a client does reaches: while anything is amiss, to this instance for certain.
func TestStateFrame(t *testing.T) {
	for state, scope := range map[State]string{Live: "all", Degraded: "instance", Recovering: "instance"} {
		checkFrame(t, stateFrame("r", state, time.UnixMilli(1700000000123)), fields{
			"type": "state", "room": "r", "state": string(state), "scope": scope, "since": num("1700000000123"),
		})
	}
}

// An event says what is known of its sender; missing data is null.
func TestEventFrame(t *testing.T) {
	checkFrame(t, eventFrame("", Event{Name: "x"}, "", ""), fields{"type": "event", "name": "x", "data": nil})
	checkFrame(t, eventFrame("r", Event{Name: "x", Data: []byte(`[1]`), To: &Target{User: "u"}}, "s", "u"), fields{
		"type": "event", "room": "r", "name": "x", "data": []any{num("1")}, "session": "s", "user": "u",
	})
	for _, s := range hostile() {
		checkFrame(t, eventFrame("r", Event{Name: s}, "s", s), fields{
			"type": "event", "room": "r", "name": seen(s), "data": nil, "session": "s", "user": seen(s),
		})
	}
}

// A participant shows id, profile, presence and time, and nothing else of the user.
func TestAppendParticipant(t *testing.T) {
	for _, s := range append(hostile(), "ann") {
		u := User{ID: s, Name: s, Picture: s, Admin: true, Expires: time.Now(), Claims: map[string]any{"secret": s}}
		p := Participant{Session: s, User: s, Profile: u.Profile(), Presence: []byte(`{"x":1}`), Joined: 12}
		buf := append(frameOf("test"), `,"p":`...)
		checkFrame(t, seal("test", appendParticipant(buf, p)), fields{"type": "test", "p": map[string]any{
			"session": seen(s), "user": seen(s), "presence": map[string]any{"x": num("1")}, "joined": num("12"),
			"profile": map[string]any{"name": seen(s), "picture": seen(s), "color": u.Profile().Color},
		}})
	}
}
