package flow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"
)

const (
	groupLease   = 15 * time.Second // how long a lease of a group lasts
	groupRenew   = 5 * time.Second  // how old it is when it is renewed
	groupLinger  = 10 * time.Second // how long it is kept when nothing is new
	groupPause   = time.Second      // while the log is away, and after a first failure
	groupLongest = time.Minute      // the longest pause after a failure
	// groupDoubt is how long others have to write again what the log lost, before a group goes back.
	groupDoubt = 4 * SettleWindow
)

// errLeaseLost is the cause that ends a Handle whose room another instance may be working at.
var errLeaseLost = errors.New("flow: the lease of the room is lost")

// turn does the next step of an errand: it hands over one stretch at most.
func (g *consumerGroup) turn(e *errand) rest {
	h := g.all.hub
	open, head, live := h.look(e.room)
	if !live {
		return rest{span: groupPause, deaf: true}
	}
	if open && e.lost && g.done(e, head) {
		return rest{over: true}
	}
	if err := g.hold(h.ctx, e, head, time.Now()); err != nil {
		return g.refused(e, err)
	}
	if e.unsaved { // nothing more before that is noted: only one stretch may come again
		if err := g.save(e); err != nil && ErrorCode(err) != CodeDiverged {
			return g.fail(e, "noting how far a consumer has come failed", err)
		}
	}
	c, end, err := g.read(e)
	switch {
	case ErrorCode(err) == CodeRoomDeleted:
		return rest{over: true}
	case err != nil:
		return g.fail(e, "reading for a consumer failed", err)
	case !e.doubt.IsZero() && time.Since(e.doubt) < groupDoubt:
		return rest{span: tickEvery, deaf: true}
	case len(c.Operations) == 0:
		return g.idle(e, open)
	}
	if err := g.deliver(e, c); err != nil {
		g.failures.Add(1)
		return g.fail(e, "a consumer failed, the same operations come again", err)
	}
	g.operations.Add(int64(len(c.Operations)))
	e.quiet, e.doubt, e.pause = time.Now(), time.Time{}, 0
	e.at, e.unsaved = c.Operations[len(c.Operations)-1].Position(), true
	if err := g.save(e); err != nil {
		return g.fail(e, "noting how far a consumer has come failed", err)
	}
	if e.at.Seq < end.Seq {
		return rest{}
	}
	return g.idle(e, open)
}

// done reports whether the group, on the instance that had the lease, has come to the end of a room.
func (g *consumerGroup) done(e *errand, head Position) bool {
	at, err := g.all.hub.cfg.Cursors.Cursor(g.all.hub.ctx, g.Group, e.room)
	return err == nil && at == head
}

// hold makes sure of the lease for the next ten seconds, and knows how far the group has come.
func (g *consumerGroup) hold(ctx context.Context, e *errand, fence Position, now time.Time) error {
	held := now.Before(e.leased)
	if !held {
		e.known, e.unsaved, e.doubt = false, false, time.Time{} // another may have gone on
	}
	cfg := &g.all.hub.cfg
	if e.leased.Sub(now) <= groupLease-groupRenew {
		l := Lease{Name: g.lease, Owner: cfg.Instance, TTL: groupLease}
		if got, err := cfg.Leases.Acquire(ctx, e.room, fence, l, held); err != nil {
			if ErrorCode(err) == CodeLocked {
				err = &Error{Code: CodeLocked, Message: "another instance is at work", RetryAfter: got.TTL, Err: err}
			}
			return err
		}
		e.leased, e.lost = now.Add(groupLease), false
	}
	if e.known {
		return nil
	}
	at, err := cfg.Cursors.Cursor(ctx, g.Group, e.room)
	if err == nil {
		e.at, e.known = at, true
	}
	return err
}

// refused says how to go on without a lease.
func (g *consumerGroup) refused(e *errand, err error) rest {
	switch code := ErrorCode(err); {
	case code == CodeRoomDeleted:
		return rest{over: true}
	case code == CodeLocked:
		e.leased, e.lost = time.Time{}, true
		return rest{span: max(ErrorRetryAfter(err), tickEvery), deaf: true}
	case errors.Is(err, ErrSettling):
		return rest{span: SettleWindow, deaf: true}
	default:
		return g.fail(e, "a consumer cannot have its lease", err)
	}
}

