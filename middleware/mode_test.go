package middleware_test

import (
	"strings"
	"testing"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/redistest"
)

// With REDIS_MODE=cluster the addresses are some nodes, and the log is written wherever the room's slot is.
func TestOpen_Cluster(t *testing.T) {
	t.Parallel()
	var addrs []string
	for _, node := range redistest.StartCluster(t) {
		addrs = append(addrs, node.Addr())
	}
	e := onRedis(t, addrs[0])
	e["REDIS_MODE"], e["REDIS_ADDRS"] = "cluster", strings.Join(addrs, ",")
	var log book
	hub := open(t, e.logged(t, &log))
	if line := log.entry(t, "redis connected"); line["mode"] != "cluster" || line["addr"] != e["REDIS_ADDRS"] {
		t.Errorf("logged %v", line)
	}
	for _, room := range []string{"a", "b", "c", "d"} {
		if err := submit(t.Context(), hub, room, `1`); err != nil {
			t.Errorf("Submit(%s): %v", room, err)
		}
	}
}

// With REDIS_MODE=sentinel the addresses are the sentinels, which know the master.
func TestOpen_Sentinel(t *testing.T) {
	t.Parallel()
	s := redistest.StartSentinel(t)
	e := onRedis(t, s.Addrs[0])
	e["REDIS_MODE"], e["REDIS_ADDRS"] = "sentinel", strings.Join(s.Addrs, ",")
	e["REDIS_MASTER_NAME"] = s.Name
	hub := open(t, e.config(t))
	if state := hub.State(); state != flow.Live {
		t.Errorf("state = %s, want live", state)
	}
	if err := submit(t.Context(), hub, "room", `1`); err != nil {
		t.Errorf("Submit: %v", err)
	}
}
