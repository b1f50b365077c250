package middleware_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fiberflow/flow/middleware"
)

func FuzzLoadSettings(f *testing.F) {
	keys := middleware.EnvKeys()
	for i, k := range keys {
		f.Add(uint8(i), k.Default, "")
	}
	for i := range keys {
		f.Add(uint8(i), "redis://:secretword@host", "COLLAB_SECRET=secretword\n")
		f.Add(uint8(i), "https://*.example.com,HTTP://b:1", "PORT='1\n")
		f.Add(uint8(i), "1e3", "export A=$B\nPORT: 7")
		f.Add(uint8(i), "10.0.0.0/8, ::ffff:10.0.0.1", "COLLAB_TRUSTED_PROXIES=::/0\nCOLLAB_LOG_BYTES=1\n")
		f.Add(uint8(i), "9223372036854775807", "COLLAB_JWT_SECRET=secretword\nCOLLAB_JWT_MAX_AGE=1ms\n")
	}
	// Whatever the environment says: no panic, an error that names a key and no secret, or settings
	// that a hub accepts.
	f.Fuzz(func(t *testing.T, i uint8, value, file string) {
		k := keys[int(i)%len(keys)]
		cfg := environment{k.Name: value, "REDIS_PASSWORD": "secretword"}.config(t)
		cfg.EnvFile = filepath.Join(t.TempDir(), ".env")
		if err := os.WriteFile(cfg.EnvFile, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := middleware.LoadSettings(cfg)
		if err == nil {
			accept(t, s)
			return
		}
		text := err.Error()
		if !strings.Contains(text, "expected") || k.Secret && len(value) > 8 && strings.Contains(text, value) {
			t.Errorf("error = %q", text)
		}
		open := k.Name != "REDIS_URL" && !strings.Contains(value, "@") || strings.Contains(file, "secretword")
		if strings.Contains(text, "secretword") && !open {
			t.Errorf("error = %q shows a secret", text)
		}
	})
}

// accept opens a hub with the settings, in memory and without the key file.
func accept(t *testing.T, s middleware.Settings) {
	t.Helper()
	s.RedisCollaboration, s.RedisWebsockets, s.RedisEventOrdering = false, false, false
	s.JWKSFile = ""
	hub, err := middleware.Open(middleware.Config{Settings: &s, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatalf("Open: %v, with settings that were read without an error: %+v", err, s)
	}
	if err := hub.Close(t.Context()); err != nil {
		t.Errorf("Close: %v", err)
	}
}
