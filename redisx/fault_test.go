package redisx_test

import (
	"testing"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/redistest"
	"github.com/fiberflow/flow/redisx"
)

// serverFault is what happens to a server, and to whom that matters.
type serverFault struct {
	class string
	away  []string
	// silent is true when only the timeout tells.
	silent bool
	// begin makes it happen and returns what mends it.
	begin func(t *testing.T, s *redistest.Server) (end func())
}

func set(key, value, back string) func(t *testing.T, s *redistest.Server) func() {
	return func(t *testing.T, s *redistest.Server) func() {
		t.Helper()
		client := s.Client(t)
		put := func(value string) {
			if err := client.ConfigSet(t.Context(), key, value).Err(); err != nil {
				t.Fatalf("set %s: %v", key, err)
			}
		}
		put(value)
		return func() { put(back) }
	}
}

func send(commands ...[]any) func(t *testing.T, s *redistest.Server) func() {
	return func(t *testing.T, s *redistest.Server) func() {
		t.Helper()
		client, next := s.Client(t), 0
		do := func() {
			if next < len(commands) {
				if err := client.Do(t.Context(), commands[next]...).Err(); err != nil {
					t.Fatalf("%v: %v", commands[next], err)
				}
				next++
			}
		}
		do()
		return do
	}
}

func serverFaults() map[string]serverFault {
	all, stored := []string{collaboration, websockets, ordering}, []string{collaboration, ordering}
	return map[string]serverFault{
		"OOM":        {"refused", stored, false, set("maxmemory", "1", "0")},
		"NOREPLICAS": {"refused", stored, false, set("min-replicas-to-write", "1", "0")},
		// Port 1 is nobody's, so it is the replica of a master that does not answer.
		"READONLY": {
			"refused", all, false, send([]any{"replicaof", "127.0.0.1", "1"}, []any{"replicaof", "no", "one"}),
		},
		"MASTERDOWN": {"refused", all, false, func(t *testing.T, s *redistest.Server) func() {
			t.Helper()
			set("replica-serve-stale-data", "no", "yes")(t, s)
			return send([]any{"replicaof", "127.0.0.1", "1"}, []any{"replicaof", "no", "one"})(t, s)
		}},
		"BUSY": {"stuck", all, false, func(t *testing.T, s *redistest.Server) func() {
			t.Helper()
			return s.Busy(t)
		}},
		"CLIENT PAUSE": {"in doubt", all, true, send([]any{"client", "pause", 6000, "all"})},
		"hung": {"in doubt", all, true, func(t *testing.T, s *redistest.Server) func() {
			t.Helper()
			s.Pause(t)
			return func() { s.Resume(t) }
		}},
		"kill": {"in doubt", all, false, func(t *testing.T, s *redistest.Server) func() {
			t.Helper()
			s.Kill(t)
			return func() { s.Restart(t) }
		}},
	}
}

// Each fault of a server degrades the subsystems that it concerns and no other; that and the return
// are told once for each of them, with the class; and nothing confirmed is lost (I1, I8).
func TestFault_Server(t *testing.T) {
	t.Parallel()
	for name, f := range serverFaults() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t, redistest.AppendOnly())
			config := redisx.Config{Addrs: []string{server.Addr()}}
			if f.silent {
				config.Timeout = 3 * time.Second // longer than a busy machine stands still
			}
			i := newInstance(t, config)
			end := f.begin(t, server)
			i.wantAway(f.class, f.away...)
			end()
			i.wantBack(f.away...)
			head := i.n - 1
			page, err := i.log.Read(t.Context(), "room", flow.Query{Limit: 1000, Sessions: []string{"a"}})
			if err != nil || page.Last["a"] != head || page.Head.Seq != head {
				t.Errorf("the log ends at %v with %d of a, %v, want %d", page.Head, page.Last["a"], err, head)
			}
			eventually(t, "the feed goes on", func() bool {
				i.use()
				i.room.catchUp(t)
				return i.room.position().Seq == i.n-1
			})
		})
	}
}

// What harms nobody for longer than a moment leaves everything live: scripts that are flushed, clients that
// are killed, data that are gone without a word (I13). The loss of those is for the fence to find.
func TestFault_Harmless(t *testing.T) {
	t.Parallel()
	for name, command := range map[string][]any{
		"SCRIPT FLUSH": {"script", "flush"},
		"CLIENT KILL":  {"client", "kill", "type", "normal", "skipme", "yes"},
		"FLUSHALL":     {"flushall"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			i := newInstance(t, redisx.Config{Addrs: []string{server.Addr()}})
			page, err := i.log.Read(t.Context(), "room", flow.Query{})
			if err != nil {
				t.Fatalf("Read: %v", err)
			}
			send(command)(t, server)
			batch := flow.Batch{Fence: page.Head, Operations: []flow.Operation{op("b", 1)}}
			_, err = i.log.Append(t.Context(), "room", batch)
			lost, touchErr := i.sessions.Touch(t.Context(), "i", []string{"s"})
			switch name {
			case "FLUSHALL":
				if err == nil || err.Error() != flow.ErrNoLog.Error() || len(lost) != 1 {
					t.Errorf("Append = %v, Touch = %v, want the loss told", err, lost)
				}
			case "CLIENT KILL": // whoever was under way is in doubt, and the next is not
			default:
				if err != nil || touchErr != nil || len(lost) != 0 {
					t.Errorf("Append = %v, Touch = %v, %v", err, lost, touchErr)
				}
			}
			eventually(t, "everything is live", func() bool {
				for _, h := range i.health() {
					if h.State != flow.Live {
						return false
					}
				}
				return true
			})
			if n := i.lines.count("redis is away"); n != 0 {
				t.Errorf("%d lines about it:\n%s", n, &i.lines)
			}
		})
	}
}

// Rights that are missing for one subsystem are that one's outage, told loudly and once, until they are
// given.
func TestFault_Rights(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ takes, gives []any }{
		ordering:      {[]any{"-xadd"}, []any{"+xadd"}},
		collaboration: {[]any{"-set"}, []any{"+set"}},
		websockets:    {[]any{"resetchannels", "&flow:{*"}, []any{"allchannels"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t, redistest.User("app", "pw"))
			config := redisx.Config{Addrs: []string{server.Addr()}, Username: "app", Password: "pw", Prefix: "flow"}
			i := newInstance(t, config)
			end := send(append([]any{"acl", "setuser", "app"}, c.takes...),
				append([]any{"acl", "setuser", "app"}, c.gives...))(t, server)
			i.wantAway("configuration", name)
			i.staysAway(name)
			end()
			i.wantBack(name)
		})
	}
}
