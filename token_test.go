package flow // internal: tokens are signed and read inside the hub only

import (
	"strings"
	"testing"
	"time"
)

// The secrets of an instance, and a token that the current one has signed.
var (
	oldSecret, newSecret = []byte("the old secret"), []byte("the current secret")
	annsToken            = signResume(newSecret, "s1", "r", User{ID: "ann"})
)

// resumes reports whether a token is good for session s1, under the current secret.
func resumes(t *testing.T, token, room string, user User) bool {
	t.Helper()
	session, ok := verifyResume([][]byte{newSecret}, token, room, user)
	if ok != (session == "s1") {
		t.Fatalf("%q names %q, %v", token, session, ok)
	}
	return ok
}

// A token names its session, to whoever holds the secret: no store, no instance is asked. I4, I7
func TestVerifyResume(t *testing.T) {
	for name, u := range map[string]User{"user": {ID: "ann"}, "other facts": {ID: "ann", Name: "Ann", Admin: true}} {
		if !resumes(t, annsToken, "r", u) {
			t.Errorf("%s is not known", name)
		}
	}
	if signResume(newSecret, "s1", "r", User{ID: "ann"}) != annsToken {
		t.Error("a token differs from one time to the next")
	}
}

// It is good for its room and user only, and every part of it counts. I6
func TestVerifyResume_Forged(t *testing.T) {
	ann := User{ID: "ann"}
	_, mac, _ := strings.Cut(annsToken, ".")
	for name, tc := range map[string]struct {
		token, room string
		user        User
	}{
		"other room":          {annsToken, "q", ann},
		"room in other case":  {annsToken, "R", ann},
		"other user":          {annsToken, "r", User{ID: "bob"}},
		"user without an id":  {annsToken, "r", User{}},
		"anonymous":           {annsToken, "r", User{ID: "ann", Anonymous: true}},
		"other session":       {"s2." + mac, "r", ann},
		"no session":          {"." + mac, "r", ann},
		"no mac":              {"s1.", "r", ann},
		"no dot":              {"s1" + mac, "r", ann},
		"empty":               {"", "r", ann},
		"dot":                 {".", "r", ann},
		"cut":                 {annsToken[:len(annsToken)-2], "r", ann},
		"longer":              {annsToken + "AA", "r", ann},
		"padded":              {annsToken + "=", "r", ann},
		"other alphabet":      {"s1." + strings.Repeat("+", len(mac)), "r", ann},
		"second dot":          {annsToken + ".x", "r", ann},
		"room moved in front": {"s1\nr." + mac, "", ann},
	} {
		if resumes(t, tc.token, tc.room, tc.user) {
			t.Errorf("%s: %q passes", name, tc.token)
		}
	}
	for i := range len(annsToken) * 8 {
		flipped := []byte(annsToken)
		flipped[i/8] ^= 1 << (i % 8)
		if resumes(t, string(flipped), "r", ann) {
			t.Errorf("bit %d of %s does not matter", i, annsToken)
		}
	}
	for i := range len(annsToken) {
		if resumes(t, annsToken[:i], "r", ann) {
			t.Errorf("the first %d bytes of %s are enough", i, annsToken)
		}
	}
}

// A token has one spelling only, although base64 reads several of the same MAC. I6
func TestVerifyResume_Spelling(t *testing.T) {
	ann := User{ID: "ann"}
	last := len(annsToken) - 1
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" {
		if token := annsToken[:last] + string(c); token != annsToken && resumes(t, token, "r", ann) {
			t.Errorf("%s is taken for %s", token, annsToken)
		}
	}
	for _, token := range []string{
		annsToken + "\n", annsToken + "\r\n", annsToken[:last] + "\n" + annsToken[last:], " " + annsToken,
		strings.ToUpper(annsToken), strings.ToLower(annsToken),
		strings.NewReplacer("-", "+", "_", "/").Replace(annsToken) + "=",
	} {
		if resumes(t, token, "r", ann) {
			t.Errorf("%q passes", token)
		}
	}
}

