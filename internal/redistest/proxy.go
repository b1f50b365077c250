package redistest

import (
	"bytes"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// Proxy stands between a client and a server, and can make connections go dead without closing
// them, as a firewall or a lost route does.
type Proxy struct {
	target   string
	listener net.Listener
	wg       sync.WaitGroup

	mu    sync.Mutex
	links map[*link]struct{}
}

// link is one client's connection and its counterpart to the server.
type link struct {
	client, server net.Conn
	subscriber     atomic.Bool // the client has sent a SUBSCRIBE
	silent         atomic.Bool // whatever comes in is thrown away
}

// StartProxy passes connections on to the address until the test ends.
func StartProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{target: target, listener: l, links: map[*link]struct{}{}}
	p.wg.Go(p.accept) // ends when the listener closes
	t.Cleanup(func() {
		_ = l.Close()
		p.Cut()
		p.wg.Wait()
	})
	return p
}

// Addr returns where clients connect to.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Silence makes every connection of now go dead, in both directions. New ones work.
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
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		l := &link{client: client, server: server}
		p.mu.Lock()
		p.links[l] = struct{}{}
		p.mu.Unlock()
		// Both end when either side closes, or the link is cut.
		p.wg.Go(func() { p.pass(l, server, client, l.sniff) })
		p.wg.Go(func() { p.pass(l, client, server, func([]byte) {}) })
	}
}

// pass copies from one side to the other until either fails.
func (p *Proxy) pass(l *link, to io.Writer, from io.Reader, see func([]byte)) {
	defer func() {
		l.close()
		p.mu.Lock()
		delete(p.links, l)
		p.mu.Unlock()
	}()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		see(buf[:n])
		if l.silent.Load() {
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (l *link) sniff(sent []byte) {
	if bytes.Contains(bytes.ToLower(sent), []byte("subscribe")) {
		l.subscriber.Store(true)
	}
}

func (l *link) close() {
	_ = l.client.Close()
	_ = l.server.Close()
}
