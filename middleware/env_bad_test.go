package middleware_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/fiberflow/flow/middleware"
)

type badValue struct{ key, value, expected string }

func badValues() []badValue {
	return []badValue{
		{"USE_REDIS_COLLABORATION", "yes", "true, false, 1 or 0"},
		{"USE_REDIS_WEBSOCKETS", "TRUE", "true, false, 1 or 0"},
		{"USE_REDIS_EVENT_ORDERING", "2", "true, false, 1 or 0"},
		{"REDIS_URL", "localhost", "redis://"},
		{"REDIS_HOST", "localhost:6379", "without a port"},
		{"REDIS_HOST", "a b", "a host name"},
		{"REDIS_PORT", "0", "a whole number from 1 to 65535"},
		{"REDIS_PORT", "65536", "a whole number from 1 to 65535"},
		{"REDIS_USERNAME", "a\x00b", "text"},
		{"REDIS_DB", "-1", "a whole number"},
		{"REDIS_DB", "1.5", "a whole number"},
		{"REDIS_TLS", "on", "true, false, 1 or 0"},
		{"REDIS_MODE", "standalone", "single, sentinel or cluster"},
		{"REDIS_ADDRS", "a:1,b", "host:port"},
		{"REDIS_ADDRS", "a:1,,b:2", "host:port"},
		{"REDIS_MASTER_NAME", "a\nb", "text"},
		{"REDIS_KEY_PREFIX", "{flow}", "letters, digits"},
		{"REDIS_KEY_PREFIX", "-", "first a letter or digit"},
		{"REDIS_SESSION_TTL", "soon", "a duration"},
		{"REDIS_SESSION_TTL", "-5", "a duration"},
		{"REDIS_OPERATION_TTL", "1 h", "a duration"},
		{"REDIS_OPERATION_LIMIT", "0", "a whole number from 1"},
		{"REDIS_OPERATION_LIMIT", "99999999999999999999", "a whole number from 1"},
		{"REDIS_TIMEOUT", "0", "a duration of 1ms or more"},
		{"REDIS_TIMEOUT", "1ns", "a duration of 1ms or more"},
		{"COLLAB_OUTAGE", "drop", "relay, hold or reject"},
		{"COLLAB_ANONYMOUS", "maybe", "true, false, 1 or 0"},
		{"COLLAB_ALLOWED_ORIGINS", "*", "origins such as"},
		{"COLLAB_ALLOWED_ORIGINS", "https://*", "origins such as"},
		{"COLLAB_ALLOWED_ORIGINS", "https://ok.example,example.com", "origins such as"},
		{"COLLAB_ALLOWED_ORIGINS", "https://example.com/path", "origins such as"},
		{"COLLAB_ALLOWED_ORIGINS", "https://example.com:port", "origins such as"},
		{"COLLAB_ALLOWED_ORIGINS", "null", "origins such as"},
		{"COLLAB_ALLOW_MISSING_ORIGIN", "null", "true, false, 1 or 0"},
		{"COLLAB_TRUSTED_PROXIES", "10.0.0.0/33", "addresses and networks such as"},
		{"COLLAB_TRUSTED_PROXIES", "10.0.0.1,", "addresses and networks such as"},
		{"COLLAB_TRUSTED_PROXIES", "10.0.0.1 10.0.0.2", "addresses and networks such as"},
		{"COLLAB_TRUSTED_PROXIES", "10.0.0.1:80", "addresses and networks such as"},
		{"COLLAB_TRUSTED_PROXIES", "010.0.0.1", "addresses and networks such as"},
		{"COLLAB_TRUSTED_PROXIES", "fe80::1%eth0", "addresses and networks such as"},
		{"COLLAB_TRUSTED_PROXIES", "::ffff:10.0.0.0/104", "addresses and networks such as"},
		{"COLLAB_TRUSTED_PROXIES", "proxy.local", "addresses and networks such as"},
		{"COLLAB_TRUSTED_PROXIES", "*", "addresses and networks such as"},
		{"COLLAB_JWT_ISSUER", "a\tb", "text"},
		{"COLLAB_JWT_MAX_AGE", "0", "a duration of 1ms or more"},
		{"COLLAB_MESSAGE_BYTES", "64k", "a whole number from 1"},
		{"COLLAB_USER_SOCKETS", "0", "a whole number from 1"},
		{"COLLAB_SOCKET_BYTES_PER_SECOND", "1e6", "a whole number from 1"},
		{"COLLAB_LOG_BYTES", "1G", "a whole number from 1"},
		{"COLLAB_HEARTBEAT", "25 seconds", "a duration"},
		{"COLLAB_TIMEOUT", "25s", "more than COLLAB_HEARTBEAT"},
		{"COLLAB_INSTANCE", strings.Repeat("x", 65), "at most 64 bytes"},
		{"PORT", "http", "a whole number from 0 to 65535"},
	}
}

