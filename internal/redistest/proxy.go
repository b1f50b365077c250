package redistest

import (
	"bytes"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Proxy stands between clients and a server, and does to their connections what bad networks do. All
// methods are safe for concurrent use.
type Proxy struct {
	target   string
	listener net.Listener
	wg       sync.WaitGroup
	faults   atomic.Pointer[Faults]

	mu     sync.Mutex
	closed bool
	links  map[*link]struct{}
}

// link is one client's connection and its counterpart to the server.
type link struct {
	client, server net.Conn
	once           sync.Once
	closed         chan struct{}

	subscriber atomic.Bool  // the client has sent a SUBSCRIBE
	silent     atomic.Bool  // whatever comes in is thrown away
	lost       atomic.Bool  // something was thrown away
	passed     atomic.Int64 // bytes of replies since the last Inject
}

// StartProxy passes connections on to the address until the test ends.
func StartProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{target: target, listener: l, links: map[*link]struct{}{}}
	p.faults.Store(&Faults{})
	p.wg.Go(p.accept) // ends when the listener closes
	t.Cleanup(func() {
		_ = l.Close()
		p.mu.Lock()
		p.closed = true
		p.mu.Unlock()
		p.Cut()
		p.wg.Wait()
	})
	return p
}

// Addr returns where clients connect to.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Silence makes every connection of now go dead, in both directions, as a lost route or a firewall
// that forgot them does: when one side closes, the other does not hear of it either. New ones work.
func (p *Proxy) Silence() { p.each(func(l *link) { l.silent.Store(true) }) }

// SilenceSubscribers is [Proxy.Silence] for connections that have subscribed to something only. It
// returns how many there were.
func (p *Proxy) SilenceSubscribers() int {
	n := 0
	p.each(func(l *link) {
		if l.subscriber.Load() {
			l.silent.Store(true)
			n++
		}
	})
	return n
}

// Cut closes every connection of now.
func (p *Proxy) Cut() { p.each((*link).close) }

func (p *Proxy) each(f func(*link)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		f(l)
	}
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		if p.faults.Load().Refuse {
			reset(client)
			continue
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			reset(client)
			continue
		}
		p.connect(&link{client: client, server: server, closed: make(chan struct{})})
	}
}

// connect passes on what either side says, until both have ended.
func (p *Proxy) connect(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		l.close()
		return
	}
	p.links[l] = struct{}{}
	var sides sync.WaitGroup
	// Both end when either side closes, or the link is cut.
	sides.Go(func() { p.pass(l, l.server, l.client, (*Faults).requests) })
	sides.Go(func() { p.pass(l, l.client, l.server, (*Faults).replies) })
	p.wg.Go(func() {
		sides.Wait()
		l.close()
		p.mu.Lock()
		delete(p.links, l)
		p.mu.Unlock()
	})
}

// pass copies from one side to the other until either fails.
func (p *Proxy) pass(l *link, to io.Writer, from io.ReadCloser, direction func(*Faults) flow) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			break
		}
		if from == l.client {
			l.sniff(buf[:n])
		}
		faults := p.faults.Load()
		now := direction(faults)
		if l.silent.Load() || now.swallow {
			l.lost.Store(true)
			if p.faults.Load() != faults { // and those that had lost bytes were closed already
				break
			}
			continue
		}
		if !l.wait(now.delay) {
			break
		}
		whole := true
		if now.most > 0 {
			n, whole = l.take(n, now.most)
		}
		if _, err := to.Write(buf[:n]); err != nil || !whole {
			break
		}
	}
	if l.silent.Load() {
		_ = from.Close()
		return
	}
	l.close()
}

// wait returns after d, and false when the link was closed before.
func (l *link) wait(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.closed:
		return false
	}
}

// take counts n more bytes of replies, and returns how many of them may pass.
func (l *link) take(n, most int) (passed int, whole bool) {
	over := int(l.passed.Add(int64(n))) - most
	if over <= 0 {
		return n, true
	}
	return max(0, n-over), false
}

func (l *link) sniff(sent []byte) {
	if bytes.Contains(bytes.ToLower(sent), []byte("subscribe")) {
		l.subscriber.Store(true)
	}
}

func (l *link) close() {
	l.once.Do(func() {
		close(l.closed)
		_ = l.client.Close()
		_ = l.server.Close()
	})
}
