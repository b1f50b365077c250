package flow

import (
	"context"
	"path"
	"sync"
	"sync/atomic"
	"time"
)

// consumers runs the application's consumers on this instance. A hub without any has nil, which takes all
// calls and does nothing.
type consumers struct {
	hub    *Hub
	groups []*consumerGroup
	ctx    context.Context // of every Handle; ends at Close
	cancel context.CancelFunc
	work   sync.WaitGroup // the workers: a Handle that does not end must not keep the hub from closing

	unmarked atomic.Bool // marks of open rooms may be missing
}

func newConsumers(h *Hub) *consumers {
	if len(h.cfg.OnCommitted) == 0 {
		return nil
	}
	s := &consumers{hub: h}
	s.ctx, s.cancel = context.WithCancel(h.ctx)
	for _, c := range h.cfg.OnCommitted {
		s.groups = append(s.groups, &consumerGroup{
			Consumer: c, all: s, lease: "~group." + c.Group, errands: map[string]*errand{},
		})
	}
	return s
}

// start begins to consume. What it starts ends with the hub's context.
func (s *consumers) start() {
	if s == nil {
		return
	}
	s.hub.work.Go(s.tick)
	s.hub.work.Go(s.watch)
}

// of returns the groups that follow a room.
func (s *consumers) of(room string) []*consumerGroup {
	if s == nil {
		return nil
	}
	var groups []*consumerGroup
	for _, g := range s.groups {
		if ok, _ := path.Match(g.Rooms, room); ok || g.Rooms == "" {
			groups = append(groups, g)
		}
	}
	return groups
}

// tick ends the rests that are over.
func (s *consumers) tick() {
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	for {
		select {
		case now := <-ticker.C:
			for _, g := range s.groups {
				g.rouse(now)
			}
		case <-s.hub.ctx.Done():
			return
		}
	}
}

// stop begins nothing more, and ends the contexts of what is under way.
func (s *consumers) stop() {
	if s == nil {
		return
	}
	for _, g := range s.groups {
		g.close()
	}
	s.cancel()
}

// wait waits for what is under way until ctx ends, and gives the leases back.
func (s *consumers) wait(ctx context.Context) {
	if s == nil {
		return
	}
	ended := make(chan struct{})
	go func() { // ends with the last Handle
		s.work.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		s.hub.log.Error("a consumer does not end, although its context has: going on without it")
	}
	for _, g := range s.groups {
		g.releaseAll(ctx)
	}
}

// GroupStats are the figures of one group of consumers on one instance.
type GroupStats struct {
	Group      string
	Operations int64 // handled without an error
	Failures   int64 // errors and panics of Handle
}

func (s *consumers) stats() []GroupStats {
	if s == nil {
		return nil
	}
	all := make([]GroupStats, len(s.groups))
	for i, g := range s.groups {
		all[i] = GroupStats{Group: g.Group, Operations: g.operations.Load(), Failures: g.failures.Load()}
	}
	return all
}

// look returns whether a room is open here, the newest position of its log that this instance knows, and
// whether its log serves.
func (h *Hub) look(id string) (open bool, head Position, live bool) {
	live = h.cfg.Log.Health(id).State == Live
	r := h.peek(id)
	if r == nil {
		return false, Position{}, live
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.closed && !r.deleted, r.seq.head, live && (r.deleted || r.phase == phaseLive)
}