func TestLoadSettings_BadValues(t *testing.T) {
	for _, c := range badValues() {
		// A value that cannot be read is named with its key and what was expected.
		t.Run(c.key+"="+c.value, func(t *testing.T) {
			text := refused(t, environment{c.key: c.value})
			for _, part := range []string{c.key, "expected", c.expected} {
				if !strings.Contains(text, part) {
					t.Errorf("error = %q, want %q in it", text, part)
				}
			}
			shown := strings.Contains(text, strings.Trim(fmt.Sprintf("%q", c.value), `"`))
			if hides := c.key == "REDIS_URL"; !shown && !hides {
				t.Errorf("error = %q, want the value %q in it", text, c.value)
			}
		})
	}

	// All problems are told at once.
	t.Run("several", func(t *testing.T) {
		text := refused(t, environment{"PORT": "x", "COLLAB_ROOMS": "y", "USE_REDIS_WEBSOCKETS": "z"})
		for _, key := range []string{"PORT", "COLLAB_ROOMS", "USE_REDIS_WEBSOCKETS"} {
			if !strings.Contains(text, key) {
				t.Errorf("error = %q, want %s in it", text, key)
			}
		}
	})
}

// Keys that only fail together are refused by name.
func TestLoadSettings_Conflicts(t *testing.T) {
	for name, c := range map[string]struct {
		e    environment
		want string
	}{
		"sentinel without a master": {
			environment{"REDIS_MODE": "sentinel", "REDIS_ADDRS": "a:1"}, "REDIS_MASTER_NAME is unset",
		},
		"sentinel without addresses": {
			environment{"REDIS_MODE": "sentinel", "REDIS_MASTER_NAME": "m"}, "REDIS_ADDRS is unset",
		},
		"cluster with a database": {
			environment{"REDIS_MODE": "cluster", "REDIS_DB": "1"}, "REDIS_DB=1: expected 0",
		},
		"two ways to check tokens": {
			environment{"COLLAB_JWT_SECRET": "hunter2", "COLLAB_JWKS_FILE": "keys.json"}, "COLLAB_JWKS_FILE",
		},
		"timeout before the first ping": {
			environment{"COLLAB_HEARTBEAT": "2m"}, "COLLAB_TIMEOUT=1m0s: expected more than COLLAB_HEARTBEAT",
		},
	} {
		t.Run(name, func(t *testing.T) {
			text := refused(t, c.e)
			if !strings.Contains(text, c.want) || strings.Contains(text, "hunter2") {
				t.Errorf("error = %q, want %q in it and no secret", text, c.want)
			}
		})
	}
}

// No way of printing the settings, and no error about them, shows a secret.
func TestLoadSettings_Secrets(t *testing.T) {
	const word = "hunter2"
	e := environment{"REDIS_URL": "redis://ann:" + word + "@host/1"}
	secrets := 0
	for _, k := range middleware.EnvKeys() {
		if k.Secret {
			secrets++
			e[k.Name] = word
		}
	}
	if secrets != 4 {
		t.Errorf("%d keys are secret, want REDIS_PASSWORD and three of COLLAB_", secrets)
	}

	s := load(t, e)
	encoded, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var log book
	log.logger().Info("settings", "settings", s, "secret", s.JWTSecret)
	slog.New(slog.NewTextHandler(&log, nil)).Info("settings", "settings", s, "list", s.Secrets)
	printed := fmt.Sprintf("%v %+v %#v %s %s", s, s, s, s.AdminToken, encoded) + log.text()
	if strings.Contains(printed, word) {
		t.Errorf("printed settings show the secret: %s", printed)
	}

	if text := refused(t, e.with(environment{"PORT": "x"})); strings.Contains(text, word) {
		t.Errorf("error = %q shows a secret", text)
	}
	if text := refused(t, environment{"COLLAB_SECRET": " , "}); !strings.Contains(text, "COLLAB_SECRET=***") {
		t.Errorf("error = %q, want COLLAB_SECRET=***", text)
	}
}
