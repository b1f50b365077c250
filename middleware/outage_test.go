package middleware_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/redistest"
	"github.com/fiberflow/flow/middleware"
)

const away = "redis cannot be reached, going on in memory until it answers"

// stopped is a server that can be started later, at the same address.
func stopped(t *testing.T) *redistest.Server {
	t.Helper()
	server := redistest.Start(t)
	server.Stop(t)
	return server
}

func live(hub *flow.Hub) func() bool {
	return func() bool {
		for _, s := range hub.Subsystems() {
			if s.State != flow.Live {
				return false
			}
		}
		return true
	}
}

func data(t testing.TB, hub *flow.Hub, room string) string {
	t.Helper()
	page, err := hub.Operations(t.Context(), room, flow.Query{Limit: 1000})
	if err != nil {
		t.Fatalf("Operations(%s): %v", room, err)
	}
	var all strings.Builder
	for _, op := range page.Operations {
		fmt.Fprintf(&all, "%s ", op.Data)
	}
	return all.String()
}

// queue submits an operation that cannot be confirmed.
func queue(t testing.TB, hub *flow.Hub, room, data string) {
	t.Helper()
	answer, err := hub.Submit(t.Context(), room, flow.User{ID: "server"}, "", json.RawMessage(data))
	if err != nil || !answer.Queued || len(answer.Operations) > 0 {
		t.Fatalf("Submit(%s) = %+v, %v, want it queued", data, answer, err)
	}
}

// A Redis that is away at start delays nothing: a warning names the address and the reason, operations
// are queued, and when Redis appears they are confirmed in order, there and nowhere else (I1, I3, I14).
func TestOpen_RedisAppears(t *testing.T) {
	server := stopped(t)
	e := onRedis(t, server.Addr())
	var log book
	hub := open(t, e.logged(t, &log))

	line := log.entry(t, away)
	reason, _ := line["reason"].(string)
	if line["level"] != "WARN" || line["addr"] != server.Addr() || !strings.Contains(reason, "refused") {
		t.Errorf("logged %v, want a warning with the address and the reason", line)
	}
	for _, s := range hub.Subsystems() {
		if s.Backend != "redis" || s.State != flow.Degraded {
			t.Errorf("%s = %+v, want redis, degraded", s.Name, s.Health)
		}
	}
	for _, line := range log.entries(t, "subsystem ready") {
		if line["backend"] != "redis" || line["state"] != "degraded" {
			t.Errorf("logged %v, want redis, degraded", line)
		}
	}
	var all strings.Builder
	for i := range 40 {
		queue(t, hub, "before", fmt.Sprint(i))
		fmt.Fprint(&all, i, " ")
	}
	if got := hub.Stats(); got.Journal != 40 || got.Operations != 0 {
		t.Errorf("%d operations wait and %d are confirmed, want 40 and none", got.Journal, got.Operations)
	}

	server.Restart(t)
	eventually(t, "the hub is live", live(hub))
	if got := data(t, hub, "before"); got != all.String() {
		t.Errorf("the room holds %s, want %s", got, &all)
	}
	if err := submit(t.Context(), hub, "after", `1`); err != nil {
		t.Errorf("Submit: %v", err)
	}
	if got := hub.Stats(); got.Journal != 0 || got.DataLoss != 0 {
		t.Errorf("%d operations wait and %d are lost, want none", got.Journal, got.DataLoss)
	}
	for _, room := range []string{"before", "after"} {
		if n := server.Client(t).Exists(t.Context(), e["REDIS_KEY_PREFIX"]+":{"+room+"}:head").Val(); n != 1 {
			t.Errorf("room %s is not on Redis", room)
		}
	}

	// Another instance, which begins now, has the same rooms.
	other := open(t, e.config(t))
	if got := data(t, other, "before"); got != all.String() {
		t.Errorf("another instance has %s, want %s", got, &all)
	}
}

