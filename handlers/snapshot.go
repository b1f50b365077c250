package handlers

import (
	"encoding/json"

	"github.com/gofiber/fiber/v2"

	"github.com/fiberflow/flow"
)

func (e *endpoints) snapshot(r *request) error {
	s, err := r.hub.Snapshot(r.context(), r.room)
	if err != nil {
		return err
	}
	return r.answer(fiber.StatusOK, struct {
		Position string          `json:"position"`
		Data     json.RawMessage `json:"data"`
	}{s.Position.String(), s.Data})
}

func (e *endpoints) saveSnapshot(r *request) error {
	var (
		position string
		data     json.RawMessage
	)
	if err := r.fields(map[string]any{"position": &position, "data": &data}); err != nil {
		return err
	}
	if data == nil {
		return flow.Errorf(flow.CodeInvalidMessage, "data is missing")
	}
	at, err := flow.ParsePosition(position)
	if err != nil {
		return err
	}
	if err := r.hub.SaveSnapshot(r.context(), r.room, flow.Snapshot{Position: at, Data: data}); err != nil {
		return err
	}
	return r.done(fiber.StatusNoContent)
}

// state answers with the room's state at the head. It takes a reducer to compute one, and no hub has
// any yet.
func (e *endpoints) state(*request) error {
	return flow.Errorf(flow.CodeNotFound, "no reducer is configured")
}
