package flow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/memx"
	"github.com/fiberflow/flow/mergepatch"
)

// list is a reducer whose state is the array of all operations: whatever is missing, doubled or out of place is
// seen. It refuses "bad", and panics at "panic".
type list struct{}

func (list) Apply(state, op []byte) ([]byte, error) {
	switch string(op) {
	case `"bad"`:
		return nil, flow.Errorf(flow.CodeRejected, "bad is not for lists")
	case `"panic"`:
		panic("a bug in a reducer")
	}
	if state == nil {
		return append(append([]byte{'['}, op...), ']'), nil
	}
	next := append(append([]byte{}, state[:len(state)-1]...), ',')
	return append(append(next, op...), ']'), nil
}

// lists gives all rooms the reducer list.
func lists() []flow.Reduction { return []flow.Reduction{{Rooms: "*", Reducer: list{}}} }

// numbers returns what list makes of the operations from to to.
func numbers(from, to int) string {
	text := "["
	for i := from; i <= to; i++ {
		text += fmt.Sprint(i, ",")
	}
	return text[:len(text)-1] + "]"
}

// writeNumbers submits the numbers from to to, each an operation of its own.
func writeNumbers(t *testing.T, h *flow.Hub, room string, from, to int) {
	t.Helper()
	for from <= to {
		var batch []json.RawMessage
		for ; from <= to && len(batch) < 100; from++ {
			batch = append(batch, json.RawMessage(fmt.Sprint(from)))
		}
		if _, err := h.Submit(t.Context(), room, flow.User{ID: "ann"}, "", batch...); err != nil {
			t.Fatal(err)
		}
	}
}

func wantState(t *testing.T, h *flow.Hub, room, want string) {
	t.Helper()
	s, err := h.RoomState(t.Context(), room)
	if err != nil || string(s.Data) != want {
		t.Fatalf("state %.80s at %v, %v, want %.80s", s.Data, s.Position, err, want)
	}
}

// counting is a log that counts what is asked of it, and takes its time to answer.
type counting struct {
	*memx.Log

	latency                 time.Duration
	reads, snapshots, saves atomic.Int64
}

func (l *counting) Read(ctx context.Context, room string, q flow.Query) (flow.Page, error) {
	l.reads.Add(1)
	<-time.After(l.latency)
	return l.Log.Read(ctx, room, q)
}

func (l *counting) Snapshot(ctx context.Context, room string) (flow.Snapshot, error) {
	l.snapshots.Add(1)
	return l.Log.Snapshot(ctx, room)
}

func (l *counting) SaveSnapshot(ctx context.Context, room string, s flow.Snapshot) error {
	l.saves.Add(1)
	return l.Log.SaveSnapshot(ctx, room, s)
}

// The state is that at the head on every instance, while it is written and after the room was closed everywhere,
// when snapshot and tail are all there is.
func TestHub_RoomState(t *testing.T) {
	onCluster(t, flow.Config{Reductions: lists(), SnapshotEvery: 50}, func(t *testing.T, one, two *flow.Hub) {
		wantState(t, one, "r", "null")
		for i := range 6 {
			writeNumbers(t, one, "r", 100*i+1, 100*i+60)
			wantState(t, two, "r", numbers(1, 100*i+60)[:len(numbers(1, 100*i+60))])
			writeNumbers(t, two, "r", 100*i+61, 100*i+100)
			wantState(t, one, "r", numbers(1, 100*i+100))
		}
		eventually(t, "there is a snapshot", func() bool {
			s, err := one.Snapshot(t.Context(), "r")
			return err == nil && s.Position.Seq > 500
		})
	})
}

