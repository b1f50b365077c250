package handlers

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/gofiber/fiber/v2"
)

// answer sends v as JSON. Opaque data inside v stays as it is: nothing is escaped for HTML.
func (r *request) answer(status int, v any) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	resp := r.c.Response()
	resp.SetStatusCode(status)
	resp.Header.SetContentType(fiber.MIMEApplicationJSON)
	resp.SetBodyRaw(bytes.TrimSuffix(buf.Bytes(), []byte("\n")))
	return nil
}

// done sends a status without a body.
func (r *request) done(status int) error {
	r.c.Response().SetStatusCode(status)
	return nil
}
