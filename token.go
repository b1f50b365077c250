package flow

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// A resume token is "<session>.<mac>": it names a session, and its MAC binds that to the room and the
// user. It can be checked without asking anybody. An anonymous user has another id on every socket,
// so the token itself is what such a user is known by.
//
// While the store of sessions is away the session in the token has its time behind it, "<session>~<time>":
// another instance may find that the store never knew it, and takes it all the same.

// unsavedName returns what stands in a token for a session that the store does not have.
func unsavedName(session string, now time.Time) string {
	return session + "~" + strconv.FormatInt(now.Unix(), 36)
}

// sessionOf returns the session that a name in a token stands for, and when the store did not have it;
// zero if it did.
func sessionOf(name string) (session string, unsaved time.Time) {
	session, text, marked := strings.Cut(name, "~")
	if !marked {
		return session, unsaved
	}
	seconds, err := strconv.ParseInt(text, 36, 64)
	if err != nil {
		return session, unsaved
	}
	return session, time.Unix(seconds, 0)
}

// signResume returns the resume token of a session.
func signResume(secret []byte, session, room string, user User) string {
	return session + "." + resumeMAC(secret, session, room, user)
}

// verifyResume returns the session that a token names, if any of the secrets signed it for this room
// and user.
func verifyResume(secrets [][]byte, token, room string, user User) (session string, ok bool) {
	session, mac, _ := strings.Cut(token, ".")
	if strings.Contains(session, "\n") { // what stands in the MAC could then be read in two ways
		return "", false
	}
	for _, secret := range secrets { // as text: a MAC has more than one spelling that base64 would read
		good := subtle.ConstantTimeCompare([]byte(mac), []byte(resumeMAC(secret, session, room, user))) == 1
		if good && len(secret) > 0 { // with an empty key everybody could sign
			return session, true
		}
	}
	return "", false
}

// resumeMAC returns what binds a session to its room and user. Of the parts only the last may have line feeds.
func resumeMAC(secret []byte, session, room string, user User) string {
	owner := "user\n" + user.ID
	if user.Anonymous {
		owner = "anonymous"
	}
	mac := hmac.New(sha256.New, secret)
	_, _ = mac.Write([]byte("flow.v1 resume\n" + session + "\n" + room + "\n" + owner)) // never fails
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
