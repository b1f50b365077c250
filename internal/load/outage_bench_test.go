package load_test

import (
	"context"
	"testing"
	"time"

	"github.com/fiberflow/flow/internal/load"
	"github.com/fiberflow/flow/internal/redistest"
)

// The crowd of the bounds in an outage.
const (
	outageRooms = 100
	outageUsers = 200
	// outagePace is what each user writes in a second.
	outagePace = 5
	// outageHold is how long Redis stays away.
	outageHold = 5 * time.Second
)

// outage is a way in which Redis goes away.
type outage struct {
	name  string
	begin func(s *outageSite)
	end   func(s *outageSite) // nil: it ends by itself
}

func outages() []outage {
	inject := func(name string, f redistest.Faults) outage {
		return outage{name,
			func(s *outageSite) { s.proxy.Inject(f) },
			func(s *outageSite) { s.proxy.Lift() }}
	}
	refused := inject("refused", redistest.Faults{Refuse: true})
	refused.begin = func(s *outageSite) {
		s.proxy.Inject(redistest.Faults{Refuse: true})
		s.proxy.Cut()
	}
	return []outage{
		frozen(),
		refused,
		inject("replies-swallowed", redistest.Faults{SwallowReplies: true}),
		inject("late", redistest.Faults{DelayRequests: 700 * time.Millisecond}), // the timeout is 500
		{"half-open", func(s *outageSite) { s.proxy.Silence() }, nil},
	}
}

// frozen stops the process; what it was asked meanwhile it does when it goes on.
func frozen() outage {
	return outage{"frozen",
		func(s *outageSite) { s.redis.Pause(s.b) },
		func(s *outageSite) { s.redis.Resume(s.b) }}
}

// emptied ends the process, and brings it back without its data.
func emptied() outage {
	return outage{"emptied",
		func(s *outageSite) { s.redis.Kill(s.b) },
		func(s *outageSite) { s.redis.Restart(s.b) }}
}

// BenchmarkOutage_Answers is 200 users in 100 rooms who go on writing five operations a second each while
// Redis goes away and comes back, in one way after the other; strangers join, and a balancer looks at
// the health. I8
func BenchmarkOutage_Answers(b *testing.B) {
	for _, o := range outages() {
		b.Run(o.name, func(b *testing.B) {
			s := newOutageSite(b)
			crowd := s.gather(b, load.Config{Users: outageUsers, Rooms: outageRooms})
			t := &trial{}
			before := s.look(b)
			start := time.Now()
			for b.Loop() {
				t.answers(b, s, crowd, o)
			}
			b.ReportMetric(0, "ns/op")
			for name, p := range map[string]*load.Phase{"onset": &t.onset, "down": &t.down, "return": &t.back} {
				reportPhase(b, name, p)
			}
			t.report(b)
			others := s.look(b).since(before).others
			b.ReportMetric(others.Seconds()/time.Since(start).Seconds(), "others-cores")
		})
	}
}

// BenchmarkOutage_Return is how long it takes from the first good ping until 100 rooms are live and 5,000
// operations that waited are confirmed: with Redis as it was, and with one that has lost everything. I12
func BenchmarkOutage_Return(b *testing.B) {
	for _, o := range []outage{frozen(), emptied()} {
		b.Run(o.name, func(b *testing.B) {
			s := newOutageSite(b)
			crowd := s.gather(b, load.Config{Users: outageUsers, Rooms: outageRooms})
			t := &trial{}
			for b.Loop() {
				crowd.Begin()
				write(b, crowd, load.Pace{PerSecond: outagePace, For: time.Second, Bytes: 150})
				await(b, crowd.AwaitConfirmed)
				o.begin(s)
				t.fall(b, s, crowd, time.Now())
				write(b, crowd, load.Pace{PerSecond: 12.5, For: 2 * time.Second, Bytes: 150}) // 25 each
				t.waiting += s.figures(b)["flow_journal_operations"]
				o.end(s)
				ping := t.rise(b, s, crowd, time.Now())
				t.confirmed = max(t.confirmed, await(b, crowd.AwaitConfirmed).Sub(ping))
			}
			b.ReportMetric(0, "ns/op")
			t.report(b)
		})
	}
}

// BenchmarkOutage_Slow is no outage: five busy rooms, 200 operations a second each, on a Redis that
// answers within its timeout, but late. I8
func BenchmarkOutage_Slow(b *testing.B) {
	s := newOutageSite(b)
	crowd := s.gather(b, load.Config{Users: 10, Rooms: 5})
	var slow load.Phase
	for b.Loop() {
		phase := crowd.Begin()
		s.proxy.Inject(redistest.Faults{DelayReplies: 220 * time.Millisecond})
		write(b, crowd, load.Pace{PerSecond: 100, For: 5 * time.Second, Bytes: 150})
		s.proxy.Lift()
		mergePhase(&slow, phase)
	}
	b.ReportMetric(0, "ns/op")
	reportPhase(b, "slow", &slow)
}

// trial is what was seen in all rounds of a benchmark.
type trial struct {
	onset, down, back load.Phase
	lag               load.Histogram

	told, ping, live, confirmed time.Duration // the longest ones
	waiting                     float64       // operations at the end of the outages, together
}

