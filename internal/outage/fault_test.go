package outage_test

import (
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow/internal/redistest"
)

// The two keys of the room's log.
const headKey, opsKey = "flow:{plan}:head", "flow:{plan}:ops"

// durable returns the options of a server that keeps on disk what it has answered.
func durable() []redistest.Option { return []redistest.Option{redistest.AppendOnly()} }

// processFaults are those of the process that Redis is.
func processFaults() []scenario {
	return []scenario{
		{name: "killed and back with its data", server: durable(), breaks: killed},
		{name: "killed and back with its data, two instances", server: durable(), instances: 2, breaks: killed},
		{name: "killed and back empty", breaks: killed, after: hopAll},
		{name: "killed and back empty, three instances", instances: 3, breaks: killed, after: hopAll},
		{name: "killed while clients hop", server: durable(), instances: 3, breaks: killed, during: hopping},
		{name: "killed and back empty while clients hop", instances: 2, breaks: killed, during: hopping},
		{name: "killed, hold", server: durable(), breaks: killed, env: map[string]string{"COLLAB_OUTAGE": "hold"}},
		{name: "killed, reject", server: durable(), breaks: killed, env: map[string]string{"COLLAB_OUTAGE": "reject"}},
		{name: "killed and back empty, hold", instances: 2, breaks: killed,
			env: map[string]string{"COLLAB_OUTAGE": "hold"}},
		{name: "append-only file cut", server: durable(), instances: 2, breaks: cut},
		{name: "back with an older copy", server: durable(), instances: 2, breaks: older},
		{name: "frozen", instances: 2, breaks: frozen},
		{name: "flushed", instances: 2, passing: true, breaks: once("flushall"), after: hopAll},
		{name: "killed twice", server: durable(), instances: 2, breaks: func(w *world) func() {
			killed(w)()
			w.eventually("somebody recovers", func() bool {
				return w.clients[0].is(func(m *model) bool { return m.state != "degraded" })
			})
			return killed(w)
		}},
	}
}

// refusals are what a Redis says that is there and does not take writes.
func refusals() []scenario {
	return []scenario{
		{name: "out of memory", breaks: configured("maxmemory", "1", "0")},
		{name: "no replicas", breaks: configured("min-replicas-to-write", "1", "0")},
		{name: "read only", instances: 2, breaks: func(w *world) func() {
			c := w.client()
			w.must(c.ReplicaOf(w.t.Context(), "127.0.0.1", "1").Err()) // nobody is there
			return func() { w.must(c.ReplicaOf(w.t.Context(), "NO", "ONE").Err()) }
		}},
		{name: "busy with a script", instances: 2, breaks: func(w *world) func() { return w.redis.Busy(w.t) }},
		{name: "paused for clients", breaks: func(w *world) func() {
			w.must(w.client().ClientPause(w.t.Context(), 3*time.Second).Err()) // nobody can end it before
			return nil
		}},
		{name: "paused for writes", breaks: func(w *world) func() {
			c := w.client()
			w.must(c.Do(w.t.Context(), "client", "pause", "60000", "write").Err())
			return func() { w.must(c.ClientUnpause(w.t.Context()).Err()) }
		}},
		{name: "scripts forgotten", instances: 2, passing: true, breaks: once("script", "flush")},
		{name: "clients killed", instances: 2, passing: true, breaks: once("client", "kill", "type", "normal")},
		{name: "subscribers killed", instances: 2, passing: true, breaks: once("client", "kill", "type", "pubsub")},
		{name: "head of the room deleted", instances: 2, passing: true, breaks: once("del", headKey)},
		{name: "operations of the room deleted", instances: 2, passing: true, breaks: once("del", opsKey)},
		{name: "room of another type", instances: 2, breaks: wrongType},
	}
}

