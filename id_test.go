package flow // internal: newID is not exported

import (
	"regexp"
	"strings"
	"testing"
)

// Ids are of a grammar that fits everywhere, and no two are the same.
func TestNewID(t *testing.T) {
	form := regexp.MustCompile(`^[a-z2-7]{16}$`)
	seen := map[string]bool{}
	for range 10_000 {
		id := newID()
		if !form.MatchString(id) || !ValidRoom(id) || seen[id] {
			t.Fatalf("id is %q", id)
		}
		seen[id] = true
	}
}

// roomGrammar is the grammar of the contract, as it is written there.
var roomGrammar = regexp.MustCompile(`\A[A-Za-z0-9][A-Za-z0-9._:~-]{0,127}\z`)

func TestValidRoom(t *testing.T) {
	// Every byte, at the start and later, is judged as the grammar has it.
	t.Run("bytes", func(t *testing.T) {
		for c := range 256 {
			for _, bytes := range [][]byte{{byte(c)}, {'a', byte(c)}, {'a', byte(c), 'a'}} {
				room := string(bytes)
				if got := ValidRoom(room); got != roomGrammar.MatchString(room) {
					t.Errorf("%q: valid is %v", room, got)
				}
			}
		}
	})

	// 1 to 128 bytes, no spaces, no letters of other scripts, nothing that means something in a path.
	t.Run("table", func(t *testing.T) {
		for room, want := range map[string]bool{
			"r": true, "0": true, "team:42.a_b~c-d": true, strings.Repeat("x", 128): true, "a..": true,
			strings.Repeat("x", 129): false, "": false, ".": false, "..": false, "-a": false, "a/b": false,
			"a%2Fb": false, "räum": false, "a b": false, "a\n": false, "\na": false, "a\x00": false, "{a}": false,
			"a*": false, "ａ": false, "team:42/x": false,
		} {
			if got := ValidRoom(room); got != want {
				t.Errorf("%q: valid is %v", room, got)
			}
		}
	})
}

func FuzzValidRoom(f *testing.F) {
	for _, seed := range []string{"r", "team:42", "", strings.Repeat("x", 129), "a\n", "é"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, room []byte) {
		if got := ValidRoom(string(room)); got != roomGrammar.Match(room) {
			t.Fatalf("%q: valid is %v", room, got)
		}
	})
}
