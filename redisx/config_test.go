package redisx_test

import (
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow/redisx"
)

// A setting that cannot work is an error that says which and what was expected, and no secret.
func TestOpen_Config(t *testing.T) {
	ring := redis.NewRing(&redis.RingOptions{})
	defer func() { _ = ring.Close() }()
	for _, c := range []struct {
		name   string
		config redisx.Config
		says   string
	}{
		{"two addresses", redisx.Config{Addrs: []string{"a:1", "b:1"}}, "2 addresses in mode single"},
		{"unknown mode", redisx.Config{Mode: "many"}, `mode "many", expected single, sentinel or cluster`},
		{"sentinel without master", redisx.Config{Mode: redisx.Sentinel}, "name of the master"},
		{"cluster with database", redisx.Config{Mode: redisx.Cluster, DB: 1}, "database 1 in mode cluster"},
		{"negative database", redisx.Config{DB: -1}, "database -1"},
		{"braces in the prefix", redisx.Config{Prefix: "{x}"}, `key prefix "{x}"`},
		{"negative limit", redisx.Config{OperationLimit: -1}, "operation limit -1"},
		{"negative timeout", redisx.Config{Timeout: -time.Second}, "timeout -1s"},
		{"short TTL", redisx.Config{SessionTTL: 1}, "session TTL 1ns, expected at least 1ms"},
		{"ring", redisx.Config{Client: ring}, "Ring"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.config.Password = "s3cret"
			conn, err := redisx.Open(t.Context(), c.config)
			if err == nil {
				_ = conn.Close()
				t.Fatal("Open accepts it")
			}
			if !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("Open: %q, want %q in it", err, c.says)
			}
		})
	}
}
