package flow_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/memx"
)

// halfLog is a log on two nodes, one of which can go away: the one with the room "dead".
type halfLog struct{ *awayLog }

func (l halfLog) on(room string) flow.Log {
	if room == "dead" {
		return l.awayLog
	}
	return l.Log
}

func (l halfLog) Append(ctx context.Context, room string, b flow.Batch) ([]flow.Appended, error) {
	return l.on(room).Append(ctx, room, b)
}

func (l halfLog) Read(ctx context.Context, room string, q flow.Query) (flow.Page, error) {
	return l.on(room).Read(ctx, room, q)
}

func (l halfLog) Health(room string) flow.Health {
	if room != "" {
		return l.on(room).Health(room)
	}
	health := l.awayLog.Health("")
	health.Partial = health.State != flow.Live
	return health
}

// A node that is away degrades its rooms only, and says so to their members only.
func TestHub_PartialOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := halfLog{&awayLog{Log: memx.NewLog(memx.LogConfig{})}}
		h, err := flow.New(memory(flow.Config{Log: log}))
		if err != nil {
			t.Fatal(err)
		}
		a, b := dial(t, h, "ann"), dial(t, h, "bob")
		a.join("dead")
		b.join("fine")
		log.set(true, false)
		advance(time.Second)
		if got := a.expect("state"); got.str("room") != "dead" || got.str("state") != "degraded" {
			t.Errorf("state is %v", got)
		}
		if h.Subsystems()[2].State != flow.Degraded {
			t.Error("operators see nothing")
		}
		a.op("dead", 1, 1)
		a.expect("queued")
		b.op("fine", 1, 1)
		b.expect("op")
		if j := b.join("dead"); j.str("state") != "degraded" {
			t.Errorf("joined is %v", j)
		}
		b.request(msg{"type": "leave", "room": "dead"})
		log.set(false, false)
		a.expect("op")
		live := func(m msg) bool { return m.str("type") == "state" && m.str("state") == "live" }
		if got := a.find(live); got.str("room") != "dead" || got.str("scope") != "all" {
			t.Errorf("state is %v", got)
		}
		if n := b.count("state"); n > 0 {
			t.Errorf("bob was told %d states", n)
		}
		a.drop()
		b.drop()
		if err := h.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
}
