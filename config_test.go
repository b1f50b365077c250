package flow_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fiberflow/flow"
)

func TestNew_Defaults(t *testing.T) {
	// What is not set has the values of the contract (protocol sections 1.5 and 4).
	t.Run("values", func(t *testing.T) {
		got := newHub(t, flow.Config{}).Config()
		if want := (flow.Limits{
			MessageBytes: 65536, PresenceBytes: 4096, OpsPerSecond: 50, EventsPerSecond: 50, PresencePerSecond: 60,
			Rooms: 32, Participants: 1000, Pending: 256,
		}); got.Limits != want {
			t.Errorf("limits are %+v, want %+v", got.Limits, want)
		}
		durations := [...]time.Duration{
			got.Heartbeat, got.Timeout, got.AuthTimeout, got.Drain,
			got.Grace, got.PresenceTTL, got.SessionTTL, got.PositionCheck,
		}
		if want := [...]time.Duration{
			25 * time.Second, time.Minute, 10 * time.Second, 15 * time.Second,
			2 * time.Second, 15 * time.Second, time.Hour, 5 * time.Second,
		}; durations != want {
			t.Errorf("durations are %v, want %v", durations, want)
		}
		if got.Anonymous || got.AdminToken != "" || len(got.AllowedOrigins) != 0 {
			t.Errorf("somebody is let in by default: %+v", got)
		}
	})

	// Every hub has a name and a secret of its own, and the secret stays the same.
	t.Run("drawn", func(t *testing.T) {
		one, two := newHub(t, flow.Config{}).Config(), newHub(t, flow.Config{}).Config()
		if one.Instance == two.Instance || len(one.Instance) < 1 || len(one.Instance) > 64 {
			t.Errorf("instances are %q and %q", one.Instance, two.Instance)
		}
		first, again, other := one.Secrets(), one.Secrets(), two.Secrets()
		if len(first) != 1 || len(first[0]) < 16 {
			t.Errorf("secrets are %q", first)
		}
		if !reflect.DeepEqual(first, again) || reflect.DeepEqual(first, other) {
			t.Errorf("secrets are %q, %q and %q", first, again, other)
		}
	})

}

// What is set stays, field by field.
func TestNew_Kept(t *testing.T) {
	limits := flow.Limits{
		MessageBytes: 1, PresenceBytes: 2, OpsPerSecond: 3, EventsPerSecond: 4, PresencePerSecond: 5,
		Rooms: 6, Participants: 7, Pending: 8,
	}
	h := newHub(t, flow.Config{
		Instance: strings.Repeat("i", 64), Limits: limits,
		Heartbeat: 1 * time.Hour, Timeout: 2 * time.Hour, AuthTimeout: 3 * time.Hour, Drain: 4 * time.Hour,
		Grace: 5 * time.Hour, PresenceTTL: 6 * time.Hour, SessionTTL: 7 * time.Hour, PositionCheck: 8 * time.Hour,
	})
	got := h.Config()
	durations := [...]time.Duration{
		got.Heartbeat, got.Timeout, got.AuthTimeout, got.Drain,
		got.Grace, got.PresenceTTL, got.SessionTTL, got.PositionCheck,
	}
	for i, d := range durations {
		if d != time.Duration(i+1)*time.Hour {
			t.Errorf("duration %d is %v", i, d)
		}
	}
	if got.Limits != limits || h.Instance() != strings.Repeat("i", 64) {
		t.Errorf("got %+v", got)
	}
}

// Limits have the names of the contract on the wire.
func TestLimits_JSON(t *testing.T) {
	got, err := json.Marshal(newHub(t, flow.Config{}).Config().Limits)
	want := `{"messageBytes":65536,"presenceBytes":4096,"opsPerSecond":50,"eventsPerSecond":50,` +
		`"presencePerSecond":60,"rooms":32,"participants":1000,"pending":256}`
	if err != nil || string(got) != want {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
}

func TestNew_Validate(t *testing.T) {
	negative := reflect.ValueOf(time.Duration(-1))
	good := memory(flow.Config{})

	// A hub needs all three backends.
	t.Run("backends", func(t *testing.T) {
		for name, cfg := range map[string]flow.Config{
			"Sessions": {Bus: good.Bus, Log: good.Log}, "Bus": {Sessions: good.Sessions, Log: good.Log},
			"Log": {Sessions: good.Sessions, Bus: good.Bus},
		} {
			wantRefused(t, cfg, name)
		}
	})

	// Every duration and every limit is checked, and named when it is bad; none is forgotten.
	t.Run("numbers", func(t *testing.T) {
		config := reflect.TypeFor[flow.Config]()
		for i := range config.NumField() {
			if config.Field(i).Type == negative.Type() {
				cfg := good
				reflect.ValueOf(&cfg).Elem().Field(i).Set(negative)
				wantRefused(t, cfg, config.Field(i).Name)
			}
		}
		limits := reflect.TypeFor[flow.Limits]()
		for i := range limits.NumField() {
			cfg := good
			reflect.ValueOf(&cfg.Limits).Elem().Field(i).SetInt(-1)
			wantRefused(t, cfg, "Limits."+limits.Field(i).Name)
		}
	})

	// A name has at most 64 bytes, and none that would end it on the bus.
	t.Run("instance", func(t *testing.T) {
		for _, bad := range []string{strings.Repeat("i", 65), "a\nb", "\n"} {
			cfg := good
			cfg.Instance = bad
			wantRefused(t, cfg, "Instance")
		}
	})

	// Without a key, or with an empty one, anybody could sign resume tokens. I6
	t.Run("secrets", func(t *testing.T) {
		for _, bad := range [][][]byte{nil, {}, {nil}, {{}, []byte("old")}} {
			cfg := good
			cfg.Secrets = func() [][]byte { return bad }
			wantRefused(t, cfg, "Secrets")
		}
	})

	// An entry that is no origin is named, and nothing else of it is guessed.
	t.Run("origins", func(t *testing.T) {
		for _, bad := range []string{
			"", "*", "null", "example.com", "//a.example", "https://", "https://*", "https://*.", "https://a.*.example",
			"https://*example.com", "ftp://a.example", "https://a.example/path", "https://a.example?q",
			"https://a.example?q=1", "https://a.example#x", "https://u@a.example", "https://a.example:x",
			"https://a.example, https://b.example", " https://a.example",
		} {
			cfg := good
			cfg.AllowedOrigins = []string{"https://good.example", bad}
			wantRefused(t, cfg, "AllowedOrigins")
			if _, err := flow.New(cfg); err != nil && !strings.Contains(err.Error(), bad) {
				t.Errorf("%v does not name %q", err, bad)
			}
		}
	})
}

// wantRefused fails unless New names the field that is bad.
func wantRefused(t *testing.T, cfg flow.Config, field string) {
	t.Helper()
	h, err := flow.New(cfg)
	if err == nil {
		t.Errorf("%s: a hub was opened", field)
		if err := h.Close(t.Context()); err != nil {
			t.Error(err)
		}
		return
	}
	if h != nil || !strings.Contains(err.Error(), "Config."+field) {
		t.Errorf("%s: error is %v", field, err)
	}
}

// A hub that was refused has used nothing: the same backends serve another one.
func TestNew_Again(t *testing.T) {
	cfg := memory(flow.Config{})
	bad := cfg
	bad.Limits.Rooms = -1
	wantRefused(t, bad, "Limits.Rooms")
	dial(t, newHub(t, cfg), "ann").join("r")
}
