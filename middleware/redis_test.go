package middleware_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fiberflow/flow/middleware"
)

func TestLoadSettings_RedisURL(t *testing.T) {
	for url, want := range map[string]middleware.RedisSettings{
		"redis://host":                   {Addrs: []string{"host:6379"}},
		"redis://host:1/2":               {Addrs: []string{"host:1"}, DB: 2},
		"rediss://:p%40ss@host:1":        {Addrs: []string{"host:1"}, Password: "p@ss", TLS: true},
		"redis://ann:p:s@[::1]:7/0":      {Addrs: []string{"[::1]:7"}, Username: "ann", Password: "p:s"},
		"redis://ann@host/":              {Addrs: []string{"host:6379"}, Username: "ann"},
		"redis://my_redis.internal:6380": {Addrs: []string{"my_redis.internal:6380"}},
	} {
		// A URL says all there is to say about the place.
		t.Run(url, func(t *testing.T) {
			want.Mode, want.Prefix, want.Timeout = "single", "flow", 500*time.Millisecond
			if got := load(t, environment{"REDIS_URL": url}).Redis; !reflect.DeepEqual(got, want) {
				t.Errorf("Redis = %+v, want %+v", got, want)
			}
		})
	}

	for _, url := range []string{
		"redis://", "redis://:hunter2@", "http://:hunter2@host", "redis://:hunter2@host:x", "redis://:hunter2@host/x",
		"redis://:hunter2@host?db=hunter2", "redis://:hun%ter2@host", "redis://:hunter2/x@host",
		"redis://:hunter2#@host",
		"hunter2", ":hunter2@host:6379", "redis://:hunter2", "redis://a:hunter2@b@host:99999", "redis://host/-1",
		"redis://host?password=hunter2", "redis://ho st", "redis:hunter2",
	} {
		// A URL that cannot be read is shown without what could be a password.
		t.Run("bad "+url, func(t *testing.T) {
			text := refused(t, environment{"REDIS_URL": url})
			if !strings.Contains(text, "REDIS_URL=") || strings.Contains(text, "ter2") {
				t.Errorf("error = %q, want the key and no password", text)
			}
		})
	}

	// The password of a URL in the wrong key is hidden as well.
	t.Run("wrong key", func(t *testing.T) {
		text := refused(t, environment{"REDIS_HOST": "redis://:hunter2@host", "REDIS_ADDRS": "hunter2@host:x"})
		if strings.Contains(text, "hunter2") {
			t.Errorf("error = %q shows the password", text)
		}
	})
}

// In a cluster or with sentinels the addresses are those of REDIS_ADDRS; the rest comes from the place.
func TestLoadSettings_Addrs(t *testing.T) {
	e := environment{"REDIS_MODE": "cluster", "REDIS_URL": "rediss://:secret@seed:7000"}
	r := load(t, e).Redis
	if !reflect.DeepEqual(r.Addrs, []string{"seed:7000"}) || !r.TLS || r.Password != "secret" {
		t.Errorf("Redis = %+v, want the URL's place", r)
	}
	r = load(t, e.with(environment{"REDIS_ADDRS": "a:1,b:2"})).Redis
	if !reflect.DeepEqual(r.Addrs, []string{"a:1", "b:2"}) || !r.TLS || r.Password != "secret" {
		t.Errorf("Redis = %+v, want the addresses and the rest of the URL", r)
	}
}
