package handlers

import (
	"github.com/gofiber/fiber/v2"

	"github.com/fiberflow/flow"
)

func (e *endpoints) participants(r *request) error {
	after, limit, err := r.page()
	if err != nil {
		return err
	}
	list, err := r.hub.Participants(r.context(), r.room, after, limit)
	if err != nil {
		return err
	}
	return r.answer(fiber.StatusOK, struct {
		Participants []flow.Participant `json:"participants"`
		Next         string             `json:"next,omitempty"`
	}{entries(list), next(list, limit, func(p flow.Participant) string { return p.Session })})
}
