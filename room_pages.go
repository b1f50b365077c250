package flow

import "time"

const (
	// How many pages of a room are kept for those who are behind at the same place, how large one may be for
	// that, and for how long nobody may have asked for it.
	sharedPages     = 8
	sharedPageBytes = 1 << 20
	sharedPageIdle  = 2 * time.Second
)

// sharedPage is a page of a log, with its frames, for all who are behind at the same place.
type sharedPage struct {
	after  Position
	done   chan struct{} // closed once it is read
	page   Page
	err    error
	frames []*Frame
	used   time.Time // the room's lock
}

// from returns the frames behind a position; ok is false when the page does not lead on from there. It must
// have been read.
func (p *sharedPage) from(at Position) (frames []*Frame, ok bool) {
	if p.err != nil || len(p.frames) == 0 || at.Seq < p.after.Seq || at.Seq >= p.after.Seq+uint64(len(p.frames)) {
		return nil, false
	}
	skip := at.Seq - p.after.Seq
	if skip == 0 {
		return p.frames, p.after == at
	}
	return p.frames[skip:], p.frames[skip-1].Position == at
}

// pageAfter returns the page of the log after a position. Those who ask at the same time, and a moment later,
// get the same one, but for those to whom the log has to say something now.
func (r *room) pageAfter(after Position, now bool) *sharedPage {
	if now {
		p := &sharedPage{after: after, done: make(chan struct{})}
		r.fetch(p)
		return p
	}
	r.mu.Lock()
	for _, p := range r.pages {
		select {
		case <-p.done:
			if _, ok := p.from(after); !ok {
				continue
			}
		default:
			if p.after != after {
				continue
			}
		}
		p.used = time.Now()
		r.mu.Unlock()
		<-p.done
		return p
	}
	p := &sharedPage{after: after, done: make(chan struct{}), used: time.Now()}
	r.pages = append(r.pages, p)
	r.stirLocked()
	if len(r.pages) > sharedPages {
		r.pages = append(r.pages[:0:0], r.pages[1:]...)
	}
	r.mu.Unlock()
	r.fetch(p)
	return p
}

// fetch reads a page.
func (r *room) fetch(p *sharedPage) {
	defer close(p.done)
	p.page, p.err = r.hub.cfg.Log.Read(r.hub.ctx, r.id, Query{After: p.after, Limit: readPage})
	size := 0
	if p.err == nil {
		p.frames = make([]*Frame, len(p.page.Operations))
		for i, op := range p.page.Operations {
			p.frames[i] = opFrame(r.id, op)
			size += len(p.frames[i].JSON)
		}
	}
	p.page.Operations = nil
	if p.err != nil || len(p.frames) == 0 || size > sharedPageBytes {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.unshareLocked(func(other *sharedPage) bool { return other == p })
	}
}

// unshareLocked keeps pages no longer.
func (r *room) unshareLocked(which func(*sharedPage) bool) {
	kept := r.pages[:0:0]
	for _, p := range r.pages {
		if !which(p) {
			kept = append(kept, p)
		}
	}
	r.pages = kept
}

// unshareIdle keeps pages no longer that nobody has asked for lately.
func (r *room) unshareIdle(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.pages) > 0 {
		r.unshareLocked(func(p *sharedPage) bool { return now.Sub(p.used) > sharedPageIdle })
	}
}
