package handlers

import (
	"net"
	"strings"

	fasthttpws "github.com/fasthttp/websocket"
	"github.com/gofiber/contrib/websocket"
	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/fiberflow/flow"
)

// bearerPrefix goes before a token that is offered as a sub-protocol, as browsers can set no header.
const bearerPrefix = "flow.bearer."

// roomForHello is what the answer to an upgrade takes as a rule.
const roomForHello = 384

// handshake is what is known of a socket before it is one.
type handshake struct {
	hub    *flow.Hub
	client flow.Client // without a user: a first message says who it is
	server server
	chunk  int // the most bytes of one write
}

// upgrade answers GET /ws.
func (e *endpoints) upgrade(r *request) (err error) {
	if panicked := e.stage.doOrHere(func() { err = e.upgradeHere(r) }); panicked != nil {
		return panicked
	}
	return err
}

// upgradeHere is upgrade on a stack that is deep. Whatever is refused is refused before the upgrade.
func (e *endpoints) upgradeHere(r *request) error {
	c := r.c
	if !websocket.IsWebSocketUpgrade(c) {
		return errUpgradeRequired
	}
	if !r.originAllowed() {
		return flow.Errorf(flow.CodeForbidden, "the origin is not allowed")
	}
	server := serverOf(c)
	if r.hub.Draining() || server.stopping() {
		return errDraining()
	}
	identity := r.identity()
	offered, token, err := subProtocols(c)
	if err != nil {
		return err
	}
	identity.Token = token
	user, err := r.hub.Identify(r.context(), identity)
	if err != nil {
		return err
	}
	client := r.client(user)
	if err := r.hub.Admit(client); err != nil {
		return err
	}
	shake := &handshake{hub: r.hub, client: client, server: server, chunk: chunkOf(c)}
	return takeOver(c, offered, func(conn net.Conn, hello func() []byte) { e.runSocket(conn, hello, shake) })
}

func errDraining() error {
	return &flow.Error{Code: flow.CodeUnavailable, Message: "the server is going away", RetryAfter: coarse}
}

// chunkOf returns how much may be written to the connection at once.
func chunkOf(c *fiber.Ctx) int {
	if c.Context().IsTLS() {
		return secureChunk
	}
	return largeBuffer
}

// subProtocols reads what the client offers: the protocol itself, and at most one token.
func subProtocols(c *fiber.Ctx) (flowOffered bool, token string, err error) {
	tokens := 0
	for _, line := range c.Request().Header.PeekAll(fasthttp.HeaderSecWebSocketProtocol) {
		for offer := range strings.SplitSeq(string(line), ",") {
			offer = strings.TrimSpace(offer)
			flowOffered = flowOffered || offer == flow.Protocol
			if bearer, ok := strings.CutPrefix(offer, bearerPrefix); ok {
				token = bearer
				tokens++
			}
		}
	}
	if tokens > 1 || (tokens == 1 && !validBearer(token)) {
		return false, "", flow.Errorf(flow.CodeUnauthenticated, "the offered token is malformed")
	}
	return flowOffered, token, nil
}

// validBearer reports whether the token is written in base64url, "." and "~" only.
func validBearer(token string) bool {
	for i := range len(token) {
		switch c := token[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '-', c == '_', c == '.', c == '~':
		default:
			return false
		}
	}
	return token != ""
}

// takeOver upgrades a request, and has run serve its connection; hello returns the answer, which goes ahead of
// all that run writes. It is to be called once, and forgets the request. Compression is never negotiated, and
// there is no switch for it: a frame of 60 KB may stand for 60 MB, and each compressor takes 800 KB.
//
// The socket needs nothing of contrib's connection, nor of the one inside of it: without them and their five
// maps it is 1.6 KB smaller. The answer in one write with the first message saves 8 us of a connect.
func takeOver(c *fiber.Ctx, flowOffered bool, run func(conn net.Conn, hello func() []byte)) error {
	ctx := c.Context()
	dropBody(&ctx.Request)
	ctx.Request.Header.Del(fasthttp.HeaderSecWebSocketProtocol) // no token may come back
	upgrader := fasthttpws.FastHTTPUpgrader{
		CheckOrigin: func(*fasthttp.RequestCtx) bool { return true }, // checked before, with an answer of ours
	}
	if flowOffered {
		ctx.Request.Header.Set(fasthttp.HeaderSecWebSocketProtocol, flow.Protocol)
		upgrader.Subprotocols = []string{flow.Protocol}
	}
	if upgrader.Upgrade(ctx, nil) != nil {
		return errUpgradeRequired
	}
	ctx.HijackSetNoResponse(true)
	hello := func() []byte {
		defer shed(ctx)
		return ctx.Response.Header.AppendBytes(make([]byte, 0, roomForHello))
	}
	ctx.Hijack(func(conn net.Conn) { run(conn, hello) })
	return nil
}

// shed frees what is known of a request, cookies and tokens included: its context stays in memory as long as
// its socket. With a browser's headers that is 8 KB.
func shed(ctx *fasthttp.RequestCtx) {
	ctx.ResetUserValues() // which closes those that can be closed
	ctx.Request = fasthttp.Request{}
	ctx.Response = fasthttp.Response{}
}

// dropBody frees what a client has sent behind a request that needs no body: it could be as large as Fiber
// lets it be, and would be kept as long as the connection.
func dropBody(req *fasthttp.Request) {
	req.RemoveMultipartFormFiles()
	req.ReleaseBody(0)
}
