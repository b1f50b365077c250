package middleware_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"
	"github.com/golang-jwt/jwt/v5"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/redistest"
	"github.com/fiberflow/flow/middleware"
)

// secretWords are what must be found nowhere, by what they are.
type secretWords map[string]string

// forms are the ways in which bytes find their way into a text.
func forms(word string) []string {
	whole := word[:len(word)/3*3]
	decimal := strings.Trim(fmt.Sprintf("%d", []byte(word)), "[]")
	return []string{
		word, base64.StdEncoding.EncodeToString([]byte(whole)), base64.URLEncoding.EncodeToString([]byte(whole)),
		hex.EncodeToString([]byte(word)), decimal,
	}
}

// wantNone looks for every word in every form.
func (w secretWords) wantNone(t *testing.T, where, text string) {
	t.Helper()
	for what, word := range w {
		for _, form := range forms(word) {
			if i := strings.Index(text, form); i >= 0 {
				t.Errorf("%s shows %s: …%s…", where, what, text[max(0, i-200):min(len(text), i+len(form)+50)])
				break
			}
		}
	}
}

// settingWords are one word for every secret of the settings.
func settingWords() secretWords {
	return secretWords{
		"COLLAB_JWT_SECRET": "w0rd-jwt-3f9a1c", "COLLAB_ADMIN_TOKEN": "w0rd-admin-77b2e0",
		"COLLAB_SECRET": "w0rd-new-5e8f1a", "the second COLLAB_SECRET": "w0rd-old-9a7b6c",
		"REDIS_PASSWORD": "w0rd-redis-0c4d2e", "REDIS_URL": "w0rd-url-2d1c3b",
	}
}

// environment has the words in their places, with Redis at the address.
func (w secretWords) environment(t *testing.T, addr string) environment {
	t.Helper()
	return onRedis(t, addr).with(environment{
		"COLLAB_JWT_SECRET": w["COLLAB_JWT_SECRET"], "COLLAB_ADMIN_TOKEN": w["COLLAB_ADMIN_TOKEN"],
		"COLLAB_SECRET":  w["COLLAB_SECRET"] + "," + w["the second COLLAB_SECRET"],
		"REDIS_PASSWORD": w["REDIS_PASSWORD"], "REDIS_URL": "redis://:" + w["REDIS_URL"] + "@" + addr,
	})
}

// No way of printing what has secrets in it shows one.
func TestSecrets_Printed(t *testing.T) {
	words := settingWords()
	cfg := words.environment(t, "127.0.0.1:1").config(t)
	settings, err := middleware.LoadSettings(cfg)
	if err != nil {
		t.Fatal(err)
	}
	settings.RedisCollaboration, settings.RedisWebsockets, settings.RedisEventOrdering = false, false, false
	cfg.Settings = &settings
	hub := open(t, cfg)
	for name, v := range map[string]any{
		"Settings": settings, "*Settings": &settings, "RedisSettings": settings.Redis, "Secret": settings.JWTSecret,
		"Secrets": settings.Secrets, "middleware.Config": cfg, "*middleware.Config": &cfg,
		"error": fmt.Errorf("%v", settings), "flow.Config": hub.Config(), "*Hub": hub,
		"map": map[string]any{"settings": settings, "config": hub.Config()},
	} {
		t.Run(name, func(t *testing.T) {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
				printed := fmt.Sprintf(verb, v)
				words.wantNone(t, "verb "+verb[1:], printed+strings.ToLower(printed))
			}
			if text, err := json.Marshal(v); err == nil {
				words.wantNone(t, "JSON", string(text))
			}
			var log book
			log.logger().Error("trouble", "value", v, slog.Group("in", "value", v))
			slog.New(slog.NewTextHandler(&log, nil)).Error("trouble", "value", v, slog.Group("in", "value", v))
			words.wantNone(t, "the log", log.text())
		})
	}
}

