package handlers

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/fiberflow/flow"
)

const (
	// maxSubmit is how many operations one POST may carry.
	maxSubmit = 100
	// maxKey is the longest Idempotency-Key.
	maxKey = 200
)

func (e *endpoints) operations(r *request) error {
	after, limit, err := r.page()
	if err != nil {
		return err
	}
	query, err := parseAfter(after)
	if err != nil {
		return err
	}
	query.Limit = limit
	page, err := r.hub.Operations(r.context(), r.room, query)
	if after == "" && flow.ErrorCode(err) == flow.CodeTrimmed { // from the first one kept
		query.After = page.Base
		page, err = r.hub.Operations(r.context(), r.room, query)
	}
	if flow.ErrorCode(err) == flow.CodeDiverged && query.After.Seq > page.Head.Seq {
		err, page.Operations = nil, nil // beyond the head is a page without operations
	}
	if err != nil {
		return err
	}
	position := page.Head
	if n := len(page.Operations); n > 0 {
		position = page.Operations[n-1].Position()
	}
	return r.answer(fiber.StatusOK, struct {
		Operations []flow.Operation `json:"operations"`
		Position   string           `json:"position"`
		Head       string           `json:"head"`
	}{entries(page.Operations), position.String(), page.Head.String()})
}

// parseAfter reads where a page begins: a position, or a seq alone.
func parseAfter(text string) (flow.Query, error) {
	if text == "" {
		return flow.Query{Unchecked: true}, nil
	}
	if strings.Contains(text, ":") {
		p, err := flow.ParsePosition(text)
		return flow.Query{After: p}, err
	}
	seq, err := strconv.ParseUint(text, 10, 53)
	if err != nil {
		return flow.Query{}, flow.Errorf(flow.CodeInvalidMessage, "after must be a seq or a position")
	}
	return flow.Query{After: flow.Position{Seq: seq}, Unchecked: true}, nil
}

func (e *endpoints) submit(r *request) error {
	key := strings.Clone(r.c.Get("Idempotency-Key"))
	if len(key) > maxKey {
		return flow.Errorf(flow.CodeInvalidMessage, "Idempotency-Key has more than "+strconv.Itoa(maxKey)+" bytes")
	}
	data, err := r.submitted()
	if err != nil {
		return err
	}
	if err := r.pay(data...); err != nil {
		return err
	}
	result, err := r.hub.Submit(r.context(), r.room, r.user, key, data...)
	if err != nil {
		return err
	}
	if result.Queued {
		return r.answer(fiber.StatusAccepted, result)
	}
	return r.answer(fiber.StatusCreated, result)
}

// submitted returns the data of the operations in the body.
func (r *request) submitted() ([]json.RawMessage, error) {
	body, err := r.body(r.hub.Config().Limits.MessageBytes)
	if err != nil {
		return nil, err
	}
	return decodeSubmitted(body)
}

func decodeSubmitted(body []byte) ([]json.RawMessage, error) {
	var list []json.RawMessage
	if err := decodeObject(body, map[string]any{"operations": &list}); err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, flow.Errorf(flow.CodeInvalidMessage, "operations is missing or empty")
	}
	if len(list) > maxSubmit {
		return nil, flow.Errorf(flow.CodeTooLarge, "more than "+strconv.Itoa(maxSubmit)+" operations")
	}
	data := make([]json.RawMessage, len(list))
	for i, text := range list {
		if err := decodeObject(text, map[string]any{"data": &data[i]}); err != nil {
			return nil, err
		}
		if data[i] == nil {
			return nil, flow.Errorf(flow.CodeInvalidMessage, "data is missing")
		}
	}
	return data, nil
}
