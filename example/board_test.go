package main

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/fiberflow/flow/internal/browsertest"
)

// One browser serves all cases, because starting it takes as long as most of them. What each guarantees
// stands over its function.
func TestBoard(t *testing.T) {
	browser := browsertest.Start(t)
	for name, run := range map[string]func(*testing.T, *browsertest.Browser){
		"two people": twoPeople, "keyboard": keyboard, "one writer": oneWriter, "hostile content": hostileContent,
		"hostile people": hostilePeople,
		"duplicated tab": duplicatedTab, "tokens": tokens, "two instances": twoInstances,
		"server killed": serverKilled, "server stopped": serverStopped, "memory server killed": memoryServerKilled,
		"redis killed": redisKilled, "redis killed, changes refused": redisKilledReject,
		"redis emptied": redisEmptied, "redis and server emptied": allEmptied,
		"redis with another history": redisForked, "redis of sessions killed": redisOfSessionsKilled,
		"view of the model": modelView, "picture": drawPicture,
		"picture of an outage": drawOutage,
	} {
		t.Run(name, func(t *testing.T) { run(t, browser) })
	}
}

// page is a board in a window, with the words of its users.
type page struct {
	*browsertest.Window
}

// visit opens a board and waits until it is live.
func visit(w *browsertest.Window, url, name string) page {
	p := page{w}
	p.Go(url)
	p.Live()
	if name != "" {
		p.Name(name)
	}
	return p
}

func (p page) Live() {
	p.Until("the board is live", `document.querySelector("#status").dataset.state === "live" &&
		document.querySelector("#status").textContent === "Live"`)
}

// Says waits until the status is the given one and the banner contains the words.
func (p page) Says(status, words string) {
	p.Until("the status is "+status, `document.querySelector("#status").dataset.state === "`+status+`"`)
	p.Until("the banner says "+words, `((banner) => !banner.hidden && banner.textContent.includes(`+
		strconv.Quote(words)+`))(document.querySelector("#banner"))`)
}

// Still waits until nothing moves any more.
func (p page) Still() {
	p.Until("nothing moves any more", `document.getAnimations().every((a) => a.playState !== "running")`)
}

// Room lets expressions use the room of the page, as window.room.
func (p page) Room() { p.Do(`import("/web/board.js").then(({ room }) => { window.room = room; })`) }

// Confirmed waits until nothing waits to be confirmed, and nothing is marked so: the marks come with the next frame.
func (p page) Confirmed() {
	p.Room()
	p.Until("everything is confirmed", `window.room.pending.length === 0 && !document.querySelector(".unconfirmed")`)
}

func (p page) Name(name string) {
	p.Do(`document.querySelector("#name").focus()`)
	p.Do(`document.querySelector("#name").select()`)
	p.Type(name)
	p.Do(`document.querySelector("#name").blur()`)
}

// Add creates a card with a double click and writes on it.
func (p page) Add(at browsertest.Point, text string) {
	p.DoubleClick(at)
	p.Until("a text field is open", `document.activeElement.matches("textarea")`)
	p.Type(text)
	p.Type(kb.Enter)
	p.Shows(text)
}

// card is an expression for the element of the card with a text.
func card(text string) string {
	return fmt.Sprintf(`[...document.querySelectorAll(".node")].find((n) =>
		n.querySelector(".text").textContent === %s)`, strconv.Quote(text))
}

func (p page) Shows(text string) { p.Until("there is a card "+text, card(text)) }

func (p page) Lacks(text string) { p.Until("there is no card "+text, "!"+card(text)) }

func (p page) Edges(n int) {
	p.count(n, ".edge")
}

func (p page) People(n int) {
	p.count(n, "#people li")
}

func (p page) count(n int, selector string) {
	p.Until(fmt.Sprintf("there are %d of %s", n, selector),
		fmt.Sprintf(`document.querySelectorAll(%q).length === %d`, selector, n))
}

// middle is where to click on a card.
func (p page) middle(text string) browsertest.Point { return p.middleOf(card(text)) }

// middleOf is where to click on an element.
func (p page) middleOf(element string) browsertest.Point {
	return browsertest.Read[browsertest.Point](p.Window,
		`(({ x, y, width, height }) => ({ X: x + width / 2, Y: y + height / 2 }))(`+element+`.getBoundingClientRect())`)
}

// At waits until the middle of a card stands at a point, give or take a pixel.
func (p page) At(text string, at browsertest.Point) {
	p.Until(fmt.Sprintf("card %s is at %v", text, at), fmt.Sprintf(`(({ x, y, width, height }) =>
		Math.hypot(x + width / 2 - %g, y + height / 2 - %g) < 2)(%s.getBoundingClientRect())`, at.X, at.Y, card(text)))
}

