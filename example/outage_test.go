package main

import (
	"maps"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/fiberflow/flow/internal/browsertest"
)

const secret = "a secret of sixteen bytes and more" // of the tokens in these tests

// token returns what the example takes as a proof of who somebody is.
func token(t *testing.T, user string, claims jwt.MapClaims) string {
	t.Helper()
	all := jwt.MapClaims{"sub": user, "exp": time.Now().Add(time.Hour).Unix()}
	maps.Copy(all, claims)
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, all).SignedString([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// A killed server takes nothing with it: what was written is there when it is back, what was done
// meanwhile follows, and nobody has to do anything for that. I1, I4, I7
func serverKilled(t *testing.T, browser *browsertest.Browser) {
	t.Helper()
	server := start(t, onRedis(t, redis.Server(t))...)
	ada := visit(browser.Person(t), server.URL+"/board/plan", "Ada")
	bob := visit(browser.Person(t), server.URL+"/board/plan", "Bob")
	ada.Add(browsertest.Point{X: 300, Y: 250}, "before")
	bob.Shows("before")
	ada.Confirmed()

	server.Kill()
	ada.Says("reconnecting", "The server is out of reach")
	bob.Says("reconnecting", "The server is out of reach")
	ada.Add(browsertest.Point{X: 300, Y: 400}, "meanwhile")
	bob.Add(browsertest.Point{X: 600, Y: 400}, "elsewhere")
	ada.Until("it is marked as not confirmed", card("meanwhile")+`.classList.contains("unconfirmed")`)
	ada.Says("reconnecting", "2 changes wait in this window")
	bob.Do(`void setTimeout(() => location.reload())`) // there is no server to reload from
	server.Restart()

	ada.Live()
	ada.Confirmed()
	bob.Go(server.URL + "/board/plan")
	bob.Live()
	for _, text := range []string{"before", "meanwhile", "elsewhere"} {
		ada.Shows(text)
		bob.Shows(text)
	}
	ada.People(2)
	cleo := visit(browser.Person(t), server.URL+"/board/plan", "")
	cleo.Until("a third person sees the same", `document.querySelectorAll(".node").length === 3`)
}

// A server that keeps boards in memory forgets them when it ends, but the people who have one open bring it
// back: what they wrote last, and what they wrote meanwhile.
func memoryServerKilled(t *testing.T, browser *browsertest.Browser) {
	t.Helper()
	server := start(t)
	ada := visit(browser.Person(t), server.URL+"/board/plan", "Ada")
	bob := visit(browser.Person(t), server.URL+"/board/plan", "Bob")
	ada.Add(browsertest.Point{X: 300, Y: 250}, "one")
	bob.Shows("one")
	bob.Add(browsertest.Point{X: 600, Y: 250}, "two")
	ada.Confirmed()
	bob.Confirmed()
	server.Kill()
	ada.Says("reconnecting", "You can go on")
	ada.Add(browsertest.Point{X: 300, Y: 400}, "three")
	bob.Add(browsertest.Point{X: 600, Y: 400}, "four")
	server.Restart()
	agree(t, server, "plan", 4, ada, bob)
}

// A server that is asked to end says goodbye, and everybody comes back to the next one by themselves. I10
func serverStopped(t *testing.T, browser *browsertest.Browser) {
	t.Helper()
	server := start(t, onRedis(t, redis.Server(t))...)
	ada := visit(browser.Person(t), server.URL+"/board/plan", "Ada")
	ada.Add(browsertest.Point{X: 300, Y: 250}, "kept")
	server.Stop()
	ada.Says("reconnecting", "You can go on")
	server.Restart()
	ada.Live()
	ada.Shows("kept")
	ada.People(1)
}

// Two instances on one Redis behave as one: boards, people and pointers cross. I2, I5
func twoInstances(t *testing.T, browser *browsertest.Browser) {
	t.Helper()
	env := onRedis(t, redis.Server(t))
	one, two := start(t, env...), start(t, env...)
	ada := visit(browser.Person(t), one.URL+"/board/plan", "Ada")
	bob := visit(browser.Person(t), two.URL+"/board/plan", "Bob")
	ada.People(2)
	bob.People(2)
	ada.Add(browsertest.Point{X: 300, Y: 250}, "from one")
	bob.Shows("from one")
	bob.Add(browsertest.Point{X: 600, Y: 250}, "from two")
	ada.Shows("from two")
	bob.Move(browsertest.Point{X: 500, Y: 500})
	ada.Until("the pointer crosses", `document.querySelector(".cursor")?.textContent === "Bob"`)
	color := func(p page, name string) string {
		return browsertest.Read[string](p.Window, `[...document.querySelectorAll("#people li")].find((li) =>
			li.querySelector("b").textContent === "`+name+`").style.getPropertyValue("--color")`)
	}
	if a, b := color(ada, "Bob"), color(bob, "Bob"); a != b {
		t.Errorf("Bob is %s here and %s there", a, b)
	}
	ada.Press(ada.middle("from one"))
	ada.Drag(browsertest.Point{X: 310, Y: 300})
	ada.Drag(browsertest.Point{X: 320, Y: 420})
	bob.At("from one", browsertest.Point{X: 320, Y: 420})
	ada.Release(browsertest.Point{X: 320, Y: 420})
	bob.At("from one", browsertest.Point{X: 320, Y: 420})
}

// A second tab with a copy of the first one's memory is a participant of its own, and takes nothing away.
func duplicatedTab(t *testing.T, browser *browsertest.Browser) {
	t.Helper()
	server := start(t)
	ada := visit(browser.Person(t), server.URL+"/board/plan", "Ada")
	memory := browsertest.Read[string](ada.Window, `JSON.stringify(Object.entries(sessionStorage))`)
	tab := page{ada.Tab()}
	tab.Go(server.URL + "/web/icon.svg")
	tab.Do(`for (const [key, value] of ` + memory + `) sessionStorage.setItem(key, value)`)
	tab.Go(server.URL + "/board/plan")
	tab.Live()
	tab.People(2)
	ada.People(2)
	ada.Live()
}

// With tokens, people have the name and the colour that the server knows, and a viewer cannot write.
func tokens(t *testing.T, browser *browsertest.Browser) {
	t.Helper()
	server := start(t, "COLLAB_JWT_SECRET="+secret)
	address := func(user string, claims jwt.MapClaims) string {
		return server.URL + "/board/plan#token=" + token(t, user, claims)
	}
	ada := visit(browser.Person(t), address("ada", jwt.MapClaims{"name": "Ada"}), "")
	ada.Until("the token is gone from the address", `!location.hash`)
	ada.Add(browsertest.Point{X: 300, Y: 250}, "only Ada")
	viewer := visit(browser.Person(t), address("vic", jwt.MapClaims{
		"name": "Vic", "rooms": map[string]any{"plan": "viewer"},
	}), "")
	viewer.Shows("only Ada")
	viewer.Until("Ada has her name", `document.querySelector("#people").textContent.includes("Ada")`)
	viewer.Until("the tools are off", `document.querySelector("#add").disabled`)
	viewer.DoubleClick(browsertest.Point{X: 500, Y: 500})
	ada.Until("there is one card", `document.querySelectorAll(".node").length === 1`)

	stranger := page{browser.Person(t)}
	stranger.Go(server.URL + "/board/plan")
	stranger.Until("a stranger is told why", `document.querySelector("#notice").textContent.includes("token")`)
	shutOut := page{browser.Person(t)}
	shutOut.Go(address("eve", jwt.MapClaims{"rooms": map[string]any{"plan": "none"}}))
	shutOut.Until("who may not is told so", `document.querySelector("#notice").textContent.includes("may not")`)
}
