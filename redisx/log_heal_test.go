package redisx_test

import (
	"errors"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/internal/redistest"
	"github.com/fiberflow/flow/redisx"
)

// healing is a log of six operations by a and b, and the keys it is kept in.
type healing struct {
	*testing.T

	client *redis.Client
	log    flow.Log
	key    string // what the names of the room's keys begin with
	lines  journal
	sent   []flow.Operation
}

// newHealing writes the log. A limit of 2 has its first four operations trimmed away.
func newHealing(t *testing.T, limit int) *healing {
	t.Helper()
	h := &healing{T: t, client: shared.Server(t).Client(t)}
	prefix := redistest.Prefix(t)
	h.key = prefix + ":{room}:"
	h.log = redisx.NewLog(open(t, redisx.Config{Prefix: prefix, OperationLimit: limit, Logger: h.lines.logger()}))
	for i := range uint64(6) {
		o := op([]string{"a", "b"}[i%2], i/2+1)
		p := confirm(t, h.log, "room", o.Session, o.N)
		o.Seq, o.Hash = p.Seq, p.Hash
		h.sent = append(h.sent, o)
	}
	return h
}

func (h *healing) damage(f func(p redis.Pipeliner)) {
	h.Helper()
	if _, err := h.client.Pipelined(h.Context(), func(p redis.Pipeliner) error {
		f(p)
		return nil
	}); err != nil {
		h.Fatalf("damage: %v", err)
	}
}

// want checks what the log has: the operations between two seqs, and the sessions' last n.
func (h *healing) want(base, head int, lastA, lastB uint64) flow.Page {
	h.Helper()
	var at flow.Position
	if base > 0 {
		at = h.sent[base-1].Position()
	}
	page, err := h.log.Read(h.Context(), "room", flow.Query{After: at, Limit: 10, Sessions: []string{"a"}})
	if err != nil {
		h.Fatalf("Read: %v", err)
	}
	if page.Base != at || page.Head != h.sent[head-1].Position() || len(page.Operations) != head-base {
		h.Errorf("base %v, head %v, %d operations, want %d to %d",
			page.Base, page.Head, len(page.Operations), base, head)
	}
	for i, o := range page.Operations {
		if want := h.sent[base+i]; o.Position() != want.Position() || string(o.Data) != string(want.Data) {
			h.Errorf("operation %+v, want %+v", o, want)
		}
	}
	b, err := h.log.Read(h.Context(), "room", flow.Query{After: at, Sessions: []string{"b"}})
	if err != nil || page.Last["a"] != lastA || b.Last["b"] != lastB {
		h.Errorf("last n %d and %d, %v, want %d and %d", page.Last["a"], b.Last["b"], err, lastA, lastB)
	}
	return page
}

// goesOn checks that the log takes operations, and their feed.
func (h *healing) goesOn(fence flow.Position, session string, n uint64) {
	h.Helper()
	batch := flow.Batch{Fence: fence, Operations: []flow.Operation{op(session, n)}}
	answers, err := h.log.Append(h.Context(), "room", batch)
	if err != nil || answers[0].Status != flow.Confirmed || answers[0].Seq != fence.Seq+1 {
		h.Errorf("Append = %+v, %v", answers, err)
	}
}

// A log that lost its head to an eviction is whole again with the next call, whichever that is: the same
// positions, operations and last n, and nobody has to settle (I1).
func TestLog_Heal_HeadMissing(t *testing.T) {
	for name, call := range map[string]func(h *healing, head flow.Position) error{
		"append": func(h *healing, head flow.Position) error {
			_, err := h.log.Append(h.Context(), "room", flow.Batch{Fence: head})
			return err
		},
		"restore": func(h *healing, head flow.Position) error {
			_, err := h.log.Append(h.Context(), "room", flow.Batch{Fence: head, Restore: true})
			return err
		},
		"read": func(h *healing, head flow.Position) error {
			_, err := h.log.Read(h.Context(), "room", flow.Query{After: head})
			return err
		},
		"snapshot": func(h *healing, _ flow.Position) error {
			_, err := h.log.Snapshot(h.Context(), "room")
			return err
		},
		"save": func(h *healing, head flow.Position) error {
			return h.log.SaveSnapshot(h.Context(), "room", flow.Snapshot{Position: head, Data: []byte("2")})
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHealing(t, 100)
			save(t, h.log, "room", h.sent[2].Position())
			h.damage(func(p redis.Pipeliner) { p.Del(t.Context(), h.key+"head") })
			if err := call(h, h.sent[5].Position()); err != nil {
				t.Fatalf("the call that mends: %v", err)
			}
			page := h.want(0, 6, 3, 3)
			if page.Restored != 0 || page.Snapshot.Seq < 3 {
				t.Errorf("%+v, want the snapshot, and nothing restored", page)
			}
			h.goesOn(page.Head, "a", 4)
			if n := h.lines.count("mended a log", "room=room", "dropped=0"); n != 1 {
				t.Errorf("%d lines about it, want 1:\n%s", n, &h.lines)
			}
			wantOneTTL(t, h.client, h.key)
		})
	}
}

