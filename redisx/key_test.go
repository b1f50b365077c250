package redisx

// Inside the package, because the names of keys are nobody else's business.

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fiberflow/flow"
)

// hostileIDs are what somebody may be called who means no good.
func hostileIDs() []string {
	return []string{
		"a", "a:b", "a}", "{a", "{}", "}{", "*", "?", "[a]", "\\", "a b", "a\nb", "a\r\nDEL x", "\x00", "\xff\xfe", "",
		"rooms", "room:a", "user:a", "session:a", "~marks", strings.Repeat("x", 255), strings.Repeat("\xff", 255),
	}
}

// Whatever users and idempotency keys are called, their keys are plain text, each has its own, and the hash
// tag of a room's keys is the room: nobody reaches another's key, in a Cluster either (I6).
func TestKeys_Apart(t *testing.T) {
	plain := regexp.MustCompile(`^[A-Za-z0-9._:~{}-]+$`)
	tag := regexp.MustCompile(`^[^{]*\{([^}]+)\}`)
	s := &SessionStore{conn: &Conn{key: keys{prefix: "flow"}}}
	m := &Meter{conn: s.conn}
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.OneOf(rapid.SampledFrom(hostileIDs()), rapid.Map(
			rapid.SliceOfN(rapid.Byte(), 0, 255), func(b []byte) string { return string(b) }))
		room := rapid.Custom(func(t *rapid.T) string {
			return rapid.StringMatching(`[A-Za-z0-9][A-Za-z0-9._:~-]{0,30}`).Draw(t, "room")
		})
		one, other := id.Draw(t, "one"), id.Draw(t, "other")
		here, there := room.Draw(t, "here"), room.Draw(t, "there")
		all := map[string][2]string{}
		note := func(kind, key, owner string) {
			if !plain.MatchString(key) {
				t.Fatalf("%s has the key %q", kind, key)
			}
			if was, ok := all[key]; ok && was != [2]string{kind, owner} {
				t.Fatalf("%q is %s of %q and %s of %q", key, was[0], was[1], kind, owner)
			}
			all[key] = [2]string{kind, owner}
		}
		for _, user := range []string{one, other} {
			note("the sessions", s.userKey(user), user)
			note("the meter", m.key(user), user)
		}
		for _, r := range []string{here, there} {
			if !flow.ValidRoom(r) {
				t.Fatalf("%q is no room", r)
			}
			note("the sessions", s.roomKey(r), r)
			for _, name := range []string{"head", "ops", "ops~", "snap", "snap~", "gone", "leases", "epoch", "feed"} {
				note(name, s.conn.key.room(r, name), r)
			}
			for _, key := range []string{one, other} {
				receipt := s.conn.key.room(r, "key:"+encoded(key))
				note("a receipt", receipt, r+" "+key)
				if got := tag.FindStringSubmatch(receipt); got == nil || got[1] != r {
					t.Fatalf("%q has the hash tag %v, want %q", receipt, got, r)
				}
			}
		}
		for i, key := range s.roomsKeys() {
			note([]string{"rooms by name", "rooms by time"}[i], key, "")
		}
	})
}