// fail notes a failure, and makes the pause longer. The lease ends by itself in a long one.
func (g *consumerGroup) fail(e *errand, what string, err error) rest {
	if g.all.ctx.Err() != nil {
		return rest{over: e.leased.IsZero(), span: groupPause} // the hub is closing
	}
	if ErrorCode(err) == CodeLocked {
		e.leased = time.Time{}
	}
	e.pause = min(max(2*e.pause, groupPause), groupLongest)
	g.all.hub.log.LogAttrs(g.all.hub.ctx, levelOf(err), "a consumer comes to a halt", slog.String("cause", what),
		slog.String("group", g.Group), slog.String("room", e.room), slog.Any("error", err),
		slog.Duration("pause", e.pause))
	return rest{span: e.pause, deaf: true}
}

// idle says what to do when nothing is new: in an open room, more may come soon.
func (g *consumerGroup) idle(e *errand, open bool) rest {
	left := groupLinger - time.Since(e.quiet)
	if open && !e.quiet.IsZero() && left > 0 {
		return rest{span: left}
	}
	g.release(g.all.hub.ctx, e)
	return rest{over: true}
}

// save notes how far the group has come.
func (g *consumerGroup) save(e *errand) error {
	h := g.all.hub
	err := h.cfg.Cursors.Advance(h.ctx, g.Group, e.room, e.at, g.lease, h.cfg.Instance)
	e.unsaved = err != nil
	return err
}

// release gives the lease back. One that cannot be given back ends by itself.
func (g *consumerGroup) release(ctx context.Context, e *errand) {
	h := g.all.hub
	e.leased = time.Time{}
	if err := h.cfg.Leases.Release(ctx, e.room, g.lease, h.cfg.Instance); err != nil {
		h.log.Debug("a lease of a consumer was not released", "group", g.Group, "room", e.room, "error", err)
	}
}

// deliver hands a stretch over, and keeps the lease meanwhile.
func (g *consumerGroup) deliver(e *errand, c Committed) error {
	ctx, cancel := context.WithCancelCause(g.all.ctx)
	defer cancel(nil)
	kept := make(chan struct{})
	if !g.all.hub.spawn(func() { // until Handle has returned
		defer close(kept)
		g.keep(ctx, e, cancel)
	}) {
		close(kept)
	}
	err := g.call(ctx, c)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = fmt.Errorf("%w (%w)", err, cause)
	}
	cancel(nil)
	<-kept
	return err
}

// keep renews the lease until ctx ends. When it is lost, it ends ctx itself.
func (g *consumerGroup) keep(ctx context.Context, e *errand, lost context.CancelCauseFunc) {
	timer := time.NewTimer(time.Until(e.leased.Add(groupRenew - groupLease)))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		_, head, _ := g.all.hub.look(e.room)
		now := time.Now()
		if !now.Before(e.leased) { // the process stood still: another may have gone on
			lost(errLeaseLost)
			return
		}
		err := g.hold(ctx, e, head, now)
		if ErrorCode(err) == CodeLocked || err != nil && now.Add(groupPause).After(e.leased) {
			lost(errLeaseLost)
			return
		}
		if err != nil {
			timer.Reset(groupPause)
			continue
		}
		timer.Reset(groupRenew)
	}
}

// call calls the application, and makes an error of its panic.
func (g *consumerGroup) call(ctx context.Context, c Committed) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("it panicked: %v\n%s", cause, debug.Stack())
		}
	}()
	return g.Handle(ctx, c)
}

// read returns what comes after the place to which the group has come, and where the log ends.
func (g *consumerGroup) read(e *errand) (c Committed, end Position, err error) {
	log, ctx := g.all.hub.cfg.Log, g.all.hub.ctx
	c = Committed{Room: e.room, After: e.at}
	for range 4 { // more than that only if it is trimmed faster than it can be read
		page, err := log.Read(ctx, e.room, Query{After: c.After, Limit: readPage})
		switch ErrorCode(err) {
		case "":
			if !c.Rewound {
				e.doubt = time.Time{}
			}
			// A log that was written again had lost the cursors too: how far the group was, nobody knows.
			c.Rewound = c.Rewound || e.at == Position{} && page.Restored != 0
			c.Operations = page.Operations
			return c, page.Head, nil
		case CodeTrimmed:
			c.After, c.Missed = page.Base, page.Base.Seq-min(e.at.Seq, page.Base.Seq)
		case CodeDiverged:
			if e.doubt.IsZero() {
				e.doubt = time.Now()
			}
			if time.Since(e.doubt) < groupDoubt {
				return c, page.Head, nil
			}
			c.After, c.Rewound = page.Base, true
		default:
			return c, end, err
		}
	}
	return c, end, Errorf(CodeUnavailable, "the log moves faster than it is read")
}
