package handlers_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/handlers"
)

// What Prometheus scrapes can be parsed, and agrees with what happened.
func TestMetrics(t *testing.T) {
	s := start(t, options{})
	ws := s.join(t, "as-ann", "r")
	ws.send(t, `{"type":"op","room":"r","n":1,"data":1}`)
	ws.await(t, "op")
	ws.send(t, `{"type":"op","room":"r","n":9,"data":2}`)
	ws.await(t, "nack")
	got := s.scrape(t)
	for series, want := range map[string]float64{
		"flow_connections": 1, "flow_rooms": 1, "flow_sessions": 1,
		"flow_operations_total": 1, "flow_nacks_total": 1, "flow_events_total": 0, "flow_presence_total": 0,
		`flow_subsystem_up{backend="memory",subsystem="ordering"}`:      1,
		`flow_subsystem_state{state="live",subsystem="websockets"}`:     1,
		`flow_subsystem_state{state="degraded",subsystem="websockets"}`: 0,
	} {
		if value, ok := got[series]; !ok || value != want {
			t.Errorf("%s is %v (%v), want %v", series, value, ok, want)
		}
	}
	for _, name := range []string{
		"flow_frames_delivered_total", "flow_build_info{", `flow_operation_latency_seconds{quantile="0.99"}`,
		"go_goroutines", "process_start_time_seconds",
	} {
		found := false
		for series, value := range got {
			found = found || strings.HasPrefix(series, name) && value > 0
		}
		if !found {
			t.Errorf("%s is missing", name)
		}
	}
}

// scrape returns the value of every series.
func (s *server) scrape(t *testing.T) map[string]float64 {
	t.Helper()
	got := s.call(t, http.MethodGet, "/metrics", adminToken, "").wantStatus(t, http.StatusOK)
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(string(got.body)))
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for name, family := range families {
		if strings.HasPrefix(name, "flow_") && family.GetHelp() == "" {
			t.Errorf("%s has no help", name)
		}
		for _, metric := range family.GetMetric() {
			var labels []string
			for _, l := range metric.GetLabel() {
				labels = append(labels, l.GetName()+"="+`"`+l.GetValue()+`"`)
			}
			series := name
			if len(labels) > 0 {
				series += "{" + strings.Join(labels, ",") + "}"
			}
			values[series] = metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
		}
	}
	return values
}

// The application's own registry is shown with its own metrics; a second registration in it is logged and
// harms nothing.
func TestMetrics_ownRegistry(t *testing.T) {
	registry := prometheus.NewRegistry()
	own := prometheus.NewGauge(prometheus.GaugeOpts{Name: "own", Help: "The application's."})
	registry.MustRegister(own)
	own.Set(7)
	s := start(t, options{mount: func(app *fiber.App, c handlers.Config) {
		c.Registry = registry
		handlers.Register(app.Group("/collab"), c)
		handlers.Register(app.Group("/again"), c)
	}})
	got := s.scrape(t)
	if _, there := got["go_goroutines"]; got["own"] != 7 || there {
		t.Errorf("series %v", got)
	}
	if _, there := got["flow_connections"]; !there {
		t.Errorf("series %v", got)
	}
	if !s.log.contains("in the registry already") {
		t.Error("the second registration was not logged")
	}
	s.call(t, http.MethodGet, "/metrics", "as-ann", "").wantCode(t, flow.CodeForbidden)
}

// A label says what kind of thing is counted, and never whom or where: the labels and their values are the same
// few, whatever people and rooms are called and however many there are. I9
func TestMetrics_labels(t *testing.T) {
	s := start(t, options{})
	before := s.scrape(t)
	for i, name := range []string{
		"mallory\"} 1", "mallory\nflow_rooms 9", "{room=\"secret\"}", "__proto__", "mallory\\",
	} {
		room := fmt.Sprintf("secret-room-%d", i)
		s.member(t, name, room)
		s.call(t, http.MethodGet, "/rooms/"+room+"/operations", "as-mallory", "").wantStatus(t, http.StatusOK)
		s.call(t, http.MethodGet, "/rooms/-"+room+"/operations", "as-mallory", "").wantCode(t, flow.CodeInvalidRoom)
	}
	after := s.scrape(t)
	known := regexp.MustCompile(`^[a-z_]+(\{(quantile|subsystem|backend|state|version|go|group|reason|code)=.*\})?$`)
	for series := range after {
		if _, there := before[series]; !there && strings.HasPrefix(series, "flow_") {
			t.Errorf("%s is new", series)
		}
		if strings.HasPrefix(series, "flow_") && !known.MatchString(series) ||
			strings.Contains(series, "mallory") || strings.Contains(series, "secret") {
			t.Errorf("%s tells too much", series)
		}
	}
	if after["flow_rooms"] != 5 || after["flow_sessions"] != 5 {
		t.Errorf("rooms %v, sessions %v", after["flow_rooms"], after["flow_sessions"])
	}
}