// Two instances that started apart each wrote to one room. Once Redis is there, both have both operations
// in one order, and are live (I1, I2).
func TestOpen_RedisAppearsToTwo(t *testing.T) {
	server := stopped(t)
	e := onRedis(t, server.Addr())
	var hubs [2]*flow.Hub
	var readers [2]*client
	for i := range hubs {
		hubs[i] = open(t, e.config(t))
		readers[i] = connect(t, hubs[i], "reader")
		readers[i].join(t, "room", "")
		queue(t, hubs[i], "room", fmt.Sprint(i))
	}
	server.Restart(t)
	for i, hub := range hubs {
		eventually(t, "the hub is live", live(hub))
		eventually(t, "its reader has both", func() bool {
			return readers[i].find(func(m message) bool { return m["type"] == "op" && m["seq"] == 2.0 }) != nil
		})
	}
	got := [2]string{data(t, hubs[0], "room"), data(t, hubs[1], "room")}
	if got[0] != got[1] || got[0] != "0 1 " && got[0] != "1 0 " {
		t.Errorf("the hubs have %q, want both operations in one order", got)
	}
	for i := range readers {
		if m := readers[i].find(func(m message) bool { return m["type"] == "rewind" }); m != nil {
			t.Errorf("reader %d was told %v, and had seen nothing confirmed", i, m)
		}
	}
}

// A Redis that appears with an older log of the room has its operations first; what was queued comes
// behind them (I1, I2).
func TestOpen_RedisAppearsWithLog(t *testing.T) {
	server := redistest.Start(t, redistest.AppendOnly())
	e := onRedis(t, server.Addr())
	if err := visit(t, e, "0", "1", "2"); err != nil {
		t.Fatal(err)
	}
	server.Stop(t)

	hub := open(t, e.config(t))
	c := connect(t, hub, "ann")
	if joined := c.join(t, "room", ""); joined["state"] != "degraded" || joined["head"] != "0:0000000000000000" {
		t.Errorf("joined = %v, want degraded and an empty room", joined)
	}
	c.say(`{"type":"op","room":"room","n":1,"data":3}`)
	queue(t, hub, "room", "4")
	eventually(t, "the operation is queued", func() bool {
		return c.find(func(m message) bool { return m["type"] == "queued" && m["n"] == 1.0 }) != nil
	})

	server.Restart(t)
	eventually(t, "the hub is live", live(hub))
	if got := data(t, hub, "room"); got != "0 1 2 3 4 " {
		t.Errorf("the room holds %s, want the log, then what was queued", got)
	}
	for seq := range 5 {
		eventually(t, fmt.Sprint("ann has operation ", seq+1), func() bool {
			op := c.find(func(m message) bool { return m["type"] == "op" && m["seq"] == float64(seq+1) })
			return op != nil && op["data"] == float64(seq)
		})
	}
}

// With COLLAB_OUTAGE=reject operations are refused while Redis is away, and worth a retry (I8).
func TestOpen_Reject(t *testing.T) {
	server := stopped(t)
	e := onRedis(t, server.Addr())
	e["COLLAB_OUTAGE"] = "reject"
	hub := open(t, e.config(t))
	err := submit(t.Context(), hub, "room", "1")
	if flow.ErrorCode(err) != flow.CodeUnavailable || flow.ErrorRetryAfter(err) <= 0 {
		t.Errorf("Submit = %v, want unavailable and when to try again", err)
	}
	server.Restart(t)
	eventually(t, "the hub is live", live(hub))
	if err := submit(t.Context(), hub, "room", "2"); err != nil {
		t.Errorf("Submit: %v", err)
	}
	if got := data(t, hub, "room"); got != "2 " {
		t.Errorf("the room holds %s, want what was not refused", got)
	}
}

