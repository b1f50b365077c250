package handlers

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/fiberflow/flow"
)

// errUpgradeRequired answers a plain request to the socket. The contract has no code for it alone.
var errUpgradeRequired = errors.New("not a WebSocket handshake")

// failure is the body of every refused request.
type failure struct {
	Error struct {
		Code       flow.Code `json:"code"`
		Message    string    `json:"message"`
		RetryAfter int64     `json:"retryAfter,omitempty"` // milliseconds
	} `json:"error"`
}

// refuse answers with err, and logs what the client is not told.
func (e *endpoints) refuse(c *fiber.Ctx, err error) {
	if flow.ErrorCode(err) == flow.CodeInternal && !errors.Is(err, errUpgradeRequired) {
		path := strings.Clone(c.Path()) // a logger may write later, when another request has the memory
		e.config.Logger.Error("request failed", "method", strings.Clone(c.Method()), "path", path, "error", err)
	}
	writeError(c.Response(), err)
}

// writeError makes resp the contract's answer to err.
func writeError(resp *fasthttp.Response, err error) {
	var body failure
	body.Error.Code, body.Error.Message = flow.ErrorCode(err), flow.ErrorMessage(err)
	status := body.Error.Code.Status()
	if errors.Is(err, errUpgradeRequired) {
		status = fiber.StatusUpgradeRequired
		body.Error.Code, body.Error.Message = flow.CodeInvalidMessage, "this path is for WebSocket connections"
		resp.Header.Set(fiber.HeaderUpgrade, "websocket")
		resp.Header.Set("Sec-WebSocket-Version", "13")
	}
	if status == fiber.StatusUnauthorized {
		resp.Header.Set(fiber.HeaderWWWAuthenticate, "Bearer")
	}
	if wait := flow.ErrorRetryAfter(err); wait > 0 {
		body.Error.RetryAfter = max(1, wait.Milliseconds())
		resp.Header.Set(fiber.HeaderRetryAfter, strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10))
	}
	text, _ := json.Marshal(body) // strings and a number always marshal
	resp.SetStatusCode(status)
	resp.Header.SetContentType(fiber.MIMEApplicationJSON)
	resp.SetBodyRaw(text)
}