// networkFaults are those between the instances and a Redis that works.
func networkFaults() []scenario {
	return []scenario{
		{name: "replies swallowed", proxied: true, breaks: injected(redistest.Faults{SwallowReplies: true})},
		{name: "requests swallowed", proxied: true, instances: 2,
			breaks: injected(redistest.Faults{SwallowRequests: true})},
		{name: "requests late", proxied: true, instances: 2,
			breaks: injected(redistest.Faults{DelayRequests: 700 * time.Millisecond})},
		{name: "slow", proxied: true, instances: 2, passing: true,
			breaks: injected(redistest.Faults{DelayReplies: 50 * time.Millisecond})},
		{name: "replies torn", proxied: true, instances: 2, passing: true, breaks: torn},
		{name: "links half open", proxied: true, instances: 2, passing: true, breaks: func(w *world) func() {
			for _, p := range w.proxies {
				p.Silence()
			}
			return nil
		}},
		{name: "subscribers silent", proxied: true, instances: 2, passing: true, breaks: func(w *world) func() {
			for _, p := range w.proxies {
				p.SilenceSubscribers()
			}
			return nil
		}},
		{name: "links cut", proxied: true, instances: 2, passing: true, breaks: func(w *world) func() {
			for _, p := range w.proxies {
				p.Cut()
			}
			return nil
		}},
		{name: "one of three instances cut off", proxied: true, instances: 3, partial: true,
			breaks: func(w *world) func() {
				w.proxies[0].Inject(redistest.Faults{Refuse: true})
				w.proxies[0].Silence()
				return w.proxies[0].Lift
			}, during: hopping},
	}
}

func killed(w *world) func() {
	w.redis.Kill(w.t)
	return func() { w.redis.Restart(w.t) }
}

// cut has Redis lose what it took last.
func cut(w *world) func() {
	size := w.redis.AppendOnlySize(w.t)
	w.write(10)
	w.redis.Kill(w.t)
	w.redis.CutAppendOnly(w.t, size)
	return func() { w.redis.Restart(w.t) }
}

func older(w *world) func() {
	backup := w.redis.Backup(w.t)
	w.write(10)
	w.redis.Kill(w.t)
	return func() { w.redis.RestartFrom(w.t, backup) }
}

// frozen stops the process for longer than anybody waits; what was sent meanwhile is executed then.
func frozen(w *world) func() {
	w.redis.Pause(w.t)
	return func() { w.redis.Resume(w.t) }
}

// wrongType puts something else where the room's log was.
func wrongType(w *world) func() {
	c := w.client()
	_, err := c.TxPipelined(w.t.Context(), func(p redis.Pipeliner) error {
		p.Del(w.t.Context(), headKey)
		p.Set(w.t.Context(), headKey, "not a hash", 0)
		return nil
	})
	w.must(err)
	return func() { w.must(c.Del(w.t.Context(), headKey).Err()) }
}

// configured changes a setting of the server, and back.
func configured(key, bad, good string) func(*world) func() {
	return func(w *world) func() {
		c := w.client()
		w.must(c.ConfigSet(w.t.Context(), key, bad).Err())
		return func() { w.must(c.ConfigSet(w.t.Context(), key, good).Err()) }
	}
}

// once sends a command whose effect needs no mending.
func once(command ...any) func(*world) func() {
	return func(w *world) func() {
		w.must(w.client().Do(w.t.Context(), command...).Err())
		return nil
	}
}

// injected has all proxies do the same.
func injected(f redistest.Faults) func(*world) func() {
	return func(w *world) func() {
		for _, p := range w.proxies {
			p.Inject(f)
		}
		return func() {
			for _, p := range w.proxies {
				p.Lift()
			}
		}
	}
}

// torn closes connections in the middle of replies, at first after so few bytes that a log which is some
// operations ahead can hardly be read, then after more than a page of it has: an instance that is behind while the
// clients of others go on could not catch up.
func torn(w *world) func() {
	injected(redistest.Faults{CloseAfter: 4000})(w)
	goal := map[string]uint64{}
	for _, c := range w.clients {
		c.do(func(m *model) { goal[m.name] = m.n + 40 })
	}
	w.every("has sent 40 more operations", func(m *model) bool { return m.n >= goal[m.name] })
	return injected(redistest.Faults{CloseAfter: 100_000})(w)
}

// hopping moves one client after the other to the next instance, some of them twice. I4
func hopping(w *world) {
	for k := range 2 * len(w.clients) {
		c := w.clients[k%len(w.clients)]
		c.hop()
		w.eventually(c.name+" has joined elsewhere", func() bool {
			return c.is(func(m *model) bool { return m.joined })
		})
	}
}

// remembered waits until Redis knows the sessions of all clients, which it may have lost. I7
func (w *world) remembered() {
	w.t.Helper()
	c := w.client()
	w.every("is known to Redis", func(m *model) bool {
		return c.Exists(w.t.Context(), "flow:session:"+m.session).Val() == 1
	})
}

// hopAll moves everybody to the next instance, at once. I4, I7
func hopAll(w *world) {
	w.remembered()
	for _, c := range w.clients {
		c.hop()
	}
	w.every("has joined elsewhere", func(m *model) bool { return m.joined })
}
