package middleware_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/middleware"
)

const tokenSecret = "a secret of more than thirty-two bytes"

// open opens a hub in this environment, and closes it with the test.
func open(t testing.TB, cfg middleware.Config) *flow.Hub {
	t.Helper()
	hub, err := middleware.Open(cfg)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := hub.Close(context.Background()); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return hub
}

// verify checks a token the way the hub that this environment makes does.
func verify(t *testing.T, e environment, token string) (flow.User, error) {
	t.Helper()
	cfg := e.config(t)
	return open(t, cfg).Config().VerifyToken(t.Context(), token)
}

func sign(t testing.TB, method jwt.SigningMethod, key any, claims jwt.MapClaims, header ...string) string {
	t.Helper()
	token := jwt.NewWithClaims(method, claims)
	for i := 0; i < len(header); i += 2 {
		token.Header[header[i]] = header[i+1]
	}
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func claims(changes jwt.MapClaims) jwt.MapClaims {
	all := jwt.MapClaims{"sub": "ann", "exp": time.Now().Add(time.Hour).Unix()}
	for k, v := range changes {
		if all[k] = v; v == nil {
			delete(all, k)
		}
	}
	return all
}

func TestOpen_VerifyToken(t *testing.T) {
	e := environment{"COLLAB_JWT_SECRET": tokenSecret}

	// A good token says who somebody is, until when, and hands all its claims to the application.
	t.Run("good", func(t *testing.T) {
		c := claims(jwt.MapClaims{
			"name": "Ann", "picture": "https://a/b.png", "rooms": map[string]string{"r": "viewer"},
		})
		user, err := verify(t, e, sign(t, jwt.SigningMethodHS256, []byte(tokenSecret), c))
		if err != nil {
			t.Fatal(err)
		}
		if user.ID != "ann" || user.Name != "Ann" || user.Picture != "https://a/b.png" || user.Admin || user.Anonymous {
			t.Errorf("user = %+v", user)
		}
		if user.Expires.Unix() != c["exp"] {
			t.Errorf("Expires = %v, want %v", user.Expires, c["exp"])
		}
		if rooms, _ := user.Claims["rooms"].(map[string]any); rooms["r"] != "viewer" {
			t.Errorf("Claims = %v", user.Claims)
		}
	})

	// The clocks may be 5 seconds apart.
	t.Run("leeway", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { // where no time passes by itself
			for name, c := range map[string]jwt.MapClaims{
				"expired":       {"exp": time.Now().Add(-4 * time.Second).Unix()},
				"not valid yet": {"nbf": time.Now().Add(4 * time.Second).Unix()},
				"issued later":  {"iat": time.Now().Add(4 * time.Second).Unix()},
			} {
				if _, err := verify(t, e, sign(t, jwt.SigningMethodHS256, []byte(tokenSecret), claims(c))); err != nil {
					t.Errorf("%s, 4 seconds: %v", name, err)
				}
			}
		})
	})
}

// wantRefused checks the code, and that neither token nor secret are told.
func wantRefused(t *testing.T, err error, code flow.Code, token string) {
	t.Helper()
	if flow.ErrorCode(err) != code {
		t.Fatalf("error = %v, want code %s", err, code)
	}
	for part := range strings.SplitSeq(token, ".") {
		if len(part) > 8 && strings.Contains(err.Error(), part) {
			t.Errorf("error = %q quotes the token", err)
		}
	}
	if strings.Contains(err.Error(), tokenSecret) {
		t.Errorf("error = %q quotes the secret", err)
	}
}

// An application's own check wins over the settings, and that is told.
func TestOpen_VerifyTokenOwn(t *testing.T) {
	var log book
	cfg := environment{"COLLAB_JWT_SECRET": tokenSecret}.config(t)
	cfg.Logger = log.logger()
	cfg.VerifyToken = func(_ context.Context, token string) (flow.User, error) { return flow.User{ID: token}, nil }
	user, err := open(t, cfg).Config().VerifyToken(t.Context(), "me")
	if err != nil || user.ID != "me" {
		t.Errorf("VerifyToken = %+v, %v, want the application's", user, err)
	}
	if line := log.entry(t, "settings have no effect"); line["because"] != "the application checks tokens itself" {
		t.Errorf("logged %v", line)
	}
}
