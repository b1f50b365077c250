package handlers

import (
	_ "embed" // the operators' page is part of the program
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/fiberflow/flow"
)

//go:embed dashboard/dashboard.html
var dashboardPage string

//go:embed dashboard/dashboard.js
var dashboardScript string

//go:embed dashboard/dashboard.css
var dashboardStyle string

// pagePolicy lets a page use what comes from here, and nothing else use the page. No text becomes markup or
// code, whatever a script does with it.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
	"require-trusted-types-for 'script'; trusted-types 'none'"

// dashboardFiles are the page for operators. It knows nothing: it asks GET /stats, with the token that
// the operator types in.
type dashboardFiles struct{ html, js, css asset }

func newDashboardFiles() dashboardFiles {
	html := newAsset(dashboardPage, "text/html; charset=utf-8")
	html.policy = pagePolicy
	return dashboardFiles{
		html: html,
		js:   newAsset(dashboardScript, "text/javascript; charset=utf-8"),
		css:  newAsset(dashboardStyle, "text/css; charset=utf-8"),
	}
}

// page is for admins. A browser cannot send a token with a link, so one that is refused gets the page as
// the body of the refusal, and asks for the token there.
func (f dashboardFiles) page(r *request) error {
	refused := r.hub.RequireAdmin(r.context(), r.identity())
	if refused != nil && !strings.Contains(r.c.Get(fiber.HeaderAccept), fiber.MIMETextHTML) {
		return refused
	}
	if strings.HasSuffix(r.c.Path(), "/") { // what the page links to stands beside it
		return r.c.Redirect("../dashboard", fiber.StatusPermanentRedirect)
	}
	if refused != nil {
		f.html.protect(r.c)
		r.c.Status(flow.ErrorCode(refused).Status()).Response().Header.SetContentType(f.html.contentType)
		return r.c.Send(f.html.content)
	}
	return f.html.serve(r)
}

func (f dashboardFiles) script(r *request) error { return f.js.serve(r) }
func (f dashboardFiles) style(r *request) error  { return f.css.serve(r) }
