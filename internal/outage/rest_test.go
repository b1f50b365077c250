package outage_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/fiberflow/flow/internal/redistest"
)

// post submits operations over REST, and returns status and body.
func (w *world) post(i *instance, key string, data ...string) (int, string) {
	w.t.Helper()
	for _, d := range data {
		w.ledger.post(d)
	}
	body := `{"operations":[{"data":` + strings.Join(data, `},{"data":`) + `}]}`
	status, text, err := w.call(i, http.MethodPost, "/rooms/"+w.room+"/operations", body, "Idempotency-Key", key)
	w.must(err)
	return status, string(text)
}

// What is posted while Redis is away is queued, and a retry with its key tells, on any instance, the one
// place that it has got. I1, I14
func TestREST_idempotent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		mend func(w *world)
	}{
		{"with its data", func(w *world) { w.redis.Restart(w.t) }},
		{"empty", func(w *world) { w.redis.RestartEmpty(w.t) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, redistest.AppendOnly())
			for range 2 {
				w.add(false, nil)
			}
			w.people(1)
			w.write(5)
			before := []string{`{"rest":0}`}
			w.eventually("what is posted before is confirmed", func() bool {
				status, _ := w.post(w.instance(0), "before", before...) // queued, where an answer was late
				return status == http.StatusCreated
			})
			w.redis.Kill(t)
			w.every("was told", func(m *model) bool { return m.state == "degraded" })
			data := []string{`{"rest":1}`, `{"rest":2}`, `{"rest":3}`}
			for _, key := range []string{"retried", "retried"} {
				status, text := w.post(w.instance(0), key, data...)
				if status != http.StatusAccepted || text != `{"queued":true}` {
					t.Errorf("while Redis is away: %d %s", status, text)
				}
			}
			c.mend(w)
			w.live()
			w.write(5)
			var answers []string
			for k := range 4 {
				status, text := w.post(w.instance(k), "retried", data...)
				if status != http.StatusCreated {
					t.Errorf("retry %d: %d %s", k, status, text)
				}
				answers = append(answers, text)
			}
			if len(slices.Compact(answers)) != 1 {
				t.Errorf("retries got %q", answers)
			}
			w.finish()
			w.noRewind()
			w.noLoss()
		})
	}
}

// A retry that goes to another instance while Redis is away is queued there as well; both are one. I1
func TestREST_twoJournals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, redistest.AppendOnly())
	for range 2 {
		w.add(false, nil)
	}
	w.people(1)
	w.write(5)
	w.redis.Kill(t)
	w.every("was told", func(m *model) bool { return m.state == "degraded" })
	for k := range 2 {
		if status, text := w.post(w.instance(k), "both", `{"rest":"twice"}`); status != http.StatusAccepted {
			t.Errorf("instance %d: %d %s", k, status, text)
		}
	}
	w.redis.Restart(t)
	w.live()
	w.write(5)
	w.finish() // the ledger sees one that is there twice
	w.noRewind()
}
