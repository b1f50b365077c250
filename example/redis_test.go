package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"syscall"
	"testing"

	"github.com/fiberflow/flow/internal/browsertest"
	"github.com/fiberflow/flow/internal/redistest"
)

// draw lets two people draw before Redis goes away, and while it is: both are told, both go on, and each
// sees what the other does, marked as not saved.
func draw(t *testing.T, browser *browsertest.Browser, server *instance, away func()) (ada, bob page) {
	t.Helper()
	ada = visit(browser.Person(t), server.URL+"/board/plan", "Ada")
	bob = visit(browser.Person(t), server.URL+"/board/plan", "Bob")
	ada.Add(browsertest.Point{X: 300, Y: 250}, "one")
	bob.Shows("one")
	bob.Add(browsertest.Point{X: 600, Y: 250}, "two")
	ada.Shows("two")
	ada.Confirmed()
	bob.Confirmed()

	away()
	ada.Add(browsertest.Point{X: 300, Y: 400}, "three")
	ada.Says("degraded", "Part of the server is away")
	bob.Says("degraded", "Part of the server is away")
	bob.Until("Ada's card is there, marked as not saved", card("three")+`?.matches(".unconfirmed.theirs")`)
	bob.Add(browsertest.Point{X: 600, Y: 400}, "four")
	ada.Until("Bob's as well", card("four")+`?.matches(".unconfirmed.theirs")`)
	ada.Until("her own is marked, too", card("three")+`.matches(".unconfirmed:not(.theirs)")`)
	ada.Says("degraded", "2 changes of yours and 2 of others")
	return ada, bob
}

// agree waits until pages are live without a banner, nothing waits, and all of them show what the log says,
// with as many cards as expected.
func agree(t *testing.T, server *instance, room string, cards int, pages ...page) {
	t.Helper()
	for _, p := range pages {
		p.Live()
		p.Confirmed()
		p.Until("the banner is gone", `document.querySelector("#banner").hidden`)
		p.count(cards, ".node")
	}
	_, body := get(t, server.URL+"/collab/rooms/"+room+"/operations?limit=1000")
	var log struct{ Head string }
	if err := json.Unmarshal([]byte(body), &log); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	for i, p := range pages {
		p.Until(fmt.Sprintf("page %d is at %s, and nothing waits", i, log.Head), fmt.Sprintf(
			`window.room.position === %q && window.room.pending.length + window.room.tentative.length === 0`, log.Head))
	}
}

// A Redis that comes back with its data: what was drawn meanwhile is saved, here and on other instances. I1, I2, I14
func redisKilled(t *testing.T, browser *browsertest.Browser) {
	t.Helper()
	server := redistest.Start(t, redistest.AppendOnly())
	env := onRedis(t, server)
	one, two := start(t, env...), start(t, env...)
	cleo := visit(browser.Person(t), two.URL+"/board/plan", "Cleo")
	ada, bob := draw(t, browser, one, func() { server.Kill(t) })
	cleo.Says("degraded", "Part of the server is away")
	cleo.Lacks("three")
	late := visitDegraded(browser.Person(t), one.URL+"/board/plan")
	late.Shows("one")
	late.Shows("three")
	server.Restart(t)
	agree(t, one, "plan", 4, ada, bob, cleo, late)
	ada.People(4)
}

// A server that is set to refuse changes meanwhile: they wait in the windows, and are saved all the same. I1
func redisKilledReject(t *testing.T, browser *browsertest.Browser) {
	t.Helper()
	server := redistest.Start(t, redistest.AppendOnly())
	one := start(t, append(onRedis(t, server), "COLLAB_OUTAGE=reject")...)
	ada := visit(browser.Person(t), one.URL+"/board/plan", "Ada")
	bob := visit(browser.Person(t), one.URL+"/board/plan", "Bob")
	server.Kill(t)
	ada.Add(browsertest.Point{X: 300, Y: 250}, "hers")
	bob.Add(browsertest.Point{X: 600, Y: 250}, "his")
	ada.Says("degraded", "2 changes wait in this window")
	ada.Lacks("his")
	server.Restart(t)
	agree(t, one, "plan", 2, ada, bob)
}

// Where only the sessions are on Redis, changes are confirmed while it is away, and the banner claims nothing else.
func redisOfSessionsKilled(t *testing.T, browser *browsertest.Browser) {
	t.Helper()
	server := redistest.Start(t)
	one := start(t, append(onRedis(t, server), "USE_REDIS_WEBSOCKETS=false", "USE_REDIS_EVENT_ORDERING=false")...)
	ada := visit(browser.Person(t), one.URL+"/board/plan", "Ada")
	bob := visit(browser.Person(t), one.URL+"/board/plan", "Bob")
	server.Kill(t)
	ada.Says("degraded", "Part of the server is away")
	ada.Add(browsertest.Point{X: 300, Y: 250}, "hers")
	bob.Shows("hers")
	ada.Confirmed()
	ada.Says("degraded", "People on other servers may not see you")
	server.Restart(t)
	agree(t, one, "plan", 1, ada, bob)
}

// visitDegraded opens a board while Redis is away.
func visitDegraded(w *browsertest.Window, url string) page {
	p := page{w}
	p.Go(url)
	p.Says("degraded", "Part of the server is away")
	return p
}

// A Redis that comes back empty gets everything again, and nobody notices more than the outage. I1, I2
func redisEmptied(t *testing.T, browser *browsertest.Browser) {
	t.Helper()
	server := redistest.Start(t)
	one := start(t, onRedis(t, server)...)
	ada, bob := draw(t, browser, one, func() { server.Kill(t) })
	resets := countResets(ada)
	server.RestartEmpty(t)
	agree(t, one, "plan", 4, ada, bob)
	if got := browsertest.Read[int](ada.Window, resets); got != 0 {
		t.Errorf("the board started over %d times", got)
	}
	cleo := visit(browser.Person(t), one.URL+"/board/plan", "")
	agree(t, one, "plan", 4, cleo)
}

// Redis and the server are gone with all that they had: the people who have the board open bring it back. I1
func allEmptied(t *testing.T, browser *browsertest.Browser) {
	t.Helper()
	server := redistest.Start(t)
	one := start(t, onRedis(t, server)...)
	ada, bob := draw(t, browser, one, func() { server.Kill(t) })
	one.Kill()
	ada.Says("reconnecting", "The server is out of reach")
	server.RestartEmpty(t)
	one.Restart()
	agree(t, one, "plan", 4, ada, bob)
}

// A Redis with another history of the board: both are kept, and the pages start over from what is common. I1, I2
func redisForked(t *testing.T, browser *browsertest.Browser) {
	t.Helper()
	server := redistest.Start(t)
	env := onRedis(t, server)
	one := start(t, env...)
	ada, bob := draw(t, browser, one, func() { server.Kill(t) })
	resets := countResets(ada)
	if err := one.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	server.RestartEmpty(t)
	two := start(t, env...)
	patch := `{"nodes":{"x":{"x":0,"y":0,"text":"of another history"}}}`
	if status := post(t, two, "plan", patch); status != http.StatusCreated {
		t.Fatalf("a write on the other instance is answered with %d", status)
	}
	if err := one.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	ada.Shows("of another history")
	agree(t, one, "plan", 5, ada, bob)
	if got := browsertest.Read[int](ada.Window, resets); got == 0 {
		t.Error("the board did not start over")
	}
}

// countResets returns an expression for how often a board has started over since.
func countResets(p page) string {
	p.Do(`import("/web/board.js").then(({ room }) => {
		window.resets = 0;
		room.on("reset", () => { window.resets++; });
	})`)
	return "window.resets"
}
