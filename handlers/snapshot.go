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
	return r.showSnapshot(s)
}

func (r *request) showSnapshot(s flow.Snapshot) error {
	return r.answer(fiber.StatusOK, struct {
		Position string          `json:"position"`
		Data     json.RawMessage `json:"data"`
	}{s.Position.String(), s.Data})
}

func (e *endpoints) saveSnapshot(r *request) error {
	const envelope = 256 // what stands around the data
	body, err := r.body(r.hub.Config().SnapshotBytes + envelope)
	if err != nil {
		return err
	}
	s, err := decodeSnapshot(body)
	if err != nil {
		return err
	}
	if err := r.hub.AllowMessages(r.client(&r.user), r.room, 0, len(s.Data)); err != nil {
		return err
	}
	if err := r.hub.SaveSnapshot(r.context(), r.room, s); err != nil {
		return err
	}
	return r.done(fiber.StatusNoContent)
}

func decodeSnapshot(body []byte) (flow.Snapshot, error) {
	var (
		position string
		data     json.RawMessage
	)
	if err := decodeObject(body, map[string]any{"position": &position, "data": &data}); err != nil {
		return flow.Snapshot{}, err
	}
	if data == nil {
		return flow.Snapshot{}, flow.Errorf(flow.CodeInvalidMessage, "data is missing")
	}
	at, err := flow.ParsePosition(position)
	return flow.Snapshot{Position: at, Data: data}, err
}

// state answers with the room's state at the head.
func (e *endpoints) state(r *request) error {
	s, err := r.hub.RoomState(r.context(), r.room)
	if err != nil {
		return err
	}
	return r.showSnapshot(s)
}

// restore brings the room's state back to what it was at a position.
func (e *endpoints) restore(r *request) error {
	var position string
	if err := r.fields(map[string]any{"position": &position}); err != nil {
		return err
	}
	to, err := flow.ParsePosition(position)
	if err != nil {
		return err
	}
	result, err := r.hub.RestoreRoom(r.context(), r.room, r.user, to)
	switch {
	case err != nil:
		return err
	case result.Queued:
		return r.answer(fiber.StatusAccepted, result)
	case len(result.Operations) == 0: // it is like that already
		return r.answer(fiber.StatusOK, result)
	}
	return r.answer(fiber.StatusCreated, result)
}
