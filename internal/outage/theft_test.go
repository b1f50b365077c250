package outage_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/fiberflow/flow/internal/redistest"
)

// theft is two instances that know two secrets, one each that knows one of them and none, and the tokens that were
// taken from their users.
type theft struct {
	*world
	both    []*instance // sign with "new", and know "old"
	former  *instance   // signs with "old"
	foreign *instance   // signs with what the others do not know

	owner *visitor // ann, on the first of both
	held  message  // her joined
}

// Before, during and after an outage, on the instance that issued a token and on the other one, over real sockets:
// what others do with it fails, what its owner does with it works, also when Redis comes back empty. I4, I6, I7
func TestTheft(t *testing.T) {
	for _, c := range []struct {
		name   string
		server []redistest.Option
	}{{"back with its data", durable()}, {"back empty", nil}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			th := newTheft(t, c.server)
			rotated, unknown := th.token("old", th.former), th.token("foreign", th.foreign)
			ended := th.ended()
			th.fails("while all is well")
			th.secrets(rotated, unknown)

			th.redis.Kill(t)
			th.owner.find("the outage", func(m message) bool { return m.Type == "state" && m.State == "degraded" })
			th.fails("while Redis is away")
			th.secrets(rotated, unknown)
			revived := th.replayed(ended)
			during := th.visit(th.both[0], "cem")
			unsaved := during.resume(th.room, "")
			th.stale("a token of the outage, there", th.both[0], "bob", th.room, unsaved.Resume)
			th.stale("a token of the outage", th.both[1], "bob", th.room, unsaved.Resume)
			taken := th.takeOver()

			th.redis.Restart(t)
			th.live()
			th.released()
			th.fails("after the outage")
			th.secrets(rotated, unknown)
			if got := th.visit(th.both[1], "cem").resume(th.room, unsaved.Resume); got.Session != unsaved.Session {
				t.Errorf("the token of the outage got %+v", got)
			}
			if left := during.expect("left"); left.Reason != "replaced" || during.closed() != 4105 {
				t.Errorf("left is %+v", left)
			}
			th.writes(taken, "the owner")
			th.writes(revived, "who came back")
		})
	}
}

func newTheft(t *testing.T, options []redistest.Option) *theft {
	t.Helper()
	w := newWorld(t, options...)
	th := &theft{world: w}
	start := func(secret string) *instance {
		return w.add(false, map[string]string{"COLLAB_SECRET": secret, "COLLAB_ANONYMOUS": "true"})
	}
	th.both = []*instance{start("the new secret of the tests,the old secret of the tests"),
		start("the new secret of the tests,the old secret of the tests")}
	th.former, th.foreign = start("the old secret of the tests"), start("a secret of nobody else")
	th.owner = w.visit(th.both[0], "ann")
	th.held = th.owner.resume(w.room, "")
	return th
}

// token returns the token of a session of ann's on an instance.
func (th *theft) token(room string, at *instance) string {
	th.t.Helper()
	return th.visit(at, "ann").resume(room, "").Resume
}

// stale has a user try a token.
func (th *theft) stale(what string, at *instance, user, room, token string) {
	th.t.Helper()
	v := th.visit(at, user)
	if got := v.resume(room, token); got.Type != "error" || got.Code != "stale_session" || got.Room != room {
		th.t.Errorf("%s got %+v", what, got)
	}
	_ = v.conn.Close() // was used to its end
}

// fails has everybody try what must fail, on both instances.
func (th *theft) fails(when string) {
	th.t.Helper()
	token := th.held.Resume
	session, mac, _ := strings.Cut(token, ".")
	flipped := []byte(token)
	flipped[len(flipped)-1] ^= 1
	for _, at := range th.both {
		th.stale(when+": another user", at, "bob", th.room, token)
		th.stale(when+": an anonymous user", at, "", th.room, token)
		th.stale(when+": a user in other letters", at, "Ann", th.room, token)
		th.stale(when+": another room", at, "ann", "other", token)
		v := th.visit(at, "ann")
		for what, forged := range map[string]string{
			"cut": token[:len(token)-1], "longer": token + "A", "flipped": string(flipped), "no MAC": session,
			"other letters": strings.ToUpper(token), "guessed": strings.Repeat("a", len(session)) + "." + mac,
			"with a time": session + "~zzzzzz." + mac,
		} {
			if got := v.resume(th.room, forged); got.Code != "stale_session" {
				th.t.Errorf("%s: %s got %+v", when, what, got)
			}
		}
		_ = v.conn.Close() // was used to its end
	}
}

