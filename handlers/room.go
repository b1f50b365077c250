package handlers

import (
	"github.com/gofiber/fiber/v2"

	"github.com/fiberflow/flow"
)

func (e *endpoints) rooms(r *request) error {
	after, limit, err := r.page()
	if err != nil {
		return err
	}
	rooms, err := r.hub.Rooms(r.context(), after, limit)
	if err != nil {
		return err
	}
	return r.answer(fiber.StatusOK, struct {
		Rooms []flow.RoomInfo `json:"rooms"`
		Next  string          `json:"next,omitempty"`
	}{entries(rooms), next(rooms, limit, func(i flow.RoomInfo) string { return i.Room })})
}

func (e *endpoints) room(r *request) error {
	info, err := r.hub.Room(r.context(), r.room)
	if err != nil {
		return err
	}
	return r.answer(fiber.StatusOK, info)
}

func (e *endpoints) deleteRoom(r *request) error {
	if err := r.hub.DeleteRoom(r.context(), r.room); err != nil {
		return err
	}
	return r.done(fiber.StatusNoContent)
}
