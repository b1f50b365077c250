package main

import (
	"encoding/json"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/golang-jwt/jwt/v5"

	"github.com/fiberflow/flow/internal/browsertest"
	"github.com/fiberflow/flow/internal/redistest"
)

// picture is a board as people make them.
const picture = `{"nodes": {
	"1": {"x": 64, "y": 190, "text": "Sign up", "color": "blue"},
	"2": {"x": 320, "y": 190, "text": "Verify e-mail", "color": "blue"},
	"3": {"x": 584, "y": 112, "text": "Create a workspace", "color": "violet"},
	"4": {"x": 584, "y": 268, "text": "Join by invitation", "color": "violet"},
	"5": {"x": 584, "y": 424, "text": "Pick a template", "color": "teal"},
	"6": {"x": 872, "y": 424, "text": "First board", "color": "green"},
	"7": {"x": 320, "y": 424, "text": "Invite the team", "color": "amber"},
	"8": {"x": 64, "y": 512, "text": "Reminder after three quiet days", "color": "rose"}
}, "edges": {
	"a": {"from": "1", "to": "2"}, "b": {"from": "2", "to": "3"}, "c": {"from": "2", "to": "4"},
	"d": {"from": "4", "to": "5"}, "e": {"from": "5", "to": "6"}, "f": {"from": "5", "to": "7"},
	"g": {"from": "7", "to": "8"}
}}`

// The picture of the README is what the page shows: it is made here, as artifacts/board.png, whenever the
// tests run.
func drawPicture(t *testing.T, browser *browsertest.Browser) {
	t.Helper()
	server := start(t, "COLLAB_JWT_SECRET="+secret)
	ada, grace, alan := threePeople(t, browser, server)
	alan.Click(alan.middle("Invite the team"))
	alan.Move(browsertest.Point{X: 452, Y: 498})
	card := grace.middle("First board")
	grip, to := browsertest.Point{X: card.X + 40, Y: card.Y + 14}, browsertest.Point{X: card.X + 56, Y: card.Y + 78}
	grace.Press(grip)
	grace.Drag(browsertest.Point{X: to.X - 9, Y: to.Y})
	grace.Drag(to)
	ada.At("First board", browsertest.Point{X: card.X + 16, Y: card.Y + 64})
	ada.Click(ada.middle("Create a workspace"))
	ada.Until("both pointers are there", `document.querySelectorAll(".cursor").length === 2`)
	ada.Confirmed()
	ada.Still()
	ada.Screenshot(browsertest.Artifact(t, "board.png"))
	grace.Release(to)
}

// The picture of the guide to outages, artifacts/outage.png: the same board while Redis is away.
func drawOutage(t *testing.T, browser *browsertest.Browser) {
	t.Helper()
	database := redistest.Start(t)
	server := start(t, append(onRedis(t, database), "COLLAB_JWT_SECRET="+secret)...)
	ada, grace, alan := threePeople(t, browser, server)
	database.Kill(t)
	grace.Add(browsertest.Point{X: 950, Y: 345}, "Ask what they need")
	alan.Add(browsertest.Point{X: 700, Y: 540}, "Thank them")
	alan.Move(browsertest.Point{X: 660, Y: 580})
	ada.Click(ada.middle("Pick a template"))
	ada.ClickWith(ada.middle("Ask what they need"), chromedp.ModifierShift)
	ada.Key("c")
	ada.Key(kb.Escape)
	ada.Press(browsertest.Point{X: 480, Y: 600}) // the board makes room for the banner
	ada.Drag(browsertest.Point{X: 480, Y: 630})
	ada.Drag(browsertest.Point{X: 480, Y: 656})
	ada.Release(browsertest.Point{X: 480, Y: 656})
	ada.Says("degraded", "1 change of yours and 4 of others")
	ada.Until("the marks are there", `document.querySelectorAll(".unconfirmed").length === 3`)
	ada.Still()
	ada.Screenshot(browsertest.Artifact(t, "outage.png"))
}

// threePeople opens a board that is well filled in three windows.
func threePeople(t *testing.T, browser *browsertest.Browser, server *instance) (ada, grace, alan page) {
	t.Helper()
	enter := func(user, name string) page {
		address := server.URL + "/board/onboarding#token=" + token(t, user, jwt.MapClaims{"name": name})
		return visit(browser.Person(t), address, name)
	}
	ada = enter("user-1", "Ada Lovelace") // the ids give everybody a colour of their own
	grace = enter("user-3", "Grace Hopper")
	alan = enter("alan-turing", "Alan Turing")
	quoted, err := json.Marshal(picture)
	if err != nil {
		t.Fatal(err)
	}
	ada.Do(`import("/web/board.js").then(({ room }) => void room.submit(JSON.parse(` + string(quoted) + `)))`)
	for _, p := range []page{ada, grace, alan} {
		p.Shows("Reminder after three quiet days")
		p.Edges(7)
		p.Confirmed()
	}
	return ada, grace, alan
}
