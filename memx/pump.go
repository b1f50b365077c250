package memx

import (
	"sync"
	"time"
)

// feedPause is how long what was appended is collected before it is told. The one who appended has its
// answers; a goroutine for each append, to tell it once more, would cost as much as the append.
const feedPause = 2 * time.Millisecond

// pump runs the deliveries of one subscription: one at a time, on a goroutine of its own, so that no
// lock of the one who publishes is held meanwhile, and none of the one who is told is needed.
type pump struct {
	// deliver hands on all there is. It looks at stopped between two calls of the subscriber.
	deliver func()

	mu      sync.Mutex
	timer   *time.Timer // of wakeSoon; nil before the first
	news    bool        // since deliver was last started
	running bool
	ended   bool
	done    sync.WaitGroup
}

// wake has everything delivered that was put in before. It does not wait.
func (p *pump) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.news = true
	if p.running || p.ended {
		return
	}
	p.running = true
	// Owned by the subscription; ends as soon as there is nothing to deliver, and stop waits for it.
	p.done.Go(p.run)
}

// wakeSoon is wake after a pause, in which more may be put in.
func (p *pump) wakeSoon() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.news = true
	if p.running || p.ended {
		return
	}
	p.running = true
	p.done.Add(1)
	if p.timer == nil {
		p.timer = time.AfterFunc(feedPause, p.runLate)
		return
	}
	p.timer.Reset(feedPause)
}

func (p *pump) runLate() {
	defer p.done.Done()
	p.run()
}

func (p *pump) run() {
	for p.more() {
		p.deliver()
	}
}

func (p *pump) more() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running = p.news && !p.ended
	p.news = false
	return p.running
}

// stopped reports whether nothing may be delivered any more.
func (p *pump) stopped() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ended
}

// stop returns when no delivery is under way and none will be.
func (p *pump) stop() {
	p.mu.Lock()
	p.ended = true
	if p.timer != nil && p.timer.Stop() {
		p.done.Done() // in place of the run that does not come
	}
	p.mu.Unlock()
	p.done.Wait()
}
