package outage_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/fiberflow/flow/internal/redistest"
)

// promise is a time for which a session was told that it has a lock.
type promise struct {
	session  string
	from, to time.Time
}

// lockJudge keeps what was promised of each lock.
type lockJudge struct {
	mu       sync.Mutex
	promises map[string][]promise // by name
	told     map[string]int       // how often which answer was given to one who contends
}

func (j *lockJudge) heard(code string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.told[code]++
}

func (j *lockJudge) count(code string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.told[code]
}

// promised notes that a session may believe to have a lock until then.
func (j *lockJudge) promised(name, session string, to time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.promises[name] = append(j.promises[name], promise{session, time.Now(), to})
}

// shorten notes that a session asks for an end of what it was promised, which counts if it is the sooner one.
func (j *lockJudge) shorten(name, session string, to time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, p := range j.promises[name] {
		if p.session == session && p.to.After(to) {
			j.promises[name][i].to = to
		}
	}
}

// check finds two who were promised the same at the same time.
func (j *lockJudge) check(t *testing.T) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	const tick = 2 * time.Millisecond // Redis counts in whole milliseconds
	for name, all := range j.promises {
		slices.SortFunc(all, func(a, b promise) int { return a.from.Compare(b.from) })
		for i, a := range all {
			for _, b := range all[i+1:] {
				if both := a.to.Sub(b.from); a.session != b.session && both > tick {
					t.Errorf("%s: %s has it for %v more when %s gets it", name, a.session, both, b.session)
				}
			}
		}
	}
}

// contender is a client that wants locks. It does one thing after the other, so no goroutine reads for it.
type contender struct {
	w       *world
	judge   *lockJudge
	keeps   bool // it has what the others want
	conn    *websocket.Conn
	session string
	ids     int
	until   map[string]time.Time // what it was promised
}

func (w *world) contender(j *lockJudge, name string, at *instance) *contender {
	w.t.Helper()
	dialer := websocket.Dialer{HandshakeTimeout: patience, Subprotocols: []string{"flow.v1"}}
	conn, _, err := dialer.Dial("ws"+strings.TrimPrefix(at.base, "http")+"/ws",
		http.Header{"Authorization": {"Bearer " + w.token(name)}})
	w.must(err)
	w.t.Cleanup(func() { _ = conn.Close() })
	c := &contender{w: w, judge: j, conn: conn, until: map[string]time.Time{}}
	joined, err := c.request(map[string]any{"type": "join"})
	w.must(err)
	c.session = joined.Session
	return c
}

// request returns the answer to a message.
func (c *contender) request(m map[string]any) (message, error) {
	c.ids++
	id := fmt.Sprint("r", c.ids)
	m["id"], m["room"] = id, c.w.room
	text, err := json.Marshal(m)
	if err != nil {
		return message{}, err
	}
	if err := c.conn.WriteMessage(websocket.TextMessage, text); err != nil {
		return message{}, err
	}
	for {
		if err := c.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			return message{}, err
		}
		_, text, err := c.conn.ReadMessage()
		if err != nil {
			return message{}, fmt.Errorf("no answer to %v: %w", m, err)
		}
		list, err := messages(text)
		if err != nil {
			return message{}, err
		}
		for _, got := range list {
			if got.ID == id {
				return got, nil
			}
		}
	}
}

// lock asks for a lock, and notes what it is told.
func (c *contender) lock(name string, ttl time.Duration) (ok bool, err error) {
	asked := time.Now()
	if until := asked.Add(ttl); until.Before(c.until[name]) {
		c.until[name] = until
		c.judge.shorten(name, c.session, until)
	}
	got, err := c.request(map[string]any{"type": "lock", "name": name, "ttl": ttl.Milliseconds()})
	if err != nil {
		return false, err
	}
	switch {
	case got.Type == "ok":
		c.until[name] = asked.Add(ttl)
		c.judge.promised(name, c.session, c.until[name])
	case got.Code == "locked" && time.Now().Before(c.until[name]):
		return false, fmt.Errorf("%s: somebody else has it, and %s was promised it for %v more",
			name, c.session, time.Until(c.until[name]))
	}
	if !c.keeps {
		c.judge.heard(got.Type + got.Code)
	}
	return got.Type == "ok", nil
}

func (c *contender) unlock(name string) error {
	c.judge.shorten(name, c.session, time.Now())
	delete(c.until, name)
	_, err := c.request(map[string]any{"type": "unlock", "name": name})
	return err
}

