package main

import (
	"encoding/json"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/fiberflow/flow/internal/browsertest"
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
	enter := func(user, name string) page {
		address := server.URL + "/board/onboarding#token=" + token(t, user, jwt.MapClaims{"name": name})
		return visit(browser.Person(t), address, name)
	}
	ada := enter("user-1", "Ada Lovelace") // the ids give everybody a colour of their own
	grace := enter("user-3", "Grace Hopper")
	alan := enter("alan-turing", "Alan Turing")
	quoted, err := json.Marshal(picture)
	if err != nil {
		t.Fatal(err)
	}
	ada.Do(`import("/web/board.js").then(({ room }) => void room.submit(JSON.parse(` + string(quoted) + `)))`)
	for _, p := range []page{ada, grace, alan} {
		p.Shows("Reminder after three quiet days")
		p.Edges(7)
	}
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
	ada.Until("everything is confirmed", `!document.querySelector(".unconfirmed")`)
	ada.Until("nothing moves any more", `document.getAnimations().every((a) => a.playState !== "running")`)
	ada.Screenshot(browsertest.Artifact(t, "board.png"))
	grace.Release(to)
}
