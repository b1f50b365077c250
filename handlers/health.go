package handlers

import (
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/fiberflow/flow"
)

// subsystemView is a subsystem as everybody may see it; times are Unix milliseconds.
type subsystemView struct {
	Backend   string     `json:"backend"`
	State     flow.State `json:"state"`
	Since     int64      `json:"since"`
	LastProof int64      `json:"lastProof"`
}

// subsystemDetail is a subsystem as an admin sees it.
type subsystemDetail struct {
	subsystemView
	Address string `json:"address,omitempty"`
	Reason  string `json:"reason,omitempty"`  // of the outage
	Partial bool   `json:"partial,omitempty"` // a part of what is stored there is concerned
}

// live answers as long as the process can answer at all.
func (e *endpoints) live(r *request) error {
	return r.answer(fiber.StatusOK, fiber.Map{"status": "ok"})
}

// ready tells a balancer whether to send clients here. A degraded instance serves.
func (e *endpoints) ready(r *request) error {
	status, code := status(r.hub)
	return r.answer(code, struct {
		Status     string                   `json:"status"`
		Subsystems map[string]subsystemView `json:"subsystems"`
	}{status, subsystemViews(r.hub)})
}

func (e *endpoints) health(r *request) error {
	status, code := status(r.hub)
	return r.answer(code, struct {
		Status     string                     `json:"status"`
		Instance   string                     `json:"instance"`
		Subsystems map[string]subsystemDetail `json:"subsystems"`
	}{status, r.hub.Instance(), subsystemDetails(r.hub)})
}

func status(hub *flow.Hub) (text string, code int) {
	switch {
	case hub.Draining():
		return "draining", fiber.StatusServiceUnavailable
	case hub.State() == flow.Live:
		return "ok", fiber.StatusOK
	default:
		return "degraded", fiber.StatusOK
	}
}

func subsystemViews(hub *flow.Hub) map[string]subsystemView {
	views := make(map[string]subsystemView)
	for name, detail := range subsystemDetails(hub) {
		views[name] = detail.subsystemView
	}
	return views
}

func subsystemDetails(hub *flow.Hub) map[string]subsystemDetail {
	details := make(map[string]subsystemDetail)
	for _, s := range hub.Subsystems() {
		details[s.Name] = subsystemDetail{
			subsystemView: subsystemView{
				Backend: s.Backend, State: s.State,
				Since: unixMilli(s.Since), LastProof: unixMilli(s.LastProof),
			},
			Address: s.Address, Reason: s.Reason, Partial: s.Partial,
		}
	}
	return details
}

// unixMilli returns t on the wire; 0 for no time.
func unixMilli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}
