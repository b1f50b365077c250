package redisx

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/fiberflow/flow"
)

// replySeeds are what Redis answers, as lines; the first names what it is.
func replySeeds() []string {
	return []string{
		"facts\nOK\n2\n00000000000000ff\n0\n0000000000000000\n0\n0000000000000000\n00000000000000ff\n9\n0\n7",
		"facts\nTRIMMED\n1e300\nx\nnan\n\n-1\n\n\ninf\n-5\nx",
		"answers\nc 3 00000000000000ff 2\nd 2\ng 0", "answers\nc",
		"entry\nsession\na\nn\n1\nuser\nu\ntime\n5\nhash\n00000000000000ff\ndata\n{}", "entry\nsession\na\nn\nx",
		`session` + "\n" + `{"room":"r","user":"u","presence":"e30=","joined":1,"claimed":2,"instance":"i"}`,
		"session\nnull", "session\n{\"presence\":\"*\"}", "mark\nroom instance\n1.7e15", "mark\nroom\nnan",
		"position\n7\n00000000000000ff", "position\n9007199254740993\nx", "millis\n-1", "millis\n9223372036854775807",
	}
}

// Whatever Redis answers is read or refused, and nothing panics: also when somebody else has written there
// (I6).
func FuzzRedisReplies(f *testing.F) {
	for _, seed := range replySeeds() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		lines := strings.Split(text, "\n")
		kind, said := lines[0], lines[1:]
		rest := strings.Join(said, "\n")
		switch kind {
		case "facts":
			got, err := parseFacts(said, []string{"a"})
			if err == nil && len(got.Last) > 1 {
				t.Fatalf("facts %+v", got)
			}
		case "answers":
			got, err := parseAnswers(rest, len(said))
			if err == nil && len(got) != len(said) {
				t.Fatalf("%d answers of %d", len(got), len(said))
			}
		case "entry":
			fuzzEntry(t, said)
		case "session":
			s, err := decodeSession("id", rest)
			if err == nil && (s.ID != "id" || !utf8.ValidString(s.Room) || !utf8.ValidString(s.User.ID)) {
				t.Fatalf("session %+v", s)
			}
		case "mark":
			marks, others := parseMarks(said)
			if 2*len(marks)+len(others) != len(said)/2*2 {
				t.Fatalf("%d marks and %d others of %d", len(marks), len(others), len(said))
			}
		case "position":
			if len(said) > 1 {
				p, err := parsePosition(said[0], said[1])
				if back, again := flow.ParsePosition(p.String()); err == nil && (again != nil || back != p) {
					t.Fatalf("%v is read again as %v, %v", p, back, again)
				}
			}
		case "millis":
			_, _ = parseMillis(rest)
		}
	})
}

// fuzzEntry reads an entry of a stream.
func fuzzEntry(t *testing.T, fields []string) {
	t.Helper()
	values := make([]any, len(fields))
	for i, field := range fields {
		values[i] = field
	}
	o, err := parseEntry([]any{"1-0", values})
	if err == nil && (o.Session != fields[1] || string(o.Data) != fields[11]) {
		t.Fatalf("%q became %+v", fields, o)
	}
}