// Two people see everything that the other does, while it happens and after it. I2, I5
func twoPeople(t *testing.T, browser *browsertest.Browser) {
	t.Helper()
	server := start(t)
	ada := visit(browser.Person(t), server.URL+"/board/plan", "Ada")
	bob := visit(browser.Person(t), server.URL+"/board/plan", "Bob")
	ada.People(2)
	bob.Until("Ada is listed", `document.querySelector("#people").textContent.includes("Ada")`)
	ada.Until("the board says that it is empty", `!document.querySelector("#hint").hidden`)

	createAndPoint(ada, bob)
	drag(t, server, ada, bob)
	connectCards(ada, bob)
	renameAndDelete(ada, bob)

	// After a reload everything is there, and nobody has become two. Who leaves is gone from the list.
	ada.Reload()
	ada.Live()
	ada.Shows("Verify e-mail")
	ada.Lacks("Sign up")
	bob.People(2)
	bob.Go("about:blank")
	ada.People(1)
}

// A card that one creates is there for the other, and pointers are seen with the name on them.
func createAndPoint(ada, bob page) {
	ada.Add(browsertest.Point{X: 300, Y: 250}, "Sign up")
	bob.Shows("Sign up")
	bob.Add(browsertest.Point{X: 640, Y: 250}, "Verify e-mail")
	ada.Shows("Verify e-mail")
	bob.Move(browsertest.Point{X: 500, Y: 500})
	ada.Until("Bob's pointer is where he points", `(({ x, y }) => Math.hypot(x - 500, y - 500) < 4)(
		document.querySelector(".cursor").getBoundingClientRect())`)
	ada.Until("the pointer has his name", `document.querySelector(".cursor").textContent === "Bob"`)
}

// A drag is seen while it happens, and written once.
func drag(t *testing.T, server *instance, ada, bob page) {
	t.Helper()
	to := browsertest.Point{X: 330, Y: 420}
	before := confirmed(t, server, "plan")
	ada.Press(ada.middle("Sign up"))
	ada.Drag(browsertest.Point{X: 320, Y: 300})
	ada.Drag(to)
	bob.At("Sign up", to)
	bob.Until("he sees who moves it", card("Sign up")+`.querySelector(".holder").textContent === "Ada"`)
	if during := confirmed(t, server, "plan"); during != before {
		t.Errorf("%d operations were written during the drag", during-before)
	}
	ada.Release(to)
	bob.At("Sign up", to)
	ada.Confirmed()
	if after := confirmed(t, server, "plan"); after != before+1 {
		t.Errorf("the drag took %d operations, want 1", after-before)
	}
}

// Connecting: from the handle of one card to another, or two selected cards and C.
func connectCards(ada, bob page) {
	target := ada.middle("Verify e-mail")
	ada.Press(ada.middleOf(card("Sign up") + `.querySelector(".handle")`))
	ada.Drag(browsertest.Point{X: 500, Y: 300})
	ada.Drag(target)
	ada.Release(target)
	bob.Edges(1)
	bob.Add(browsertest.Point{X: 900, Y: 450}, "Welcome")
	bob.Click(bob.middle("Verify e-mail"))
	bob.ClickWith(bob.middle("Welcome"), chromedp.ModifierShift)
	bob.Key("c")
	ada.Edges(2)
}

// Renaming with a double click, deleting with a key or the button: connections go with their cards.
func renameAndDelete(ada, bob page) {
	bob.DoubleClick(bob.middle("Welcome"))
	bob.Until("a text field is open", `document.activeElement.matches("textarea")`)
	bob.Type("First board" + kb.Enter)
	ada.Shows("First board")
	ada.Click(ada.middle("First board"))
	ada.Key(kb.Delete)
	bob.Lacks("First board")
	bob.Edges(1)
	bob.Click(bob.middle("Sign up"))
	bob.Until("the button is on", `!document.querySelector("#remove").disabled`)
	bob.Click(bob.middleOf(`document.querySelector("#remove")`))
	ada.Lacks("Sign up")
	ada.Edges(0)
}

