package handlers_test

import (
	"context"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/browsertest"
)

// An operator types the token in and sees what the instance does, live; names are shown as text. The
// policy is not violated: the window would complain.
func TestDashboard_browser(t *testing.T) {
	const name = `<img src=x onerror="document.title='owned'">`
	s := start(t, options{hub: func(c *flow.Config) { c.Instance = name }})
	window := browsertest.Start(t).Person(t)
	window.Go(s.base + "/dashboard")
	window.Until("it asks for a token", `document.getElementById("notice").textContent.includes("required")`)
	window.Do(`document.getElementById("token").focus()`)
	window.Type(adminToken)
	window.Do(`document.querySelector("#access button").click()`)
	window.Until("the instance is shown", `document.getElementById("instance").textContent.startsWith("<img")`)
	window.Until("three subsystems live", `document.querySelectorAll('td[data-state="live"]').length === 3`)
	s.join(t, "as-ann", "r")
	window.Until("the socket is counted", `document.querySelector("#counts dd").textContent === "1"`)
	if title := browsertest.Read[string](window, `document.title`); title != "flow: this instance" {
		t.Errorf("title %q", title)
	}
	window.Screenshot(browsertest.Artifact(t, "dashboard.png"))
}

// During an outage the page says in sentences what is away and why, and how much waits; they go when it
// is over.
func TestDashboard_outage(t *testing.T) {
	log := newFaultyLog()
	s := start(t, options{hub: log.use})
	s.post(t, "", "1").wantStatus(t, http.StatusCreated)
	window := browsertest.Start(t).Person(t)
	window.Go(s.base + "/dashboard")
	window.Do(`document.getElementById("token").focus()`)
	window.Type(adminToken)
	window.Do(`document.querySelector("#access button").click()`)
	const trouble = `document.getElementById("trouble").innerText`
	window.Until("three subsystems live", `document.querySelectorAll('td[data-state="live"]').length === 3`)
	if text := browsertest.Read[string](window, trouble); text != "" {
		t.Errorf("without a fault the page says %q", text)
	}
	log.become(flow.Degraded)
	s.post(t, "", "2").wantQueued(t)
	window.Until("it says why ordering is away",
		trouble+`.includes("ordering: redis is away (no answer in time); people on this instance go on together")`)
	window.Until("it says what waits", trouble+`.includes("1 operation waits in this instance's memory")`)
	window.Until("it counts what waits", `document.querySelector("#outage dd").textContent === "1"`)
	window.Screenshot(browsertest.Artifact(t, "dashboard-outage.png"))
	log.become(flow.Live)
	window.Until("it says nothing any more", `document.querySelectorAll('td[data-state="live"]').length === 3 && `+
		trouble+` === ""`)
}

// hostileText is what an operator's page may be given to show.
const hostileText = `<script>owned=1</script><img src=x onerror=owned=1>"><svg onload=owned=1>' onfocus=owned=1 ` +
	`javascript:owned=1 {{owned=1}} ${owned=1} __proto__ </p></title>` + "\u202Edenwo\u2067\u200B"

// hostileLog says of itself what could be code.
type hostileLog struct{ *faultyLog }

func (l hostileLog) Health(room string) flow.Health {
	health := l.faultyLog.Health(room)
	health.Backend, health.Address = hostileText, hostileText
	if health.Reason != "" {
		health.Reason = hostileText
	}
	return health
}

// Errors, names of instances and backends and the reasons of outages are text on the operators' page: nothing of
// them runs, makes an element, or turns the words behind it.
func TestDashboard_hostile(t *testing.T) {
	log := hostileLog{newFaultyLog()}
	s := start(t, options{hub: func(c *flow.Config) {
		c.Log, c.Instance = log, hostileText[:60]
		c.Admin = func(context.Context, flow.Request) (bool, error) {
			return false, flow.Errorf(flow.CodeForbidden, hostileText)
		}
	}})
	window := browsertest.Start(t).Person(t)
	window.Go(s.base + "/dashboard")
	quoted := strconv.Quote(hostileText)
	window.Until("the refusal is text", `document.getElementById("notice").textContent === `+quoted)
	window.Do(`document.getElementById("token").focus()`)
	window.Type(adminToken)
	window.Do(`document.querySelector("#access button").click()`)
	window.Until("the instance is text",
		`document.getElementById("instance").textContent === `+strconv.Quote(hostileText[:60]))
	window.Until("the backend is text", `document.querySelectorAll("#subsystems td")[6].textContent === `+quoted)
	log.become(flow.Degraded)
	shown := strconv.Quote("(" + hostileText[:strings.Index(hostileText, "\u202E")] + "denwo\u200B); people")
	window.Until("the reason is text", `document.getElementById("trouble").textContent.includes(`+shown+`)`)
	window.Until("nothing ran", `!("owned" in window) && Object.keys(Object.prototype).length === 0 &&
		!document.body.querySelector("script, img, svg, iframe, style") && document.title === "flow: this instance"`)
}

// The operators' page cannot be framed, runs no code but its own file, and puts no text into markup.
func TestDashboard_page(t *testing.T) {
	s := start(t, options{})
	page := s.call(t, http.MethodGet, "/dashboard", adminToken, "").wantStatus(t, http.StatusOK)
	policy := page.header.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, part) {
			t.Errorf("policy %q lacks %s", policy, part)
		}
	}
	if strings.Contains(policy, "unsafe") || page.header.Get("X-Frame-Options") != "DENY" {
		t.Errorf("headers %v", page.header)
	}
	inline := regexp.MustCompile(`(?i)<script[^>]*>[^<]|<style|\son\w+=|\sstyle=|javascript:|https?://`)
	if found := inline.Find(page.body); found != nil {
		t.Errorf("the page has %q", found)
	}
	for _, match := range regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllSubmatch(page.body, -1) {
		s.call(t, http.MethodGet, "/"+string(match[1]), "", "").wantStatus(t, http.StatusOK)
	}
	script := s.call(t, http.MethodGet, "/dashboard.js", "", "").body
	for _, risky := range []string{"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("} {
		if strings.Contains(string(script), risky) {
			t.Errorf("the script uses %s", risky)
		}
	}
	slash := s.call(t, http.MethodGet, "/dashboard/", adminToken, "").wantStatus(t, http.StatusOK)
	if string(slash.body) != string(page.body) {
		t.Error("with a slash behind, the page is another")
	}
}

// Without the admin's token the page is refused; a browser gets it as the body of the refusal, to ask for
// the token there.
func TestDashboard_refused(t *testing.T) {
	s := start(t, options{})
	s.call(t, http.MethodGet, "/dashboard", "", "").wantError(t, http.StatusUnauthorized, flow.CodeUnauthenticated)
	s.call(t, http.MethodGet, "/dashboard", "as-ann", "").wantError(t, http.StatusForbidden, flow.CodeForbidden)
	page := s.call(t, http.MethodGet, "/dashboard", "", "", "Accept", "text/html,*/*").
		wantStatus(t, http.StatusUnauthorized)
	if !strings.Contains(string(page.body), `id="token"`) || page.header.Get("Content-Security-Policy") == "" {
		t.Errorf("a browser gets %s with %v", page.body, page.header)
	}
}