// What is signed can be read in one way only: a user whose id looks like the end of another token has none
// that is good for anything else. I6
func TestVerifyResume_OneReading(t *testing.T) {
	for _, tc := range []struct {
		signed User
		room   string
		user   User
	}{
		{User{ID: "q\nuser\nbob"}, "q", User{ID: "bob"}},
		{User{ID: "q\nanonymous"}, "q", User{ID: "anonymous-1", Anonymous: true}},
	} {
		_, mac, _ := strings.Cut(signResume(newSecret, "s1", "r", tc.signed), ".")
		if session, ok := verifyResume([][]byte{newSecret}, "s1\nr\nuser."+mac, tc.room, tc.user); ok {
			t.Errorf("the token of %q is good for %q as %+v", tc.signed.ID, session, tc.user)
		}
	}
}

// Nobody gets in by a key that everybody knows: an empty one among the secrets verifies nothing. I6
func TestVerifyResume_EmptySecret(t *testing.T) {
	ann := User{ID: "ann"}
	for _, empty := range [][]byte{nil, {}} {
		token := signResume(empty, "s1", "r", ann)
		if _, ok := verifyResume([][]byte{newSecret, empty}, token, "r", ann); ok {
			t.Error("a token without a key passes")
		}
	}
}

// The mark of a session that no store knew is signed like the rest; what cannot be read as a time marks
// nothing that is recent. I6, I7
func TestSessionOf(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	token := signResume(newSecret, unsavedName("s1", now), "r", User{ID: "ann"})
	name, ok := verifyResume([][]byte{newSecret}, token, "r", User{ID: "ann"})
	if id, at := sessionOf(name); !ok || id != "s1" || !at.Equal(now) {
		t.Errorf("%s is %s of %v, %v", token, id, at, ok)
	}
	_, mac, _ := strings.Cut(token, ".")
	for _, name := range []string{"s1", "s1~", "s1~zzzzzz", unsavedName("s1", now.Add(time.Second)), "s1~" + name} {
		if resumes(t, name+"."+mac, "r", User{ID: "ann"}) {
			t.Errorf("the time of %s is not signed", name)
		}
	}
	for _, name := range []string{"s1", "s1~", "s1~?", "s1~-", "s1~zzzzzzzzzzzzzzzzzzzzzz", "s1~1~1"} {
		if id, at := sessionOf(name); id != "s1" || !at.IsZero() {
			t.Errorf("%s is %s of %v", name, id, at)
		}
	}
}

// While secrets rotate the first one signs and all verify; then the old one ends. I6, I7
func TestVerifyResume_Rotation(t *testing.T) {
	ann := User{ID: "ann"}
	before := signResume(oldSecret, "s1", "r", ann)
	for _, known := range [][][]byte{{newSecret, oldSecret}, {oldSecret, newSecret}} {
		for _, token := range []string{before, annsToken} {
			if session, ok := verifyResume(known, token, "r", ann); !ok || session != "s1" {
				t.Errorf("%s is not known", token)
			}
		}
	}
	if resumes(t, before, "r", ann) {
		t.Error("the old secret still verifies")
	}
	for _, known := range [][][]byte{nil, {}, {nil}, {[]byte("another")}} {
		if _, ok := verifyResume(known, annsToken, "r", ann); ok {
			t.Errorf("%q verifies", known)
		}
	}
}

// An anonymous user has another id on every socket: the token is what such a user is known by, and it
// is of no use to users who have a name. I4, I6
func TestVerifyResume_Anonymous(t *testing.T) {
	token := signResume(newSecret, "s1", "r", User{ID: "anonymous-1", Anonymous: true})
	if !resumes(t, token, "r", User{ID: "anonymous-2", Anonymous: true}) {
		t.Error("another id of the same person is not known")
	}
	for _, u := range []User{{ID: "anonymous-1"}, {ID: "anonymous"}, {ID: "ann"}, {}} {
		if resumes(t, token, "r", u) {
			t.Errorf("%+v passes", u)
		}
	}
	if resumes(t, token, "q", User{ID: "anonymous-1", Anonymous: true}) {
		t.Error("it is good for another room")
	}
}

func FuzzVerifyResume(f *testing.F) {
	secrets := [][]byte{[]byte("k1"), []byte("k2")}
	ann := User{ID: "ann"}
	good := signResume(secrets[1], "s1", "r", ann)
	for _, seed := range []string{good, "", ".", "s1.", good + "x", "s1\n." + good} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		session, ok := verifyResume(secrets, string(text), "r", ann)
		if !ok {
			if session != "" {
				t.Fatalf("%q is refused and names %q", text, session)
			}
			return
		}
		// Nobody can sign here: what is taken is the seed.
		if session != "s1" || string(text) != good {
			t.Fatalf("%q is taken as %q", text, session)
		}
	})
}