// secrets tries tokens that were signed with a secret which the instances know, and with one that they do not.
func (th *theft) secrets(rotated, unknown string) {
	th.t.Helper()
	session, _, _ := strings.Cut(rotated, ".")
	for _, at := range th.both {
		v := th.visit(at, "ann")
		if got := v.resume("old", rotated); got.Session != session {
			th.t.Errorf("the token of a known secret got %+v", got)
		}
		_ = v.conn.Close() // the session waits to be resumed
		th.stale("a token of another secret", at, "ann", "foreign", unknown)
	}
}

// ended returns the token of a session that its client has left on the first instance. Those that were kicked
// there are good nowhere.
func (th *theft) ended() string {
	th.t.Helper()
	kicked := th.visit(th.both[0], "eve")
	j := kicked.resume(th.room, "")
	status, text, err := th.call(th.both[0], http.MethodDelete, "/rooms/"+th.room+"/sessions/"+j.Session, "")
	if err != nil || status != http.StatusNoContent {
		th.t.Fatalf("kick: %d %s %v", status, text, err)
	}
	if code := kicked.closed(); code != 4102 {
		th.t.Errorf("close code is %d", code)
	}
	th.stale("a kicked session, there", th.both[0], "eve", th.room, j.Resume)
	th.eventually("a kicked session has ended everywhere", func() bool {
		v := th.visit(th.both[1], "eve")
		defer v.conn.Close() //nolint:errcheck // was used to its end
		return v.resume(th.room, j.Resume).Code == "stale_session"
	})

	left := th.visit(th.both[0], "dan")
	token := left.resume(th.room, "").Resume
	left.request(map[string]any{"type": "leave", "room": th.room})
	th.stale("a session that was left, there", th.both[0], "dan", th.room, token)
	return token
}

// replayed tries tokens of sessions that have ended while Redis is away. Where one ended a moment ago that is known;
// the other instance has only the signature to go by, and takes the session up again, for the same user and nobody
// else.
func (th *theft) replayed(token string) *visitor {
	th.t.Helper()
	left := th.visit(th.both[0], "fay")
	during := left.resume(th.room, "").Resume
	left.request(map[string]any{"type": "leave", "room": th.room})
	th.stale("a session that was left in the outage, there", th.both[0], "fay", th.room, during)
	th.stale("a thief of it", th.both[1], "bob", th.room, token)
	v := th.visit(th.both[1], "dan")
	if got := v.resume(th.room, token); got.Session != token[:strings.Index(token, ".")] {
		th.t.Errorf("a session that was left elsewhere got %+v", got)
	}
	return v
}

// takeOver has the owner resume on the other instance while Redis is away: the first one cannot be told.
func (th *theft) takeOver() *visitor {
	th.t.Helper()
	v := th.visit(th.both[1], "ann")
	if got := v.resume(th.room, th.held.Resume); got.Session != th.held.Session {
		th.t.Errorf("the owner got %+v", got)
	}
	return v
}

// released waits until the owner's first socket has been told that the session is elsewhere.
func (th *theft) released() {
	th.t.Helper()
	if left := th.owner.expect("left"); left.Reason != "replaced" {
		th.t.Errorf("left is %+v", left)
	}
	if code := th.owner.closed(); code != 4105 {
		th.t.Errorf("close code is %d", code)
	}
}

// writes checks that a session is whole: its operation is confirmed.
func (th *theft) writes(v *visitor, who string) {
	th.t.Helper()
	v.send(map[string]any{"type": "op", "room": th.room, "n": 1, "data": who})
	v.find("an operation of "+who, func(m message) bool { return m.Type == "op" && string(m.Data) == `"`+who+`"` })
}
