package memx

import "sync"

// pump runs the deliveries of one subscription: one at a time, on a goroutine of its own, so that no
// lock of the one who publishes is held meanwhile, and none of the one who is told is needed.
type pump struct {
	// deliver hands on all there is. It looks at stopped between two calls of the subscriber.
	deliver func()

	mu      sync.Mutex
	news    bool // since deliver was last started
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
	p.mu.Unlock()
	p.done.Wait()
}
