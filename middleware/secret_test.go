package middleware_test

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/redistest"
	"github.com/fiberflow/flow/middleware"
)

const unshared = "the key that signs resume tokens is not shared yet: until redis answers, who joins here can " +
	"come back to this instance only"

func sameKey(a, b *flow.Hub) bool {
	return string(a.Config().Secrets()[0]) == string(b.Config().Secrets()[0])
}

func TestOpen_Secrets(t *testing.T) {
	// Instances that share the sessions share the key that signs resume tokens (I4).
	t.Run("shared", func(t *testing.T) {
		e := onRedis(t, shared.Server(t).Addr())
		if a, b := open(t, e.config(t)), open(t, e.config(t)); !sameKey(a, b) {
			t.Error("the keys differ")
		}
	})

	// Instances that do not share the sessions have keys of their own.
	t.Run("own", func(t *testing.T) {
		e := onRedis(t, shared.Server(t).Addr())
		e["USE_REDIS_COLLABORATION"] = "false"
		if a, b := open(t, e.config(t)), open(t, e.config(t)); sameKey(a, b) {
			t.Error("the keys are the same")
		}
	})

	// A key of the settings is nobody else's business.
	t.Run("set", func(t *testing.T) {
		e := onRedis(t, shared.Server(t).Addr())
		e["COLLAB_SECRET"] = "hunter2"
		if got := fmt.Sprintf("%s", open(t, e.config(t)).Config().Secrets()); got != "[hunter2]" {
			t.Errorf("Secrets = %s", got)
		}
		if n := shared.Server(t).Client(t).Exists(t.Context(), e["REDIS_KEY_PREFIX"]+":secret").Val(); n != 0 {
			t.Error("a secret was put into Redis")
		}
	})
}

// A secret without bytes is none: anybody could sign with it.
func TestOpen_SecretsEmpty(t *testing.T) {
	s := load(t, nil)
	s.Secrets = []middleware.Secret{"", "hunter2", ""}
	got := open(t, middleware.Config{Settings: &s, Logger: slog.New(slog.DiscardHandler)}).Config().Secrets()
	if len(got) != 1 || string(got[0]) != "hunter2" {
		t.Errorf("%d keys, want the one that is not empty", len(got))
	}
}

// An instance that starts without Redis draws a key, and says what that means. When Redis is there, it
// signs as the others do; who joined before comes back to it all the same, to the same session (I4).
func TestOpen_SecretsLater(t *testing.T) {
	server := redistest.Start(t, redistest.AppendOnly())
	e := onRedis(t, server.Addr())
	elder := open(t, e.config(t))
	server.Stop(t)
	var log book
	hub := open(t, e.logged(t, &log))
	if line := log.entry(t, unshared); line["level"] != "WARN" {
		t.Errorf("logged %v, want a warning", line)
	}
	if sameKey(elder, hub) {
		t.Fatal("the keys are the same without Redis")
	}
	first := connect(t, hub, "ann")
	joined := first.join(t, "room", "")
	session, token := fmt.Sprint(joined["session"]), fmt.Sprint(joined["resume"])

	server.Restart(t)
	eventually(t, "both sign with one key", func() bool { return sameKey(elder, hub) })
	eventually(t, "the hub is live", live(hub))
	log.entry(t, "resume tokens are signed with the key of the other instances from now on")
	first.leave()
	back := connect(t, hub, "ann").join(t, "room", token)
	if back["session"] != session {
		t.Errorf("back as %v, want session %s", back, session)
	}

	// The token of the second join is good everywhere, that of the first was good here only.
	again := fmt.Sprint(back["resume"])
	if got := connect(t, elder, "ann").join(t, "room", token); got["code"] != string(flow.CodeStaleSession) {
		t.Errorf("the other instance answered %v, want a stale session", got)
	}
	if got := connect(t, elder, "ann").join(t, "room", again); got["session"] != session {
		t.Errorf("the other instance answered %v, want session %s", got, session)
	}
}

// A Redis that comes back empty is given the key again, so that an instance which starts then has it (I4).
func TestOpen_SecretsLost(t *testing.T) {
	server := redistest.Start(t)
	e := onRedis(t, server.Addr())
	elder := open(t, e.config(t))
	key := elder.Config().Secrets()[0]
	server.Restart(t)
	at := e["REDIS_KEY_PREFIX"] + ":secret"
	eventually(t, "the key is on Redis again", func() bool {
		return server.Client(t).Get(t.Context(), at).Val() == string(key)
	})
	if !sameKey(elder, open(t, e.config(t))) {
		t.Error("the keys differ")
	}
}
