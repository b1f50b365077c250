package outage_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/fiberflow/flow"
)

// finish ends the writing, waits until everything has found its end, and holds all that was promised
// against what is there.
func (w *world) finish() {
	w.t.Helper()
	for _, c := range w.clients {
		c.write(0)
	}
	w.every("has nothing pending", func(m *model) bool { return m.joined && len(m.pending) == 0 })
	w.live()
	log := w.sameLog()
	w.ledger.audit(log, w.gone)
	for _, c := range w.clients {
		c.do(func(m *model) { m.equal(log) })
	}
	w.samePeople()
	w.tell()
}

// sameLog returns the final log, which all instances show, and all clients have reached. I2
func (w *world) sameLog() (log []flow.Operation) {
	w.t.Helper()
	var end string
	w.eventually("all instances and clients have one log", func() bool {
		heads := map[string]bool{}
		for _, i := range w.all() {
			operations, head, err := w.operations(i)
			if err != nil {
				return false
			}
			log, end, heads[head] = operations, head, true
		}
		for _, c := range w.clients {
			c.do(func(m *model) { heads[m.position.String()] = true })
		}
		return len(heads) == 1
	})
	if n := len(log); n == 0 || log[n-1].Position().String() != end {
		w.ledger.breach("I2", "the log has %d operations, and its head is %s", n, end)
	}
	return log
}

// equal checks that the client has seen the log as it is, from wherever both begin. I2, I14
func (m *model) equal(log []flow.Operation) {
	if len(log) == 0 || len(m.log) == 0 {
		m.breach("I2", "saw %d operations of %d", len(m.log), len(log))
		return
	}
	first := max(log[0].Seq, m.log[0].Seq)
	mine, theirs := m.log[first-m.log[0].Seq:], log[first-log[0].Seq:]
	same := slices.EqualFunc(mine, theirs, func(a, b flow.Operation) bool {
		return a.Seq == b.Seq && a.Hash == b.Hash && a.Session == b.Session && a.N == b.N &&
			a.Time == b.Time && string(a.Data) == string(b.Data)
	})
	if !same {
		m.breach("I2", "saw other operations than the log has, from %d on", first)
	}
	for id := range m.tentative {
		if m.ledger.shadows[id.session] {
			continue
		}
		m.breach("I14", "%v is still tentative", id)
	}
}

// samePeople waits until everybody sees everybody, and nobody else. I5
func (w *world) samePeople() {
	w.t.Helper()
	var want []string
	names := map[string]string{}
	for _, c := range w.clients {
		c.do(func(m *model) { names[m.session] = m.name })
		want = append(want, c.name)
	}
	slices.Sort(want)
	w.every(fmt.Sprint("sees ", want), func(m *model) bool {
		var seen []string
		for s := range m.people {
			seen = append(seen, names[s])
		}
		slices.Sort(seen)
		m.sees = fmt.Sprint(seen)
		return slices.Equal(seen, want)
	})
}

// noRewind checks that nothing confirmed was taken back from anybody. I2
func (w *world) noRewind() {
	w.t.Helper()
	if w.ledger.rewinds > 0 || w.ledger.resets > 0 {
		w.t.Errorf("I2: %d rewinds, %d streams begun anew, want none", w.ledger.rewinds, w.ledger.resets)
	}
}

// noLoss checks that no instance counts something as lost, or has something left over. I14
func (w *world) noLoss() {
	w.t.Helper()
	for k, i := range w.all() {
		for _, name := range []string{"flow_data_loss_total", "flow_journal_operations"} {
			if value, err := w.metric(i, name); err != nil || value != "0" {
				w.t.Errorf("I14: instance %d counts %s %s, want 0: %v", k, name, value, err)
			}
		}
	}
}

// metric returns a number that an instance counts, without labels.
func (w *world) metric(i *instance, name string) (string, error) {
	_, text, err := w.call(i, http.MethodGet, "/metrics", "")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value), nil
		}
	}
	return "", fmt.Errorf("no metric %s", name)
}

// tell reports every breach, and what helps to understand one.
func (w *world) tell() {
	w.t.Helper()
	l := w.ledger
	l.mu.Lock()
	breaches := slices.Clone(l.breaches)
	l.breaches = nil
	w.t.Logf("%d operations sent, %d answers queued, %d tentative shown, %d rewinds, %d resets, nacks %v, slowest %v",
		len(l.entries), l.queued, l.shown, l.rewinds, l.resets, l.nacks, l.slowest)
	l.mu.Unlock()
	for _, b := range breaches[:min(len(breaches), 15)] {
		w.t.Error(b)
	}
	if len(breaches) > 15 {
		w.t.Errorf("and %d more", len(breaches)-15)
	}
	w.t.Cleanup(func() {
		if !w.t.Failed() {
			return
		}
		for k, i := range w.all() {
			w.t.Logf("instance %d:\n%s", k, i.log.tail(30))
		}
	})
	for _, c := range w.clients {
		c.do(func(m *model) { w.t.Log(m) })
	}
}

// String tells where the client stands.
func (m *model) String() string {
	waiting := make([]string, 0, len(m.pending))
	for _, o := range m.pending[:min(len(m.pending), 8)] {
		waiting = append(waiting, fmt.Sprint(o.n))
	}
	return fmt.Sprintf("%s: session %s, joined %v, at %v, n %d, %d pending: %s; %d tentative, sees %s, states %v",
		m.name, m.session, m.joined, m.position, m.n, len(m.pending), strings.Join(waiting, " "),
		len(m.tentative), m.sees, m.states)
}