// answers is one round: a second of calm, the outage, the return.
func (t *trial) answers(b *testing.B, s *outageSite, crowd *load.Crowd, o outage) {
	b.Helper()
	crowd.Begin()
	visits, stop := context.WithCancel(b.Context())
	defer stop()
	ended := make(chan error, 2)
	go func() { ended <- crowd.Visit(visits, s.servers[0]) }() // until stop
	go func() {                                                // for the length of the round
		report, err := crowd.Operate(b.Context(), load.Pace{PerSecond: outagePace, For: 2*time.Second + outageHold})
		if err == nil {
			t.lag.Merge(report.Lag)
		}
		ended <- err
	}()
	pause(b, time.Second)
	onset := crowd.Begin()
	began := time.Now()
	o.begin(s)
	t.fall(b, s, crowd, began)
	if o.end != nil {
		down := crowd.Begin()
		pause(b, time.Until(began.Add(outageHold)))
		t.waiting += s.figures(b)["flow_journal_operations"]
		back := crowd.Begin()
		began = time.Now()
		o.end(s)
		defer mergePhase(&t.down, down)
		defer mergePhase(&t.back, back)
	}
	t.rise(b, s, crowd, began)
	crowd.Begin()
	if err := <-ended; err != nil { // of whom writes; strangers come until stop
		b.Fatal(err)
	}
	stop()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	mergePhase(&t.onset, onset)
}

// fall waits until everybody knows of the outage that began at a time, and the log is away.
func (t *trial) fall(b *testing.B, s *outageSite, crowd *load.Crowd, began time.Time) {
	b.Helper()
	told, err := crowd.AwaitState(b.Context(), false)
	if err != nil {
		b.Fatal(err)
	}
	t.told = max(t.told, told.Sub(began))
}

// rise waits until all is well after Redis has come back at a time, and returns when the log's first ping
// was good.
func (t *trial) rise(b *testing.B, s *outageSite, crowd *load.Crowd, lifted time.Time) (ping time.Time) {
	b.Helper()
	live, err := crowd.AwaitState(b.Context(), true)
	if err != nil {
		b.Fatal(err)
	}
	ready, err := s.servers[0].Ready(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	ping, _ = ready.Since()
	t.ping = max(t.ping, ping.Sub(lifted))
	t.live = max(t.live, live.Sub(ping))
	return ping
}

func (t *trial) report(b *testing.B) {
	b.Helper()
	b.ReportMetric(milliseconds(t.told), "told-ms")
	b.ReportMetric(milliseconds(t.ping), "ping-ms")
	b.ReportMetric(milliseconds(t.live), "live-ms")
	if t.confirmed > 0 {
		b.ReportMetric(milliseconds(t.confirmed), "confirmed-ms")
	}
	b.ReportMetric(t.waiting/float64(b.N), "journal-ops")
	if t.lag.Count() > 0 {
		b.ReportMetric(milliseconds(t.lag.Quantile(0.99)), "lag-p99-ms")
	}
}

func mergePhase(into, p *load.Phase) {
	into.Operations.Merge(&p.Operations)
	into.OpenRoom.Merge(&p.OpenRoom)
	into.NewRoom.Merge(&p.NewRoom)
	into.Health.Merge(&p.Health)
}

// reportPhase tells how fast things were answered; a phase in which nothing was asked is left out.
func reportPhase(b *testing.B, name string, p *load.Phase) {
	b.Helper()
	for what, times := range map[string]*load.Histogram{
		"op": &p.Operations, "join": &p.OpenRoom, "join-new": &p.NewRoom, "health": &p.Health,
	} {
		if times.Count() == 0 {
			continue
		}
		what = name + "-" + what
		b.ReportMetric(float64(times.Count()), what+"-count")
		b.ReportMetric(milliseconds(times.Quantile(0.5)), what+"-p50-ms")
		b.ReportMetric(milliseconds(times.Quantile(0.99)), what+"-p99-ms")
		b.ReportMetric(milliseconds(times.Quantile(0.999)), what+"-p99.9-ms")
		b.ReportMetric(milliseconds(times.Max()), what+"-max-ms")
	}
}

// outageSite is one instance behind a proxy, with the timeout of Redis that everybody has.
type outageSite struct {
	site
	b     *testing.B
	proxy *redistest.Proxy
}

func newOutageSite(b *testing.B, environment ...string) *outageSite {
	b.Helper()
	server := redistest.Start(b)
	proxy := redistest.StartProxy(b, server.Addr())
	environment = append(environment, "REDIS_TIMEOUT=500ms", "REDIS_URL=redis://"+proxy.Addr(),
		"COLLAB_OPS_PER_SECOND=1000")
	return &outageSite{site: *newSite(b, 1, server, environment...), b: b, proxy: proxy}
}

func (s *outageSite) figures(b *testing.B) map[string]float64 {
	b.Helper()
	figures, err := s.servers[0].Figures(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return figures
}

func pause(b *testing.B, d time.Duration) {
	b.Helper()
	select {
	case <-time.After(d):
	case <-b.Context().Done():
		b.Fatal(b.Context().Err())
	}
}

// write has everybody write, and waits until there was a word about all of it.
func write(b *testing.B, crowd *load.Crowd, p load.Pace) {
	b.Helper()
	if err := crowd.Write(b.Context(), p); err != nil {
		b.Fatal(err)
	}
	if err := crowd.AwaitAnswers(b.Context()); err != nil {
		b.Fatal(err)
	}
}

func await(b *testing.B, what func(context.Context) (time.Time, error)) time.Time {
	b.Helper()
	at, err := what(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return at
}
