package handlers_test

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/fiberflow/flow"
)

// post submits one operation to room r, with an Idempotency-Key or "".
func (s *server) post(t testing.TB, key, data string) reply {
	t.Helper()
	body := `{"operations":[{"data":` + data + `}]}`
	header := []string{}
	if key != "" {
		header = append(header, "Idempotency-Key", key)
	}
	return s.call(t, http.MethodPost, operationsPath, "as-ann", body, header...)
}

// wantQueued checks that a POST was answered as queued, and nothing more.
func (r reply) wantQueued(t testing.TB) {
	t.Helper()
	r.wantStatus(t, http.StatusAccepted)
	if string(r.body) != `{"queued":true}` {
		t.Errorf("body %s", r.body)
	}
}

// data returns what the log of room r has, in order.
func (s *server) data(t testing.TB) (text string) {
	t.Helper()
	page, err := s.hub.Operations(t.Context(), "r", flow.Query{Unchecked: true, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range page.Operations {
		text += string(op.Data) + " "
	}
	return text
}

// While the log is away a POST is answered 202 and waits; after its return it is in the log once, and a
// retry with its key answers where. Other content is refused before and after (I1, I8, I14).
func TestOutage_Submit(t *testing.T) {
	log := newFaultyLog()
	s := start(t, options{hub: log.use})
	first := s.post(t, "before", "0").wantStatus(t, http.StatusCreated)

	log.become(flow.Degraded)
	s.post(t, "key", "1").wantQueued(t)
	s.post(t, "key", "1").wantQueued(t)
	s.post(t, "key", "666").wantCode(t, flow.CodeRejected)
	s.post(t, "", "2").wantQueued(t)
	s.post(t, "before", "0").wantQueued(t)
	if n := s.hub.Stats().Journal; n != 3 {
		t.Errorf("%d operations wait, want 3", n)
	}

	log.become(flow.Live)
	eventually(t, "nothing waits any more", func() bool { return s.hub.Stats().Journal == 0 })
	placed := s.post(t, "key", "1").wantStatus(t, http.StatusCreated)
	if answer := placed.object(t); len(answer.list("operations")) != 1 || answer.str("position")[:2] != "2:" {
		t.Errorf("answer %v, want the place behind the first", answer)
	}
	for key, want := range map[string]reply{"key": placed, "before": first} {
		again := s.post(t, key, map[string]string{"key": "1", "before": "0"}[key]).wantStatus(t, http.StatusCreated)
		if !bytes.Equal(again.body, want.body) {
			t.Errorf("%s: answer %s, want %s", key, again.body, want.body)
		}
		s.post(t, key, "666").wantCode(t, flow.CodeRejected)
	}
	if got := s.data(t); got != "0 1 2 " {
		t.Errorf("the log has %s", got)
	}
}

// With Config.Outage reject a POST is refused while the log is away, and told when to try again (I8).
func TestOutage_Reject(t *testing.T) {
	log := newFaultyLog()
	s := start(t, options{hub: func(c *flow.Config) { log.use(c); c.Outage = flow.OutageReject }})
	s.post(t, "", "0").wantStatus(t, http.StatusCreated)
	log.become(flow.Degraded)
	s.post(t, "key", "1").wantWorthRetry(t)
	log.become(flow.Live)
	eventually(t, "the hub is live", func() bool { return s.hub.State() == flow.Live })
	s.post(t, "key", "1").wantStatus(t, http.StatusCreated)
	if got := s.data(t); got != "0 1 " {
		t.Errorf("the log has %s", got)
	}
}

// wantWorthRetry checks that a request was refused because the log is away, with a time for another.
func (r reply) wantWorthRetry(t testing.TB) {
	t.Helper()
	r.wantCode(t, flow.CodeUnavailable)
	wait, _ := r.object(t).object("error")["retryAfter"].(float64)
	if wait <= 0 || r.header.Get("Retry-After") == "" {
		t.Errorf("body %s, header %v", r.body, r.header)
	}
}

// While the log is away, what the instance has of it is answered, without what is only queued. What needs
// the log is refused, with a time to try again, and the rest goes on.
func TestOutage_Read(t *testing.T) {
	log := newFaultyLog()
	s := start(t, options{hub: log.use})
	for n := range 3 {
		s.post(t, "", fmt.Sprint(n)).wantStatus(t, http.StatusCreated)
	}
	whole := s.call(t, http.MethodGet, operationsPath, "as-ann", "").wantStatus(t, http.StatusOK)
	rest := s.call(t, http.MethodGet, operationsPath+"?after=1", "as-ann", "").wantStatus(t, http.StatusOK)
	head := whole.object(t).str("head")

	log.become(flow.Degraded)
	s.post(t, "", "3").wantQueued(t)
	for query, want := range map[string]reply{"": whole, "?after=1": rest} {
		if got := s.call(t, http.MethodGet, operationsPath+query, "as-ann", ""); !bytes.Equal(got.body, want.body) {
			t.Errorf("%s: body %s, want %s", query, got.body, want.body)
		}
	}
	page := s.call(t, http.MethodGet, operationsPath+"?after="+head, "as-ann", "").wantStatus(t, http.StatusOK)
	if got := page.object(t); len(got.list("operations")) != 0 || got.str("head") != head {
		t.Errorf("behind the head: %v", got)
	}
	info := s.call(t, http.MethodGet, "/rooms/r", adminToken, "").wantStatus(t, http.StatusOK).object(t)
	if info.str("head") != head {
		t.Errorf("room %v, want head %s", info, head)
	}
	for _, path := range []string{"/rooms/r/participants", "/rooms", "/health/live", "/health/ready"} {
		s.call(t, http.MethodGet, path, adminToken, "").wantStatus(t, http.StatusOK)
	}
	s.call(t, http.MethodPost, "/rooms/r/events", "as-ann", `{"name":"x"}`).wantStatus(t, http.StatusAccepted)

	snapshot := `{"position":"` + head + `","data":1}`
	s.call(t, http.MethodGet, "/rooms/never-opened/operations", "as-ann", "").wantWorthRetry(t)
	s.call(t, http.MethodGet, "/rooms/r/snapshot", "as-ann", "").wantWorthRetry(t)
	s.call(t, http.MethodPut, "/rooms/r/snapshot", "as-ann", snapshot).wantWorthRetry(t)
	s.call(t, http.MethodDelete, "/rooms/r", adminToken, "").wantWorthRetry(t)
	log.become(flow.Live)
	eventually(t, "what was queued is confirmed", func() bool { return s.hub.Stats().Journal == 0 })
	if got := s.data(t); got != "0 1 2 3 " {
		t.Errorf("the log has %s: a refused deletion came true", got)
	}
}

// A stream is told of the outage, is shown what is queued, and gets it for certain afterwards; one that
// begins meanwhile starts with the same (I2, I4).
func TestOutage_Stream(t *testing.T) {
	log := newFaultyLog()
	s := start(t, options{hub: log.use})
	reader := s.stream(t, "/rooms/r/stream", "as-viewer")
	reader.await(t, "joined")
	s.post(t, "", "0").wantStatus(t, http.StatusCreated)
	at := reader.await(t, "op").id

	log.become(flow.Degraded)
	if state := reader.await(t, "state"); state.data.str("state") != "degraded" || state.id != "" {
		t.Errorf("state %+v", state)
	}
	s.post(t, "", "1").wantQueued(t)
	shown := reader.await(t, "tentative")
	if shown.id != "" || shown.data.str("user") != "ann" || shown.data["data"] != 1.0 || shown.data["seq"] != nil {
		t.Errorf("tentative %+v", shown)
	}
	later := s.stream(t, "/rooms/r/stream", "as-viewer", "Last-Event-ID", at)
	joined := later.await(t, "joined")
	if joined.data["resumed"] != true || joined.data.str("state") != "degraded" {
		t.Errorf("joined %v", joined.data)
	}
	later.await(t, "tentative")

	log.become(flow.Live)
	for _, r := range []*stream{reader, later} {
		op := r.await(t, "op")
		if op.data["seq"] != 2.0 || op.data["session"] != shown.data["session"] || op.id == "" {
			t.Errorf("op %+v, shown as %v", op, shown.data)
		}
		for r.await(t, "state").data.str("state") != "live" { // recovering comes before it
		}
	}
}

// With Config.Outage hold nobody sees an operation before it is confirmed.
func TestOutage_StreamHold(t *testing.T) {
	log := newFaultyLog()
	s := start(t, options{hub: func(c *flow.Config) { log.use(c); c.Outage = flow.OutageHold }})
	s.post(t, "", "0").wantStatus(t, http.StatusCreated)
	log.become(flow.Degraded)
	s.post(t, "", "1").wantQueued(t)
	reader := s.stream(t, "/rooms/r/stream", "as-viewer")
	log.become(flow.Live)
	for {
		e, err := reader.next()
		if err != nil {
			t.Fatal(err)
		}
		if e.kind == "tentative" {
			t.Errorf("shown %v", e.data)
		}
		if e.kind == "op" && e.data["seq"] == 2.0 {
			return
		}
	}
}

// The figures tell of an outage while it lasts, and what became of it (I14).
func TestOutage_Figures(t *testing.T) {
	log := newFaultyLog()
	s := start(t, options{hub: log.use})
	ws := s.join(t, "as-ann", "r")
	for n := 1; n <= 3; n++ {
		ws.send(t, fmt.Sprintf(`{"type":"op","room":"r","n":%d,"data":%d}`, n, n))
		ws.await(t, "op")
	}
	s.wantFigures(t, map[string]float64{"journal": 0, "queued": 0, "dataLoss": 0, "reconciles": 0})
	s.wantState(t, flow.Live)

	log.become(flow.Degraded)
	ws.send(t, `{"type":"op","room":"r","n":4,"data":4}`)
	ws.await(t, "queued")
	s.wantFigures(t, map[string]float64{"journal": 1, "queued": 1, "dataLoss": 0, "reconciles": 0})
	s.wantState(t, flow.Degraded)

	log.fail(true) // it answers, and takes nothing
	log.become(flow.Live)
	eventually(t, "ordering recovers", func() bool { return s.hub.State() == flow.Recovering })
	s.wantState(t, flow.Recovering)
	log.fail(false)
	ws.await(t, "op")
	eventually(t, "all is well", func() bool { return s.hub.State() == flow.Live })
	s.wantState(t, flow.Live)
	if got := s.stats(t); got["journal"] != 0.0 || got["dataLoss"] != 0.0 || got["reconciles"] == 0.0 {
		t.Errorf("stats %v", got)
	}
}

// Confirmed operations that nobody has any more are counted: those that no ring is long enough for.
func TestOutage_DataLoss(t *testing.T) {
	const before, ring = 1500, 1024
	log := newFaultyLog()
	log.replace(t, "r", before)
	lost := make(chan uint64, 1)
	s := start(t, options{hub: func(c *flow.Config) {
		log.use(c)
		c.OnDataLoss = func(_ string, count uint64) { lost <- count }
	}})
	s.post(t, "", "4").wantStatus(t, http.StatusCreated)
	log.become(flow.Degraded)
	log.replace(t, "r", 0)
	log.become(flow.Live)
	select {
	case count := <-lost:
		if count < before+1-ring || count > before { // the ring may not have been filled yet
			t.Errorf("%d operations are lost", count)
		}
		s.wantFigures(t, map[string]float64{"dataLoss": float64(count)})
	case <-time.After(patience):
		t.Fatal("nothing was told")
	}
}

// wantFigures checks what GET /stats and the metrics say of an outage.
func (s *server) wantFigures(t *testing.T, want map[string]float64) {
	t.Helper()
	metrics := map[string]string{
		"journal": "flow_journal_operations", "queued": "flow_queued_total", "dataLoss": "flow_data_loss_total",
		"reconciles": "flow_reconciles_total",
	}
	stats, scraped := s.stats(t), s.scrape(t)
	for figure, value := range want {
		if stats[figure] != value {
			t.Errorf("%s is %v, want %v", figure, stats[figure], value)
		}
		if got, ok := scraped[metrics[figure]]; !ok || got != value {
			t.Errorf("%s is %v (%v), want %v", metrics[figure], got, ok, value)
		}
	}
}

// wantState checks what everybody says about ordering, while the other two are well.
func (s *server) wantState(t *testing.T, want flow.State) {
	t.Helper()
	status := "degraded"
	if want == flow.Live {
		status = "ok"
	}
	ready := s.call(t, http.MethodGet, "/health/ready", "", "").wantStatus(t, http.StatusOK).object(t)
	health := s.call(t, http.MethodGet, "/health", adminToken, "").wantStatus(t, http.StatusOK).object(t)
	if ready.str("status") != status || health.str("status") != status {
		t.Errorf("status %s and %s, want %s", ready.str("status"), health.str("status"), status)
	}
	scraped := s.scrape(t)
	for name, backend := range map[string]string{
		"collaboration": "memory", "websockets": "memory", "ordering": "redis",
	} {
		state := flow.Live
		if name == "ordering" {
			state = want
		}
		for source, m := range map[string]msg{"ready": ready, "health": health, "stats": s.stats(t)} {
			subsystem := m.object("subsystems").object(name)
			if subsystem.str("state") != string(state) || subsystem.str("backend") != backend {
				t.Errorf("%s: %s is %v, want %s on %s", source, name, subsystem, state, backend)
			}
		}
		for _, other := range []flow.State{flow.Live, flow.Degraded, flow.Recovering} {
			series := fmt.Sprintf(`flow_subsystem_state{state=%q,subsystem=%q}`, other, name)
			if is, ok := scraped[series]; !ok || is == 1 != (other == state) {
				t.Errorf("%s is %v (%v), want %s", series, is, ok, state)
			}
		}
		up := scraped[fmt.Sprintf(`flow_subsystem_up{backend=%q,subsystem=%q}`, backend, name)]
		if up == 1 != (state == flow.Live) {
			t.Errorf("%s is up: %v, and %s", name, up, state)
		}
	}
}
