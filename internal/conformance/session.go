package conformance

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/fiberflow/flow"
)

// SessionSettings are what a case needs of a store. A zero field means the backend's default.
type SessionSettings struct {
	SessionTTL  time.Duration // after which an untouched session is forgotten, 1 h
	InstanceTTL time.Duration // after which an untouched instance is taken as dead, 15 s
}

// OpenSessions returns two handles on one fresh and empty store.
type OpenSessions func(t *testing.T, s SessionSettings) (one, other flow.SessionStore)

// SessionStore runs the suite of [flow.SessionStore].
func SessionStore(t *testing.T, open OpenSessions) {
	t.Helper()
	for _, c := range slices.Concat(sessionCases(), listCases(), sessionExpiryCases()) {
		t.Run(c.name, func(t *testing.T) {
			one, other := open(t, c.settings)
			c.run(&sessionTest{T: t, one: one, other: other})
		})
	}
}

// sessionCase is one sentence of the contract, told at the function that checks it.
type sessionCase struct {
	name     string
	settings SessionSettings
	run      func(t *sessionTest)
}

// sessionTest is one case under way.
type sessionTest struct {
	*testing.T

	one, other flow.SessionStore
}

func (t *sessionTest) handles() []flow.SessionStore { return []flow.SessionStore{t.one, t.other} }

// session returns a session of instance "i1".
func session(id, room, user string) flow.Session {
	return flow.Session{
		ID: id, Room: room, Joined: noon, Claimed: noon + 1, Instance: "i1",
		User:     flow.User{ID: user, Name: "name of " + user},
		Presence: fmt.Appendf(nil, `{"of":%q}`, id),
	}
}

func (t *sessionTest) put(list ...flow.Session) {
	t.Helper()
	for _, s := range list {
		if err := t.one.Put(t.Context(), s); err != nil {
			t.Fatalf("Put(%s): %v", s.ID, err)
		}
	}
}

func (t *sessionTest) delete(ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := t.one.Delete(t.Context(), id); err != nil {
			t.Fatalf("Delete(%s): %v", id, err)
		}
	}
}

// touch touches and returns what was lost, sorted.
func (t *sessionTest) touch(instance string, ids ...string) []string {
	t.Helper()
	lost, err := t.one.Touch(t.Context(), instance, ids)
	if err != nil {
		t.Fatalf("Touch(%s): %v", instance, err)
	}
	slices.Sort(lost)
	return lost
}

// wantStored checks that every instance gets the session like this.
func (t *sessionTest) wantStored(s flow.Session) {
	t.Helper()
	for _, store := range t.handles() {
		got, err := store.Get(t.Context(), s.ID)
		if err != nil {
			t.Errorf("Get(%s): %v", s.ID, err)
			continue
		}
		wantSession(t, got, s)
	}
}

// wantUnknown checks that no instance gets the session.
func (t *sessionTest) wantUnknown(id string) {
	t.Helper()
	for _, store := range t.handles() {
		_, err := store.Get(t.Context(), id)
		wantCode(t, err, flow.CodeNotFound)
	}
}

// list returns the ids that one page of a list has.
func (t *sessionTest) list(q flow.SessionQuery) []string {
	t.Helper()
	found, err := t.one.List(t.Context(), q)
	if err != nil {
		t.Fatalf("List(%+v): %v", q, err)
	}
	ids := make([]string, len(found))
	for i, s := range found {
		ids[i] = s.ID
	}
	return ids
}

func (t *sessionTest) listRoom(room string) []string {
	t.Helper()
	return t.list(flow.SessionQuery{Room: room, Limit: 1000})
}

func (t *sessionTest) rooms(after string, limit int) []string {
	t.Helper()
	rooms, err := t.one.Rooms(t.Context(), after, limit)
	if err != nil {
		t.Fatalf("Rooms: %v", err)
	}
	return rooms
}

func wantSession(t testing.TB, got, want flow.Session) {
	t.Helper()
	sameUser := got.User.ID == want.User.ID && got.User.Name == want.User.Name &&
		got.User.Picture == want.User.Picture && got.User.Anonymous == want.User.Anonymous
	samePlace := got.ID == want.ID && got.Room == want.Room && got.Instance == want.Instance
	if !sameUser || !samePlace || got.Joined != want.Joined || got.Claimed != want.Claimed {
		t.Errorf("session is %+v, want %+v", got, want)
	}
	if !got.User.Expires.IsZero() || got.User.Admin || got.User.Claims != nil {
		t.Errorf("the store kept Expires, Admin or Claims of %+v", got.User)
	}
	if !bytes.Equal(presenceOf(got), presenceOf(want)) {
		t.Errorf("presence is %s, want %s", got.Presence, want.Presence)
	}
}

// presenceOf returns the presence of s as text: none means {}.
func presenceOf(s flow.Session) []byte {
	if len(s.Presence) == 0 {
		return []byte(`{}`)
	}
	return s.Presence
}

func wantStrings(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}