// Confirmed operations that neither Redis nor this instance has any more are told to the application, and
// what this instance still has is saved (I1).
func TestOpen_DataLoss(t *testing.T) {
	server := redistest.Start(t)
	proxy := redistest.StartProxy(t, server.Addr())
	direct := onRedis(t, server.Addr())
	direct["COLLAB_MESSAGE_BYTES"] = "4000000"
	large := `"` + strings.Repeat("x", 3_000_000) + `"` // a ring holds one of them
	if err := visit(t, direct, large, large, large); err != nil {
		t.Fatal(err)
	}
	lost := make(chan uint64, 8)
	behind := onRedis(t, proxy.Addr()).with(environment{"REDIS_KEY_PREFIX": direct["REDIS_KEY_PREFIX"]})
	cfg := behind.config(t)
	cfg.OnDataLoss = func(room string, count uint64) {
		if room == "room" {
			lost <- count
		}
	}
	hub := open(t, cfg)
	if err := submit(t.Context(), hub, "room", "3"); err != nil {
		t.Fatal(err)
	}

	proxy.Inject(redistest.Faults{Refuse: true})
	proxy.Cut()
	server.Restart(t) // empty
	if err := visit(t, direct, "4"); err != nil {
		t.Fatal(err)
	}
	proxy.Lift()
	select {
	case count := <-lost:
		if got := hub.Stats().DataLoss; got < 1 || got != int64(count) {
			t.Errorf("told %d operations, and counted %d", count, got)
		}
	case <-time.After(time.Minute):
		t.Fatal("nothing was told")
	}
	eventually(t, "the hub is live", live(hub))
	if got := data(t, hub, "room"); !strings.HasPrefix(got, "4 ") || !strings.HasSuffix(got, " 3 ") {
		t.Errorf("the room holds %.20s…, want what Redis has, then what the instance still has", got)
	}
}

// visit submits to the room on an instance that comes and goes.
func visit(t *testing.T, e environment, data ...string) error {
	t.Helper()
	hub, err := middleware.Open(e.config(t))
	if err != nil {
		return err
	}
	for _, text := range data {
		err = errors.Join(err, submit(t.Context(), hub, "room", text))
	}
	return errors.Join(err, hub.Close(t.Context()))
}

// A Redis that refuses the password is an outage with an error of its own in the log, not a crash; the
// password is not in it, and once the server takes it, all is well.
func TestOpen_WrongPassword(t *testing.T) {
	server := redistest.Start(t, redistest.Password("right"))
	e := onRedis(t, server.Addr())
	e["REDIS_PASSWORD"] = "hunter2"
	var log book
	hub := open(t, e.logged(t, &log))

	reason, _ := log.entry(t, away)["reason"].(string)
	if !strings.Contains(reason, "WRONGPASS") {
		t.Errorf("reason = %q, want WRONGPASS", reason)
	}
	if loud := log.messages(t, slog.LevelError); len(loud) != 1 || !strings.Contains(loud[0], "redis refuses") {
		t.Errorf("errors = %q, want one that Redis refuses", loud)
	}
	queue(t, hub, "room", "1")

	if err := server.Client(t).ConfigSet(t.Context(), "requirepass", "hunter2").Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the hub is live", live(hub))
	if got := data(t, hub, "room"); got != "1 " {
		t.Errorf("the room holds %s, want 1", got)
	}
	if strings.Contains(log.text(), "hunter2") {
		t.Errorf("the log shows the password: %s", log.text())
	}
}

// A Redis that takes connections and says nothing delays the start by no more than its timeouts, and
// nothing that comes after (I8).
func TestOpen_RedisHangs(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Pause(t)
	e := onRedis(t, server.Addr())
	e["REDIS_TIMEOUT"] = "1s"
	var log book
	started := time.Now()
	hub := open(t, e.logged(t, &log))
	if took := time.Since(started); took > 10*time.Second {
		t.Errorf("Open took %v", took)
	}
	log.entry(t, away)
	queue(t, hub, "room", "1")

	server.Resume(t)
	eventually(t, "the hub is live", live(hub))
	eventually(t, "the room holds what was queued", func() bool { // one timeout is no outage, and refuses one reader
		page, err := hub.Operations(t.Context(), "room", flow.Query{Limit: 10})
		return err == nil && len(page.Operations) == 1 && string(page.Operations[0].Data) == "1"
	})
}

// A certificate that nobody vouches for is an outage that a person has to mend.
func TestOpen_Certificate(t *testing.T) {
	server := redistest.Start(t, redistest.TLS())
	e := onRedis(t, server.Addr())
	e["REDIS_TLS"] = "true"
	var log book
	open(t, e.logged(t, &log))
	if reason, _ := log.entry(t, away)["reason"].(string); !strings.Contains(reason, "certificate") {
		t.Errorf("reason = %q, want the certificate", reason)
	}
}

// Closing the hub ends everything that Open began, also while Redis is away, and may be done twice;
// that nothing is left behind is checked when all tests are done.
func TestOpen_Close(t *testing.T) {
	hub, err := middleware.Open(onRedis(t, stopped(t).Addr()).config(t))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := hub.Close(t.Context()); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
}
