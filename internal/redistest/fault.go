package redistest

import (
	"net"
	"time"
)

// Faults are what a [Proxy] does to its connections, to those of now and to new ones. The zero value is
// none.
type Faults struct {
	// Refuse resets new connections.
	Refuse bool
	// SwallowRequests throws away what clients send, SwallowReplies what the server answers: with the
	// latter commands are executed, and nobody hears of it.
	SwallowRequests, SwallowReplies bool
	// DelayRequests and DelayReplies hold bytes back for so long, and at most twice as long.
	DelayRequests, DelayReplies time.Duration
	// CloseAfter, if not 0, closes each connection after so many bytes of replies from now on, likely
	// in the middle of one.
	CloseAfter int
}

// flow is what happens to the bytes of one direction.
type flow struct {
	swallow bool
	delay   time.Duration
	most    int // 0: no bound
}

func (f *Faults) requests() flow { return flow{swallow: f.SwallowRequests, delay: f.DelayRequests} }

func (f *Faults) replies() flow {
	return flow{swallow: f.SwallowReplies, delay: f.DelayReplies, most: f.CloseAfter}
}

// Inject replaces the faults of before. Connections that have lost bytes to those are closed, as they
// are after [Proxy.Silence]: a stream with a hole would only confuse.
func (p *Proxy) Inject(f Faults) {
	p.faults.Store(&f)
	p.each(func(l *link) {
		l.passed.Store(0)
		if l.silent.Load() || l.lost.Load() {
			l.close()
		}
	})
}

// Lift ends all faults, and [Proxy.Silence], too.
func (p *Proxy) Lift() { p.Inject(Faults{}) }

// reset closes a connection as a port does on which nobody listens any more.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // without it the end would be an orderly one
	}
	_ = conn.Close()
}
