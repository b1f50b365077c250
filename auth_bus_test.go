package flow_test

import (
	"testing"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/redistest"
	"github.com/fiberflow/flow/redisx"
)

// behindProxy fills in backends on the shared Redis, on the far side of a proxy.
func behindProxy(t *testing.T, cfg flow.Config, prefix string) (flow.Config, *redistest.Proxy) {
	t.Helper()
	proxy := redistest.StartProxy(t, shared.Server(t).Addr())
	conn, err := redisx.Open(t.Context(), redisx.Config{
		Addrs: []string{proxy.Addr()}, Prefix: prefix, Logger: quiet(),
		Timeout: patience, // a busy machine is no outage
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Errorf("close connection: %v", err)
		}
	})
	cfg.Log, cfg.Bus, cfg.Sessions = redisx.NewLog(conn), redisx.NewBus(conn), redisx.NewSessionStore(conn)
	return memory(cfg), proxy
}

// Rights that were taken away while an instance could not be reached act there as soon as it can: whichever side it
// was that was cut off, and although nobody says it again. I6
func TestCluster_ReauthorizeWhileBusIsAway(t *testing.T) {
	for _, name := range []string{"the other instance", "the one that was told"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, prefix := newGrants(), redistest.Prefix(t)
			g.set("ann", flow.Editor)
			cfg := flow.Config{Authorize: g.authorize}
			near, nearProxy := behindProxy(t, cfg, prefix)
			far, farProxy := behindProxy(t, cfg, prefix)
			near.Instance, far.Instance = "one", "two"
			one, two := newHub(t, near), newHub(t, far)
			ann, bob := dial(t, two, "ann"), dial(t, two, "bob")
			stream := watch(t, two, &flow.User{ID: "ann"}, "r")
			ann.join("r")
			bob.join("r")
			proxy, cut := farProxy, two
			if name == "the one that was told" {
				proxy, cut = nearProxy, one
			}
			proxy.Inject(redistest.Faults{Refuse: true})
			proxy.Cut()
			eventually(t, "it is cut off", func() bool { return cut.Config().Bus.Health().State != flow.Live })
			g.set("ann", flow.None)
			if err := one.Reauthorize(t.Context(), "ann", ""); err != nil {
				t.Error(err)
			}
			if cut == two && ann.count("left") > 0 {
				t.Error("it was not cut off")
			}
			proxy.Lift()
			for _, c := range []*client{ann, stream} {
				if left := c.expect("left"); left.str("reason") != "forbidden" {
					t.Errorf("left is %v", left)
				}
			}
			if bob.count("left") > 0 {
				t.Errorf("bob was touched: %s", bob.transcript())
			}
		})
	}
}
