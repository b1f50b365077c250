package attack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/fiberflow/flow/internal/load"
)

const (
	maxWorkers   = 16
	maxPerSecond = 2000
	maxFor       = time.Minute
	// maxKept bounds the connections that one worker holds open.
	maxKept = 300
	// pause is between two tries of a worker that was refused a connection, and how long the words behind the
	// end of one are waited for.
	pause = 50 * time.Millisecond
	beat  = 5 * time.Millisecond // what is due in between is sent together
)

// Plan is what is done.
type Plan struct {
	Kind       Kind
	Neighbours int
	Quiet      time.Duration // how long the neighbours write before the flood
	Flood      time.Duration // how long they write during the flood
	// Enough ends the flood sooner, when it returns true. Default: never.
	Enough func(*Outcome) bool
}

// Report is what a flood did.
type Report struct {
	Outcome *Outcome
	// Before and During are the times that the neighbours' operations took to be confirmed.
	Before, During *load.Histogram
	Took           time.Duration // of the flood
}

// Run lets neighbours write, first by themselves, then during the flood. An error means that a neighbour
// was refused anything, was thrown out, or lost an operation.
func Run(ctx context.Context, t Target, p Plan) (Report, error) {
	report := Report{Outcome: newOutcome(), Before: &load.Histogram{}, During: &load.Histogram{}}
	if err := errors.Join(t.validate(), p.validate()); err != nil {
		return report, err
	}
	neighbours, err := settleAll(ctx, t, p.Neighbours)
	defer neighbours.leave()
	if err != nil {
		return report, err
	}
	quiet, end := context.WithTimeout(ctx, p.Quiet)
	defer end()
	if err := neighbours.write(quiet, report.Before); err != nil {
		return report, fmt.Errorf("before the flood: %w", err)
	}
	flooding, end := context.WithTimeout(ctx, p.Flood)
	defer end()
	began := time.Now()
	var group sync.WaitGroup
	group.Go(func() { p.Kind.flood(flooding, t, report.Outcome) })
	group.Go(func() { p.watch(flooding, report.Outcome, end) })
	err = neighbours.write(flooding, report.During)
	end()
	group.Wait()
	report.Took = time.Since(began)
	if err != nil {
		err = fmt.Errorf("during the flood: %w", err)
	}
	return report, err
}

func (p Plan) validate() error {
	k := p.Kind
	if k.Workers < 1 || k.Workers > maxWorkers || k.PerSecond < 1 || k.PerSecond > maxPerSecond ||
		p.Neighbours < 1 || p.Neighbours > maxWorkers || p.Quiet <= 0 || p.Flood <= 0 || p.Quiet+p.Flood > maxFor {
		return fmt.Errorf("attack: %d workers, %d times a second, %d neighbours, for %v after %v",
			k.Workers, k.PerSecond, p.Neighbours, p.Flood, p.Quiet)
	}
	return nil
}

// watch ends the flood when it has been enough.
func (p Plan) watch(ctx context.Context, o *Outcome, end func()) {
	if p.Enough == nil {
		return
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !p.Enough(o) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
	end()
}

// flood lets all workers loose, until ctx ends.
func (k Kind) flood(ctx context.Context, t Target, o *Outcome) {
	client := newClient(k.Workers)
	defer client.CloseIdleConnections()
	var group sync.WaitGroup
	for i := range k.Workers { // each ends with ctx
		group.Go(func() {
			w := &worker{target: t, outcome: o, number: i, client: client}
			defer w.stop()
			w.run(ctx, k)
		})
	}
	group.Wait()
}

// worker is one of those who flood.
type worker struct {
	target  Target
	outcome *Outcome
	client  *http.Client
	number  int
	turn    int
	line    *line // its socket, if it has one
	kept    []func()
}

// run acts at the kind's pace. What could not be done in time is not made up for.
func (w *worker) run(ctx context.Context, k Kind) {
	tick := time.NewTicker(max(beat, time.Second/time.Duration(k.PerSecond)))
	defer tick.Stop()
	done, last := 0.0, time.Now()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		now := time.Now()
		done = min(done+now.Sub(last).Seconds()*float64(k.PerSecond), float64(k.PerSecond)/10+1)
		for last = now; done >= 1 && ctx.Err() == nil; done-- {
			if err := w.once(ctx, k); err != nil {
				w.failed(ctx, err)
			}
		}
	}
}

// once acts, with a new socket if the last one was ended.
func (w *worker) once(ctx context.Context, k Kind) (err error) {
	if w.line == nil && k.on != noSocket {
		room := k.on
		if room == noRoom {
			room = ""
		}
		if w.line, err = w.target.attacker().call(ctx, w.outcome, room); err != nil {
			return err
		}
	}
	return k.act(ctx, w)
}

// failed counts what the server refused. The worker's socket, if it had one, was ended by the server; its
// reader counts why.
func (w *worker) failed(ctx context.Context, err error) {
	wait := time.NewTimer(pause)
	defer wait.Stop()
	if w.line != nil {
		select {
		case <-w.line.ended:
		case <-wait.C:
		}
		w.line.hangUp()
		w.line = nil
		return
	}
	if !w.outcome.answer(err) && !errors.Is(err, errEnded) && ctx.Err() == nil {
		w.outcome.refuse("failed connections")
	}
	select {
	case <-wait.C:
	case <-ctx.Done():
	}
}

// keep holds something open until the flood ends, or until there is too much of it.
func (w *worker) keep(end func()) error {
	w.kept = append(w.kept, end)
	if len(w.kept) > maxKept {
		w.kept[0]()
		w.kept = w.kept[1:]
	}
	return nil
}

func (w *worker) stop() {
	if w.line != nil {
		w.line.hangUp()
	}
	for _, end := range w.kept {
		end()
	}
}