// A card on which somebody writes shows who, cannot be opened by others, and can be when that one is done.
func oneWriter(t *testing.T, browser *browsertest.Browser) {
	t.Helper()
	server := start(t)
	ada := visit(browser.Person(t), server.URL+"/board/writers", "Ada")
	bob := visit(browser.Person(t), server.URL+"/board/writers", "Bob")
	for _, p := range []page{ada, bob} {
		p.Room()
	}
	ada.Add(browsertest.Point{X: 300, Y: 250}, "Sign up")
	bob.Shows("Sign up")
	bob.Until("its text is done", locked(0))
	ada.DoubleClick(ada.middle("Sign up"))
	ada.Until("she has the lock", locked(1))
	bob.Until("he sees who writes", card("Sign up")+`.querySelector(".holder").textContent === "Ada is writing"`)
	bob.Until("who cannot see it is told", card("Sign up")+`.getAttribute("aria-label").endsWith("Ada is writing")`)
	bob.Until("the lock is known", locked(1))
	bob.DoubleClick(bob.middle("Sign up"))
	bob.Until("he is told why he cannot", `((notice) => !notice.hidden && notice.textContent.includes(
		"Ada is writing on this card"))(document.querySelector("#notice"))`)
	bob.Until("no text field is open", `!document.querySelector("textarea")`)
	bob.Still()
	bob.Screenshot(browsertest.Artifact(t, "writer.png"))

	ada.Type("Register" + kb.Enter)
	bob.Shows("Register")
	bob.Until("nobody has the lock", locked(0))
	bob.DoubleClick(bob.middle("Register"))
	bob.Until("a text field is open", `document.activeElement.matches("textarea")`)
	bob.Until("he has the lock", locked(1))
	ada.Click(ada.middle("Register"))
	ada.Key(kb.Delete)
	bob.Lacks("Register")
	bob.Until("a card that is gone is not locked", locked(0))
}

// locked is an expression that says whether there are so many locks on the board of window.room.
func locked(n int) string {
	return fmt.Sprintf(`window.room?.locks.size === %d`, n)
}

// Everything works without a mouse.
func keyboard(t *testing.T, browser *browsertest.Browser) {
	t.Helper()
	server := start(t)
	ada := visit(browser.Person(t), server.URL+"/?room=keys", "")
	ada.Key("n")
	ada.Until("a text field is open", `document.activeElement.matches("textarea")`)
	ada.Type("One" + kb.Enter)
	ada.Shows("One")
	ada.Key("n")
	ada.Until("a text field is open", `document.activeElement.matches("textarea")`)
	ada.Type("Two" + kb.Enter)
	ada.Shows("Two")
	ada.Key("c")
	ada.Until("a target is asked for", `document.body.classList.contains("connecting")`)
	ada.Do(card("One") + `.focus({ focusVisible: true })`)
	ada.Key(kb.Enter)
	ada.Edges(1)
	from := ada.middle("One")
	ada.Do(card("One") + `.focus({ focusVisible: true })`)
	ada.Key(kb.ArrowDown)
	ada.Key(kb.ArrowDown)
	ada.At("One", browsertest.Point{X: from.X, Y: from.Y + 16})
	ada.Key(kb.F2)
	ada.Until("a text field is open", `document.activeElement.matches("textarea")`)
	ada.Type("Uno" + kb.Enter)
	ada.Shows("Uno")
	ada.Key(kb.Escape)
	ada.Do(`document.querySelector(".edge").focus({ focusVisible: true })`)
	ada.Key(kb.Delete)
	ada.Edges(0)

	bob := visit(browser.Person(t), server.URL+"/board/keys", "")
	bob.Shows("Uno")
	bob.Shows("Two")
	bob.Edges(0)
}

// What people write is text wherever it is shown, and what programs write cannot break the page.
func hostileContent(t *testing.T, browser *browsertest.Browser) {
	t.Helper()
	const hostile = `<img src=x onerror="document.title='owned'"><b>`
	server := start(t)
	ada := visit(browser.Person(t), server.URL+"/board/bad", hostile)
	ada.Add(browsertest.Point{X: 300, Y: 250}, hostile)
	ada.Move(browsertest.Point{X: 400, Y: 400})
	bob := visit(browser.Person(t), server.URL+"/board/bad", "")
	bob.Until("the name is shown as it was typed",
		`[...document.querySelectorAll("#people b")].some((b) => b.textContent === `+strconv.Quote(hostile[:40])+`)`)
	bob.Until("the pointer, too", `document.querySelector(".cursor span").textContent === `+strconv.Quote(hostile[:40]))
	bob.Shows(hostile)

	for _, patch := range []string{
		`{"nodes":{"a":{"x":"0","y":[],"text":7}},"edges":{"e":{"from":"a","to":null},"f":5},"more":1}`,
		`{"nodes":{"b":{"x":1e308,"y":-1e308,"text":"far","color":"red;background:url(//x)"}}}`,
		`{"nodes":{"__proto__":{"x":1,"y":1,"text":"proto"},"constructor":{"x":9,"y":9,"text":"ctor"}}}`,
		`{"nodes":{"c":null},"edges":{"g":{"from":"__proto__","to":"toString"}}}`,
	} {
		post(t, server, "bad", patch)
	}
	bob.Shows("ctor")
	bob.Shows("proto")
	bob.Edges(0)
	bob.Until("no image came to be", `!document.querySelector("#nodes img, #people img, #cursors img")`)
	bob.Until("nothing ran", `!document.title.includes("owned")`)
}
