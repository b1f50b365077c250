package flow // internal: tokens are signed and read inside the hub only

import (
	"strings"
	"testing"
)

func TestVerifyResume(t *testing.T) {
	old, current := []byte("the old secret"), []byte("the current secret")
	ann, bob := User{ID: "ann"}, User{ID: "bob"}
	token := signResume(current, "s1", "r", ann)

	// A token names its session, to whoever holds the secret: no store, no instance is asked. I4, I7
	t.Run("good", func(t *testing.T) {
		for name, u := range map[string]User{"the user": ann, "with other facts": {ID: "ann", Name: "Ann", Admin: true}} {
			if session, ok := verifyResume([][]byte{current}, token, "r", u); !ok || session != "s1" {
				t.Errorf("%s: got %q, %v", name, session, ok)
			}
		}
		if signResume(current, "s1", "r", ann) != token {
			t.Error("a token differs from one time to the next")
		}
	})

	// It is good for its session, room, user and secret only. I6
	t.Run("bound", func(t *testing.T) {
		_, mac, _ := strings.Cut(token, ".")
		for name, tc := range map[string]struct {
			secret []byte
			token  string
			room   string
			user   User
		}{
			"other room":          {current, token, "q", ann},
			"room in other case":  {current, token, "R", ann},
			"other user":          {current, token, "r", bob},
			"anonymous":           {current, token, "r", User{ID: "ann", Anonymous: true}},
			"other secret":        {old, token, "r", ann},
			"empty secret":        {nil, token, "r", ann},
			"other session":       {current, "s2." + mac, "r", ann},
			"no session":          {current, "." + mac, "r", ann},
			"no mac":              {current, "s1.", "r", ann},
			"no dot":              {current, "s1" + mac, "r", ann},
			"empty":               {current, "", "r", ann},
			"dot":                 {current, ".", "r", ann},
			"cut":                 {current, token[:len(token)-2], "r", ann},
			"longer":              {current, token + "AA", "r", ann},
			"flipped":             {current, flip(token, len(token)-10), "r", ann},
			"padded":              {current, token + "=", "r", ann},
			"other alphabet":      {current, "s1." + strings.Repeat("+", len(mac)), "r", ann},
			"second dot":          {current, token + ".x", "r", ann},
			"room moved in front": {current, "s1\nr." + mac, "", ann},
		} {
			if session, ok := verifyResume([][]byte{tc.secret}, tc.token, tc.room, tc.user); ok || session != "" {
				t.Errorf("%s: %q passes as %q", name, tc.token, session)
			}
		}
	})

	// Every single character of a token counts, but for the unused bits of the last.
	t.Run("every byte", func(t *testing.T) {
		for i := range len(token) - 1 {
			if _, ok := verifyResume([][]byte{current}, flip(token, i), "r", ann); ok {
				t.Errorf("byte %d of %s does not matter", i, token)
			}
		}
	})

	// While secrets rotate the first one signs and all verify; then the old one ends.
	t.Run("rotation", func(t *testing.T) {
		before := signResume(old, "s1", "r", ann)
		for _, known := range [][][]byte{{current, old}, {old, current}} {
			for _, one := range []string{before, token} {
				if session, ok := verifyResume(known, one, "r", ann); !ok || session != "s1" {
					t.Errorf("%s is not known", one)
				}
			}
		}
		if _, ok := verifyResume([][]byte{current}, before, "r", ann); ok {
			t.Error("the old secret still verifies")
		}
		if _, ok := verifyResume(nil, token, "r", ann); ok {
			t.Error("no secret verifies")
		}
	})

	// An anonymous user has another id on every socket: the token is what such a user is known by, and
	// it is of no use to users who have a name. I4, I6
	t.Run("anonymous", func(t *testing.T) {
		token := signResume(current, "s1", "r", User{ID: "anonymous-1", Anonymous: true})
		if session, ok := verifyResume([][]byte{current}, token, "r", User{ID: "anonymous-2", Anonymous: true}); !ok || session != "s1" {
			t.Errorf("got %q, %v", session, ok)
		}
		for _, u := range []User{{ID: "anonymous-1"}, {ID: "anonymous"}, ann, {}} {
			if _, ok := verifyResume([][]byte{current}, token, "r", u); ok {
				t.Errorf("%+v passes", u)
			}
		}
		if _, ok := verifyResume([][]byte{current}, token, "q", User{Anonymous: true}); ok {
			t.Error("it is good for another room")
		}
	})
}

// flip returns s with another character at i, from the same alphabet.
func flip(s string, i int) string {
	c := byte('A')
	if s[i] == c {
		c = 'B'
	}
	return s[:i] + string(c) + s[i+1:]
}

func FuzzVerifyResume(f *testing.F) {
	secrets := [][]byte{[]byte("k1"), []byte("k2")}
	ann := User{ID: "ann"}
	good := signResume(secrets[1], "s1", "r", ann)
	for _, seed := range []string{good, "", ".", "s1.", good + "x", "s1\n." + good} {
		f.Add([]byte(seed))
	}
	_, mac, _ := strings.Cut(good, ".")
	f.Fuzz(func(t *testing.T, text []byte) {
		session, ok := verifyResume(secrets, string(text), "r", ann)
		if !ok {
			if session != "" {
				t.Fatalf("%q is refused and names %q", text, session)
			}
			return
		}
		// Nobody can sign here but the seed: what is taken is the seed, up to the spelling of base64.
		if got := strings.NewReplacer("\r", "", "\n", "").Replace(string(text)); session != "s1" || got[:len(got)-1] != "s1."+mac[:len(mac)-1] {
			t.Fatalf("%q is taken as %q", text, session)
		}
	})
}