// Two instances that both want to make a snapshot make one.
func TestHub_SnapshotOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, bus := &counting{Log: memx.NewLog(memx.LogConfig{})}, memx.NewBus()
		cfg := flow.Config{Log: log, Bus: bus, Reductions: lists(), SnapshotEvery: 100, SnapshotInterval: time.Hour}
		one, two := open(t, cfg), open(t, cfg)
		for i := range 5 {
			wantState(t, two, "r", map[bool]string{true: "null", false: numbers(1, 100*i)}[i == 0])
			writeNumbers(t, one, "r", 100*i+1, 100*i+100)
			advance(time.Minute / 4)
		}
		if saves := log.saves.Load(); saves != 5 {
			t.Errorf("%d snapshots were made of 500 operations, want 5", saves)
		}
		if made := one.Stats().Snapshots + two.Stats().Snapshots; made != 5 {
			t.Errorf("%d snapshots were counted", made)
		}
		writeNumbers(t, one, "r", 501, 501)
		advance(20 * time.Second)
		if saves := log.saves.Load(); saves != 5 {
			t.Errorf("%d snapshots before there was a reason, want 5", saves)
		}
		closeHub(t, one)
		closeHub(t, two)
	})
}

// After a while a room gets a snapshot also of a few operations.
func TestHub_SnapshotInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, flow.Config{Reductions: lists(), SnapshotInterval: time.Minute})
		c := dial(t, h, "ann")
		c.join("r")
		writeNumbers(t, h, "r", 1, 3)
		advance(50 * time.Second)
		if _, err := h.Snapshot(t.Context(), "r"); flow.ErrorCode(err) != flow.CodeNotFound {
			t.Errorf("a snapshot before its time: %v", err)
		}
		advance(20 * time.Second)
		if s, err := h.Snapshot(t.Context(), "r"); err != nil || string(s.Data) != "[1,2,3]" {
			t.Errorf("snapshot %s, %v", s.Data, err)
		}
		c.drop()
		closeHub(t, h)
	})
}

// Without a reducer one editor in step is asked, another after a while, none of those who may only read; once a
// snapshot is there nobody is asked any more.
func TestHub_SnapshotWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, flow.Config{SnapshotEvery: 10, Authorize: vicMayRead})
		ann, bob, vic := dial(t, h, "ann"), dial(t, h, "bob"), dial(t, h, "vic")
		for _, c := range []*client{ann, bob, vic} {
			c.join("r")
		}
		writeNumbers(t, h, "r", 1, 9)
		advance(time.Second)
		asked := func() int { return ann.count("snapshot-wanted") + bob.count("snapshot-wanted") }
		if asked() != 0 {
			t.Fatal("asked before there is a reason")
		}
		writeNumbers(t, h, "r", 10, 10)
		advance(time.Second)
		if asked() != 1 {
			t.Fatalf("%d were asked, want one", asked())
		}
		advance(15 * time.Second)
		if ann.count("snapshot-wanted") != 1 || bob.count("snapshot-wanted") != 1 || vic.count("snapshot-wanted") != 0 {
			t.Fatalf("asked: ann %d, bob %d, vic %d, want both editors once", ann.count("snapshot-wanted"),
				bob.count("snapshot-wanted"), vic.count("snapshot-wanted"))
		}
		wanted := bob.expect("snapshot-wanted")
		at := wanted.str("position")
		got := bob.request(msg{"type": "snapshot", "room": "r", "position": at, "data": msg{"ten": true}})
		if got.str("type") != "ok" {
			t.Fatalf("snapshot answered %v", got)
		}
		advance(10 * time.Minute)
		if asked() != 2 {
			t.Errorf("%d were asked in all, want two", asked())
		}
		late := dial(t, h, "late")
		j := late.join("r")
		s, _ := j["snapshot"].(map[string]any)
		if j["resumed"] != false || s["position"] != at || j.str("position") != at {
			t.Errorf("a newcomer gets %v", j)
		}
		for _, c := range []*client{ann, bob, vic, late} {
			c.drop()
		}
		closeHub(t, h)
	})
}

// A reducer that refuses, or panics, has the operation rejected; the room lives, and the operator sees it.
func TestReducer_Fails(t *testing.T) {
	h := newHub(t, flow.Config{Reductions: lists()})
	c := dial(t, h, "ann")
	c.join("r")
	c.op("r", 1, "good")
	c.expect("op")
	for _, bad := range []string{"bad", "panic"} {
		c.op("r", 2, bad)
		if got := c.expect("nack"); got.str("code") != "rejected" || got.num("n") != 2 {
			t.Errorf("%s is answered %v", bad, got)
		}
	}
	c.op("r", 2, "fine")
	c.expect("op")
	wantState(t, h, "r", `["good","fine"]`)
	if h.Stats().ReducerFailures != 2 {
		t.Errorf("%d failures were counted, want 2", h.Stats().ReducerFailures)
	}
}

