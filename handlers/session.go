package handlers

import (
	"encoding/json"

	"github.com/gofiber/fiber/v2"

	"github.com/fiberflow/flow"
)

// sessionView is a session as an admin, or its user, sees it.
type sessionView struct {
	Session  string          `json:"session"`
	Room     string          `json:"room"`
	User     string          `json:"user"`
	Profile  flow.Profile    `json:"profile"`
	Presence json.RawMessage `json:"presence"`
	Joined   int64           `json:"joined"`
	Instance string          `json:"instance,omitempty"` // where its socket is
}

func viewSession(s flow.Session) sessionView {
	presence := json.RawMessage(s.Presence)
	if presence == nil {
		presence = json.RawMessage("{}")
	}
	return sessionView{
		Session: s.ID, Room: s.Room, User: s.User.ID, Profile: s.User.Profile(),
		Presence: presence, Joined: s.Joined, Instance: s.Instance,
	}
}

func (e *endpoints) userSessions(r *request) error {
	user, err := r.pathUser()
	if err != nil {
		return err
	}
	after, limit, err := r.page()
	if err != nil {
		return err
	}
	list, err := r.hub.UserSessions(r.context(), user, after, limit)
	if err != nil {
		return err
	}
	views := make([]sessionView, len(list))
	for i, s := range list {
		views[i] = viewSession(s)
	}
	return r.answer(fiber.StatusOK, struct {
		Sessions []sessionView `json:"sessions"`
		Next     string        `json:"next,omitempty"`
	}{views, next(list, limit, func(s flow.Session) string { return s.ID })})
}

func (e *endpoints) kick(r *request) error {
	session, err := r.param("session")
	if err != nil {
		return err
	}
	if !validSession(session) {
		return flow.Errorf(flow.CodeNotFound, "there is no such session")
	}
	if err := r.hub.Kick(r.context(), r.room, session); err != nil {
		return err
	}
	return r.done(fiber.StatusNoContent)
}

// validSession reports whether a session can have the id: letters and digits, as the hub makes them. Others need
// not be looked for, here or on other instances.
func validSession(id string) bool {
	for i := range len(id) {
		if c := id[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return len(id) >= 1 && len(id) <= 64
}

func (e *endpoints) kickUser(r *request) error {
	user, err := r.pathUser()
	if err != nil {
		return err
	}
	if err := r.hub.KickUser(r.context(), user); err != nil {
		return err
	}
	return r.done(fiber.StatusNoContent)
}
