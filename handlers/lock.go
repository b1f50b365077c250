package handlers

import (
	"github.com/gofiber/fiber/v2"

	"github.com/fiberflow/flow"
)

// locks lists the locks of a room that are in force.
func (e *endpoints) locks(r *request) error {
	locks, err := r.hub.Locks(r.context(), r.room)
	if err != nil {
		return err
	}
	return r.answer(fiber.StatusOK, struct {
		Locks []flow.Lock `json:"locks"`
	}{entries(locks)})
}
