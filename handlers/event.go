package handlers

import (
	"encoding/json"

	"github.com/gofiber/fiber/v2"

	"github.com/fiberflow/flow"
)

func (e *endpoints) publish(r *request) error {
	event, err := r.event()
	if err != nil {
		return err
	}
	if err := r.pay(event.Data); err != nil {
		return err
	}
	if err := r.hub.Publish(r.context(), r.room, event); err != nil {
		return err
	}
	return r.done(fiber.StatusAccepted)
}

func (e *endpoints) publishUser(r *request) error {
	user, err := r.pathUser()
	if err != nil {
		return err
	}
	event, err := r.event()
	if err != nil {
		return err
	}
	if event.To != nil {
		return flow.Errorf(flow.CodeInvalidMessage, "to is in the path already")
	}
	if err := r.hub.PublishUser(r.context(), user, event); err != nil {
		return err
	}
	return r.done(fiber.StatusAccepted)
}

// event decodes the body of a published event. The hub checks what it says.
func (r *request) event() (flow.Event, error) {
	body, err := r.body(r.hub.Config().Limits.MessageBytes)
	if err != nil {
		return flow.Event{}, err
	}
	return decodeEvent(body)
}

func decodeEvent(body []byte) (flow.Event, error) {
	var (
		event flow.Event
		to    json.RawMessage
	)
	if err := decodeObject(body, map[string]any{"name": &event.Name, "data": &event.Data, "to": &to}); err != nil {
		return flow.Event{}, err
	}
	if to == nil {
		return event, nil
	}
	event.To = &flow.Target{}
	err := decodeObject(to, map[string]any{"session": &event.To.Session, "user": &event.To.User})
	return event, err
}