// Of a trimmed log that lost its head the hash before the first operation is not known, so that one is
// given up; whoever has it, and knows more of the sessions, is told that it is wanted.
func TestLog_Heal_TrimmedHeadMissing(t *testing.T) {
	h := newHealing(t, 3)
	h.want(3, 6, 3, 3)
	h.damage(func(p redis.Pipeliner) { p.Del(t.Context(), h.key+"head") })
	if page := h.want(4, 6, 3, 3); page.Restored == 0 {
		t.Error("nobody is told that there is less than before")
	}
	_, err := h.log.Append(t.Context(), "room", flow.Batch{Operations: []flow.Operation{op("c", 1)}})
	if !errors.Is(err, flow.ErrSettling) {
		t.Errorf("Append = %v, want ErrSettling", err)
	}
	front := flow.Batch{
		Restore: true, Fence: h.sent[0].Position(), Operations: h.sent[1:4], Sessions: map[string]uint64{"a": 9},
	}
	if _, err := h.log.Append(t.Context(), "room", front); err != nil {
		t.Errorf("restore in front: %v", err)
	}
	h.want(1, 6, 9, 3)
}

// A log that lost its stream is missing: who knows it is told so, and writes it again at the same
// positions.
func TestLog_Heal_StreamMissing(t *testing.T) {
	h := newHealing(t, 100)
	r := follow(t, h.log, "room")
	save(t, h.log, "room", h.sent[2].Position())
	h.damage(func(p redis.Pipeliner) { p.Del(t.Context(), h.key+"ops") })
	before := r.gapsTold()
	_, err := h.log.Append(t.Context(), "room", flow.Batch{Fence: h.sent[5].Position()})
	if !errors.Is(err, flow.ErrNoLog) {
		t.Errorf("Append = %v, want ErrNoLog", err)
	}
	eventually(t, "the others are told", func() bool { return r.gapsTold() > before })
	batch := flow.Batch{Restore: true, Fence: h.sent[1].Position(), Operations: h.sent[2:]}
	if _, err := h.log.Append(t.Context(), "room", batch); err != nil {
		t.Fatalf("restore: %v", err)
	}
	if page := h.want(2, 6, 3, 3); page.Restored == 0 || page.Snapshot != h.sent[2].Position() {
		t.Errorf("%+v, want it restored, with its snapshot", page)
	}
}

// What does not follow the rest is given up, and what was lost is told to whoever may have it: nothing of
// what can be vouched for is (I1).
func TestLog_Heal_Partly(t *testing.T) {
	for name, c := range map[string]struct {
		damage       func(h *healing, p redis.Pipeliner)
		base, head   int
		lastA, lastB uint64
		restored     bool
	}{
		"hole": {func(h *healing, p redis.Pipeliner) { p.XDel(h.Context(), h.key+"ops", "2-0") }, 3, 6, 3, 3, true},
		"begin lost": {
			func(h *healing, p redis.Pipeliner) { p.XTrimMinID(h.Context(), h.key+"ops", "4-0") }, 4, 6, 3, 3, true,
		},
		"tail lost": {
			func(h *healing, p redis.Pipeliner) { p.XDel(h.Context(), h.key+"ops", "6-0") }, 0, 5, 3, 2, false,
		},
		"field lost": {
			func(h *healing, p redis.Pipeliner) { p.HDel(h.Context(), h.key+"head", "basehash") }, 0, 6, 3, 3, false,
		},
		"field unreadable": {
			func(h *healing, p redis.Pipeliner) { p.HSet(h.Context(), h.key+"head", "seq", "many") }, 0, 6, 3, 3, false,
		},
		"session lost with the head": {func(h *healing, p redis.Pipeliner) {
			p.HDel(h.Context(), h.key+"head", "seq", "s:b")
		}, 0, 6, 3, 3, false},
		"foreign entry": {func(h *healing, p redis.Pipeliner) {
			p.XAdd(h.Context(), &redis.XAddArgs{Stream: h.key + "ops", Values: []string{"x", "y"}})
		}, 0, 6, 3, 3, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHealing(t, 100)
			h.damage(func(p redis.Pipeliner) { c.damage(h, p) })
			page := h.want(c.base, c.head, c.lastA, c.lastB)
			if (page.Restored != 0) != c.restored {
				t.Errorf("restored at %d, want that: %v", page.Restored, c.restored)
			}
			if !c.restored {
				h.goesOn(page.Head, "a", c.lastA+1)
			}
		})
	}
}

// A stream that remembers more than it has takes operations again.
func TestLog_Heal_StreamAhead(t *testing.T) {
	h := newHealing(t, 100)
	h.damage(func(p redis.Pipeliner) {
		p.XDel(t.Context(), h.key+"ops", "6-0")
		p.HSet(t.Context(), h.key+"head", "seq", 5, "hash", h.sent[4].Hash.String(), "s:b", "2 1")
	})
	h.goesOn(h.sent[4].Position(), "b", 3)
	h.want(0, 6, 3, 3)
}

// What is not ours is left alone: a key of another kind makes the log corrupt for whoever appends or reads,
// and nothing is written.
func TestLog_Corrupt(t *testing.T) {
	for _, name := range []string{"head", "ops"} {
		t.Run(name, func(t *testing.T) {
			h := newHealing(t, 100)
			h.damage(func(p redis.Pipeliner) { p.Set(t.Context(), h.key+name, "x", 0) })
			prefix := h.key[:len(h.key)-len(":{room}:")]
			before := dump(t, h.client, prefix)
			_, err := h.log.Append(t.Context(), "room", flow.Batch{Operations: []flow.Operation{op("b", 1)}})
			if !errors.Is(err, flow.ErrCorrupt) {
				t.Errorf("Append = %v, want ErrCorrupt", err)
			}
			if _, err = h.log.Read(t.Context(), "room", flow.Query{Limit: 10}); !errors.Is(err, flow.ErrCorrupt) {
				t.Errorf("Read = %v, want ErrCorrupt", err)
			}
			if after := dump(t, h.client, prefix); after != before {
				t.Errorf("written over:\n%s\nbefore:\n%s", after, before)
			}
		})
	}
}