// contend wants two locks by turns until the end: one that is there to be had, and one that another keeps.
// Those it gets it renews once, and gives back or forgets.
func (c *contender) contend(end <-chan struct{}) error {
	pace := time.NewTicker(25 * time.Millisecond) // the bound on messages is not the matter here
	defer pace.Stop()
	for {
		select {
		case <-end:
			return nil
		case <-pace.C:
		}
		name := []string{"hot", "kept"}[rand.IntN(2)]
		ok, err := c.lock(name, time.Second)
		if ok {
			_, err = c.lock(name, time.Second+rand.N(500*time.Millisecond))
		}
		if err == nil && ok && rand.IntN(4) > 0 {
			err = c.unlock(name)
		}
		if err != nil {
			return err
		}
	}
}

// keep renews a lock until the end, as a client does that is at work. It is promised for longer than any
// outage here lasts.
func (c *contender) keep(end <-chan struct{}) error {
	pace := time.NewTicker(200 * time.Millisecond)
	defer pace.Stop()
	for {
		select {
		case <-end:
			return nil
		case <-pace.C:
		}
		if _, err := c.lock("kept", time.Minute); err != nil {
			return err
		}
	}
}

// Whatever happens to Redis or on the way to it: no two sessions are promised a lock for the same time, who was
// promised one has it until then, on whatever instance the others ask, and nobody gets one while the log is away.
// Everybody is answered, and afterwards locks are lent again.
func TestLock(t *testing.T) {
	for _, s := range []struct {
		name    string
		refused int // so many requests while Redis is away, 0 when it is not
		proxied bool
		server  []redistest.Option
		breaks  func(*world) func()
	}{
		{name: "killed and back with its data", refused: 100, server: durable(), breaks: killed},
		// So long that the instances look for it seldom, and come back one after the other.
		{name: "killed and back empty", refused: 1200, breaks: killed},
		{name: "flushed", breaks: once("flushall")},
		{name: "frozen", refused: 100, breaks: frozen},
		{name: "replies swallowed", refused: 100, proxied: true,
			breaks: injected(redistest.Faults{SwallowReplies: true})},
		{name: "requests late", refused: 100, proxied: true,
			breaks: injected(redistest.Faults{DelayRequests: 700 * time.Millisecond})},
		{name: "links cut", proxied: true, breaks: func(w *world) func() {
			for _, p := range w.proxies {
				p.Cut()
			}
			return nil
		}},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, s.server...)
			for range 2 {
				w.add(s.proxied, nil)
			}
			w.contest(s.refused, s.breaks)
		})
	}
}

// contest runs [TestLock] through one fault. An instance that had nobody in the room before joins in afterwards.
func (w *world) contest(refused int, breaks func(*world) func()) {
	w.people(1)
	w.write(3) // what a log has lost shows in a room that has operations
	idle := w.add(len(w.proxies) > 0, nil)
	w.remove(idle)
	j := &lockJudge{promises: map[string][]promise{}, told: map[string]int{}}
	keeper := w.contender(j, "keeper", w.instance(0))
	keeper.keeps = true
	if ok, err := keeper.lock("kept", time.Minute); !ok {
		w.t.Fatalf("the first lock was refused: %v", err)
	}
	end, failed := make(chan struct{}), make(chan error, 8)
	go func() { failed <- keeper.keep(end) }()
	for i := range 6 {
		c := w.contender(j, fmt.Sprint("c", i), w.instance(i))
		go func() { failed <- c.contend(end) }()
	}
	w.lent(j, 10)
	mend := breaks(w)
	if refused > 0 {
		w.refused(j, refused)
	}
	if mend != nil {
		mend()
	}
	late := w.contender(j, "late", idle)
	go func() { failed <- late.contend(end) }()
	w.lent(j, 20)
	close(end)
	for range cap(failed) {
		if err := <-failed; err != nil {
			w.t.Error(err)
		}
	}
	j.check(w.t)
}

// refused waits until locks are refused because the log is away, and then for so many refusals, and for
// nothing but those.
func (w *world) refused(j *lockJudge, count int) {
	w.t.Helper()
	const code = "errorunavailable"
	w.eventually("locks are refused", func() bool { return j.count(code) >= 50 })
	lent, before := j.count("ok"), j.count(code)
	w.eventually("all of them", func() bool { return j.count(code) >= before+count })
	if lent = j.count("ok") - lent; lent > 0 {
		w.t.Errorf("%d locks were lent while the log was away", lent)
	}
}

// lent waits until so many more locks were lent to those who contend, and one was refused.
func (w *world) lent(j *lockJudge, more int) {
	w.t.Helper()
	lent, refused := j.count("ok"), j.count("errorlocked")
	w.eventually("locks are lent", func() bool {
		return j.count("ok") >= lent+more && j.count("errorlocked") > refused
	})
}