// What is wrong with settings and files is told without the secrets in them, at start, at every request and
// when a file changes.
func TestSecrets_BadSettings(t *testing.T) {
	words := settingWords()
	all := slices.Sorted(maps.Values(words))
	private := filepath.Join(t.TempDir(), "private.json")
	content := fmt.Sprintf(`{"keys":[{"kty":"RSA","kid":"k","n":"AQ","d":%q,"p":%q}],"k":%q}`, all[0], all[1], all[2])
	if err := os.WriteFile(private, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	envFile := filepath.Join(t.TempDir(), ".env")
	if err := os.WriteFile(envFile, []byte(strings.Join(all, "\n")+"\nCOLLAB_SECRET="+all[3]+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	base := words.environment(t, "127.0.0.1:1")
	bad := map[string]environment{
		"another key":   base.with(environment{"PORT": "x"}),
		"a bad URL":     base.with(environment{"REDIS_URL": "redis://:" + words["REDIS_URL"] + "@host:port/x"}),
		"URL as host":   base.with(environment{"REDIS_HOST": "redis://:" + words["REDIS_URL"] + "@host"}),
		"no secrets":    base.with(environment{"COLLAB_SECRET": ", ,"}),
		"two token key": base.with(environment{"COLLAB_JWKS_FILE": private}),
		"private keys":  base.with(environment{"COLLAB_JWKS_FILE": private, "COLLAB_JWT_SECRET": ""}),
		"a bad file":    base,
	}
	for name, e := range bad {
		t.Run(name, func(t *testing.T) {
			var log book
			cfg := e.logged(t, &log)
			if name == "a bad file" {
				cfg.EnvFile = envFile
			}
			handler := middleware.New(cfg)
			status, body := ask(t, "/rooms?token="+all[0], handler)
			if status != http.StatusInternalServerError || log.text() == "" {
				t.Errorf("answered %d, logged %q", status, log.text())
			}
			words.wantNone(t, "the log", log.text())
			words.wantNone(t, "the answer", body)
		})
	}
}

// A hub on Redis, with an attacker, a good user, an operator, and an outage: nothing that is logged, answered or shown
// has a secret of the settings in it, a token, or a resume token of somebody else.
func TestSecrets_Served(t *testing.T) {
	t.Parallel()
	words := settingWords()
	server := redistest.Start(t, redistest.Password(words["REDIS_URL"]))
	var log book
	cfg := words.environment(t, server.Addr()).logged(t, &log)
	cfg.Authenticate = func(_ context.Context, r flow.Request) (*flow.User, error) {
		if r.Header("X-Trouble") != "" {
			panic("a hook that fails")
		}
		return nil, nil
	}
	site := serve(t, cfg, &log)
	tokens := badTokens(t, words)
	good := sign(t, jwt.SigningMethodHS256, []byte(words["COLLAB_JWT_SECRET"]), claims(nil))
	words["a good token"] = good

	for name, token := range tokens {
		words[name] = token
		for _, r := range site.routes {
			site.request(t, r, http.Header{"Authorization": {"Bearer " + token}})
			site.request(t, r, http.Header{"Cookie": {"session=" + token}, "X-Trouble": {"1"}})
		}
		site.socket(t, token, "")
		site.socket(t, "", token)
	}
	site.request(t, route{http.MethodGet, "/rooms"}, http.Header{"Authorization": {"Basic " + tokens["noise"]}})
	site.raw(t, "GET /rooms HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer "+tokens["noise"]+"\r\nbroken\r\n\r\n")
	site.raw(t, "GET /rooms HTTP/1.1\r\nHost: a\r\nCookie: "+strings.Repeat(tokens["noise"], 5000)+"\r\n\r\n")
	site.raw(t, "GET /rooms HTTP/9.9\r\nHost: a\r\nAuthorization: Bearer "+tokens["noise"]+"\r\n\r\n")
	words["a resume token"] = site.session(t, good)

	admin := http.Header{"Authorization": {"Bearer " + words["COLLAB_ADMIN_TOKEN"]}}
	user := http.Header{"Authorization": {"Bearer " + good}}
	everything := func() {
		for _, r := range site.routes {
			site.request(t, r, admin)
			site.request(t, r, user)
		}
	}
	everything()
	server.Stop(t)
	eventually(t, "Redis is missed", func() bool { return site.hub.State() != flow.Live })
	everything()
	server.Restart(t)
	eventually(t, "the hub is live", live(site.hub))
	open(t, words.environment(t, server.Addr()).with(environment{
		"REDIS_URL": "redis://:" + words["REDIS_PASSWORD"] + "@" + server.Addr(),
	}).logged(t, &log)) // the wrong password

	if log.text() == "" || len(site.answers.text()) < 10_000 {
		t.Fatalf("logged %q, answered %d bytes", log.text(), len(site.answers.text()))
	}
	words.wantNone(t, "the log", log.text())
	words.wantNone(t, "an answer", site.answers.text())
}

// badTokens are tokens of all kinds that are not good, each with a word in it.
func badTokens(t *testing.T, words secretWords) map[string]string {
	t.Helper()
	key := []byte(words["COLLAB_JWT_SECRET"])
	return map[string]string{
		"noise":           "w0rd-noise-" + strings.Repeat("x", 20),
		"expired":         sign(t, jwt.SigningMethodHS256, key, claims(jwt.MapClaims{"exp": 1_700_000_000})),
		"another's":       sign(t, jwt.SigningMethodHS256, []byte("another key"), claims(nil)),
		"another method":  sign(t, jwt.SigningMethodHS512, key, claims(nil)),
		"no user":         sign(t, jwt.SigningMethodHS256, key, claims(jwt.MapClaims{"sub": "w0rd\x00"})),
		"not a token":     "w0rd.part.part",
		"claims of noise": segment(`{"alg":"HS256"}`) + "." + segment("w0rd-claims{") + ".AAAA",
	}
}

// route is a request to the endpoints.
type route struct{ method, path string }

// routesOf returns all routes of an app, with names in the place of parameters.
func routesOf(app *fiber.App) []route {
	var found []route
	for _, r := range app.GetRoutes(true) {
		path := strings.NewReplacer(":room", "room", ":session", "none", ":user", "ann").Replace(r.Path)
		if !strings.HasSuffix(path, "/stream") && r.Method != http.MethodHead && r.Method != http.MethodDelete {
			found = append(found, route{r.Method, path})
		}
	}
	return found
}