// What is in the log although the reducer refuses it has no effect, on any instance.
func TestReducer_FailsInLog(t *testing.T) {
	log := memx.NewLog(memx.LogConfig{})
	plain := open(t, flow.Config{Log: log})
	for _, data := range []string{`1`, `"bad"`, `2`, `"panic"`, `3`} {
		if _, err := plain.Submit(t.Context(), "r", flow.User{ID: "u"}, "", json.RawMessage(data)); err != nil {
			t.Fatal(err)
		}
	}
	closeHub(t, plain)
	wantState(t, newHub(t, flow.Config{Log: log, Reductions: lists()}), "r", "[1,2,3]")
}

// A hook sees the state, may refuse by it, and may put another operation in place, which everybody gets.
func TestConfig_OnOperationState(t *testing.T) {
	h := newHub(t, flow.Config{
		Reductions: []flow.Reduction{{Rooms: "*", Reducer: mergepatch.Reducer{}}},
		OnOperation: func(ctx context.Context, p *flow.Proposal) error {
			s, err := p.State(ctx)
			if err != nil {
				return err
			}
			var state, patch struct{ Seats int }
			if json.Unmarshal(s.Data, &state) != nil || json.Unmarshal(p.Data, &patch) != nil {
				return errors.New("not for this test")
			}
			if patch.Seats < state.Seats {
				return flow.Errorf(flow.CodeRejected, "seats only grow")
			}
			p.Data = fmt.Appendf(nil, `{"seats": %d, "by": %q}`, patch.Seats, p.User.ID)
			return nil
		},
	})
	ann, bob := dial(t, h, "ann"), dial(t, h, "bob")
	ann.join("r")
	bob.join("r")
	ann.op("r", 1, msg{"seats": 3})
	for _, c := range []*client{ann, bob} {
		if got := fmt.Sprint(c.expect("op")["data"]); got != "map[by:ann seats:3]" {
			t.Errorf("everybody gets %v", got)
		}
	}
	bob.op("r", 1, msg{"seats": 2})
	if got := bob.expect("nack"); got.str("code") != "rejected" || got.str("message") != "seats only grow" {
		t.Errorf("answered %v", got)
	}
	wantState(t, h, "r", `{"seats":3,"by":"ann"}`)
}

// A room at its limit can be made smaller, and go back to what was smaller; it cannot grow.
func TestReduction_MaxBytes(t *testing.T) {
	rules := []flow.Reduction{{Rooms: "*", Reducer: mergepatch.Reducer{}, MaxBytes: 100}}
	h := newHub(t, flow.Config{Reductions: rules})
	put := func(key string, size int) (flow.Submitted, flow.Code) {
		patch := fmt.Appendf(nil, `{%q:%q}`, key, strings.Repeat("x", size))
		s, err := h.Submit(t.Context(), "r", flow.User{ID: "ann"}, "", patch)
		return s, flow.ErrorCode(err)
	}
	small, code := put("a", 60)
	if code != "" {
		t.Fatal(code)
	}
	if _, code := put("b", 23); code != "" {
		t.Errorf("up to the limit: %s", code)
	}
	if _, code := put("c", 20); code != flow.CodeTooLarge {
		t.Errorf("beyond the limit: %q", code)
	}
	if _, code := put("a", 50); code != "" {
		t.Errorf("smaller: %s", code)
	}
	to, err := flow.ParsePosition(small.Position)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.RestoreRoom(t.Context(), "r", flow.User{ID: "ann"}, to); err != nil {
		t.Errorf("back to what was smaller: %v", err)
	}
	wantState(t, h, "r", fmt.Sprintf(`{"a":%q}`, strings.Repeat("x", 60)))
}
