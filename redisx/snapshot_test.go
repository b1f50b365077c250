package redisx_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/redisx"
)

// between is a hook of a client that does something right after a snapshot was written beside the stored
// one, before it is read back.
type between struct {
	counter

	staged func()
}

func (b *between) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		if answer, ok := cmd.(*redis.Cmd); ok && answer.Val() == "STAGED" {
			b.staged()
		}
		return err
	}
}

// saving is a room with five operations and a snapshot at the third, where something happens between the
// two steps of the next that is saved.
type saving struct {
	*healing

	other *redisx.Log // without the hook
}

// newSaving has staged called after each first step.
func newSaving(t *testing.T, staged func(s *saving)) *saving {
	t.Helper()
	h := newHealing(t, 100)
	s := &saving{healing: h}
	server := shared.Server(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	t.Cleanup(func() { _ = client.Close() })
	client.AddHook(&between{staged: func() { staged(s) }})
	prefix := strings.TrimSuffix(h.key, ":{room}:")
	h.log = redisx.NewLog(open(t, redisx.Config{Client: client, Prefix: prefix, Logger: h.lines.logger()}))
	s.other = redisx.NewLog(open(t, redisx.Config{Prefix: prefix, Logger: h.lines.logger()}))
	s.put(s.other, 3, `"good"`)
	return s
}

func (s *saving) at(seq int) flow.Position { return s.sent[seq-1].Position() }

func (s *saving) put(l flow.Log, seq int, data string) {
	s.Helper()
	snapshot := flow.Snapshot{Position: s.at(seq), Data: []byte(data)}
	if err := l.SaveSnapshot(s.Context(), "room", snapshot); err != nil {
		s.Errorf("SaveSnapshot at %d: %v", seq, err)
	}
}

// stored checks the snapshot, as another instance reads it.
func (s *saving) stored(seq int, data string) {
	s.Helper()
	got, err := s.other.Snapshot(s.Context(), "room")
	if err != nil || got.Position != s.at(seq) || string(got.Data) != data {
		s.Errorf("the snapshot is %q at %v, %v, want %q at %d", got.Data, got.Position, err, data, seq)
	}
}

// candidates returns the names of the snapshots that wait to be read back.
func (s *saving) candidates() []string {
	s.Helper()
	names, err := s.client.HKeys(s.Context(), s.key+"snap~").Result()
	if err != nil {
		s.Fatalf("HKeys: %v", err)
	}
	return names
}

// A snapshot that is cut short, changed or lost on its way never takes the place of a good one: it is sent
// again, and with no success the good one stays and the caller is told.
func TestLog_SaveSnapshot_damaged(t *testing.T) {
	t.Parallel()
	damages := map[string]func(s *saving, name string) error{
		"cut short": func(s *saving, name string) error {
			return s.client.HSet(s.Context(), s.key+"snap~", name, `"ne`).Err()
		},
		"changed": func(s *saving, name string) error {
			return s.client.HSet(s.Context(), s.key+"snap~", name, `"now"`).Err()
		},
		"lost": func(s *saving, _ string) error { return s.client.Del(s.Context(), s.key+"snap~").Err() },
		"another type": func(s *saving, _ string) error {
			return s.client.Set(s.Context(), s.key+"snap~", "x", 0).Err()
		},
	}
	for name, damage := range damages {
		for _, times := range []int{1, 100} {
			t.Run(fmt.Sprintf("%s %d times", name, times), func(t *testing.T) {
				t.Parallel()
				done := 0
				s := newSaving(t, func(s *saving) {
					if done++; done > times {
						return
					}
					if err := damage(s, s.candidates()[0]); err != nil {
						s.Errorf("damage: %v", err)
					}
				})
				err := s.log.SaveSnapshot(t.Context(), "room", flow.Snapshot{Position: s.at(5), Data: []byte(`"new"`)})
				if times == 1 {
					if err != nil {
						t.Errorf("SaveSnapshot: %v", err)
					}
					s.stored(5, `"new"`)
					return
				}
				wantCode(t, err, flow.CodeUnavailable)
				s.stored(3, `"good"`)
				s.put(s.other, 4, `"next"`)
				s.stored(4, `"next"`)
			})
		}
	}
}

// What an instance leaves behind that crashes between the steps is never read, ends by itself, and is no
// obstacle to the next (I7).
func TestLog_SaveSnapshot_crash(t *testing.T) {
	t.Parallel()
	var crash context.CancelFunc
	s := newSaving(t, func(*saving) { crash() })
	ctx, cancel := context.WithCancel(t.Context())
	crash = cancel
	err := s.log.SaveSnapshot(ctx, "room", flow.Snapshot{Position: s.at(5), Data: []byte(`"half"`)})
	if err == nil {
		t.Error("SaveSnapshot went on")
	}
	s.stored(3, `"good"`)
	if page, err := s.other.Read(t.Context(), "room", flow.Query{}); err != nil || page.Snapshot != s.at(3) {
		t.Errorf("Page.Snapshot = %v, %v, want the good one", page.Snapshot, err)
	}
	left := s.candidates()
	if ttl := s.client.PTTL(t.Context(), s.key+"snap~").Val(); len(left) != 1 || ttl <= 0 {
		t.Errorf("%d candidates with a TTL of %v, want one that ends", len(left), ttl)
	}
	s.put(s.other, 6, `"next"`)
	s.stored(6, `"next"`)
	if left := s.candidates(); len(left) != 0 {
		t.Errorf("%v is left of what was older", left)
	}
}

// Between the steps the room may move on: what was saved meanwhile and is newer stays, and nothing comes
// back into a room that was deleted or begun anew.
func TestLog_SaveSnapshot_overtaken(t *testing.T) {
	t.Parallel()
	t.Run("newer", func(t *testing.T) {
		t.Parallel()
		s := newSaving(t, func(s *saving) { s.put(s.other, 6, `"newer"`) })
		s.put(s.log, 5, `"new"`)
		s.stored(6, `"newer"`)
	})
	t.Run("deleted", func(t *testing.T) {
		t.Parallel()
		s := newSaving(t, func(s *saving) {
			if err := s.other.Delete(s.Context(), "room"); err != nil {
				s.Errorf("Delete: %v", err)
			}
		})
		err := s.log.SaveSnapshot(t.Context(), "room", flow.Snapshot{Position: s.at(5), Data: []byte(`"new"`)})
		wantCode(t, err, flow.CodeRoomDeleted)
		if n := s.client.Exists(t.Context(), s.key+"snap", s.key+"snap~").Val(); n != 0 {
			t.Errorf("%d keys of snapshots are left", n)
		}
	})
	t.Run("begun anew", func(t *testing.T) {
		t.Parallel()
		s := newSaving(t, func(s *saving) {
			s.damage(func(p redis.Pipeliner) { p.Del(s.Context(), s.key+"head", s.key+"ops") })
			confirm(s, s.other, "room", "somebody else", 1)
		})
		err := s.log.SaveSnapshot(t.Context(), "room", flow.Snapshot{Position: s.at(5), Data: []byte(`"new"`)})
		wantCode(t, err, flow.CodeDiverged)
		_, err = s.other.Snapshot(t.Context(), "room")
		wantCode(t, err, flow.CodeNotFound)
	})
}

// A stored snapshot that was damaged is nobody's state: it is dropped, which one line tells however many
// read it at once, the log stays as it is, and the next is saved like the first.
func TestLog_Snapshot_damaged(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(h *healing, p redis.Pipeliner){
		"data changed": func(h *healing, p redis.Pipeliner) { p.HSet(h.Context(), h.key+"snap", "data", `"bad"`) },
		"data empty":   func(h *healing, p redis.Pipeliner) { p.HSet(h.Context(), h.key+"snap", "data", "") },
		"data lost":    func(h *healing, p redis.Pipeliner) { p.HDel(h.Context(), h.key+"snap", "data") },
		"digest lost":  func(h *healing, p redis.Pipeliner) { p.HDel(h.Context(), h.key+"snap", "digest") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSaving(t, func(*saving) {})
			s.damage(func(p redis.Pipeliner) { damage(s.healing, p) })
			var readers sync.WaitGroup
			for range 8 {
				readers.Go(func() {
					_, err := s.other.Snapshot(t.Context(), "room")
					wantCode(t, err, flow.CodeNotFound)
				})
			}
			readers.Wait()
			if n := s.lines.count("level=ERROR", "room=room", "damaged"); n != 1 {
				t.Errorf("%d lines about it, want 1:\n%s", n, &s.lines)
			}
			if page := s.want(0, 6, 3, 3); page.Snapshot != (flow.Position{}) {
				t.Errorf("Page.Snapshot = %v, want none", page.Snapshot)
			}
			s.put(s.log, 3, `"again"`)
			s.stored(3, `"again"`)
		})
	}
}
