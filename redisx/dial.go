package redisx

import (
	"context"
	"crypto/tls"
	"net"
	"time"
)

// dialer returns how connections are opened: bounded by ctx, with TLS too, and silently. go-redis
// writes every dial that fails to standard error, and starts a goroutine that outlives the client
// after some of them. So a failed dial is handed on as a connection whose first use fails with it.
func dialer(config *tls.Config, timeout time.Duration) func(context.Context, string, string) (net.Conn, error) {
	plain := &net.Dialer{
		Timeout: timeout,
		// Short enough that a dead peer is found by the kernel where nothing is written.
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3},
	}
	dial := plain.DialContext
	if config != nil {
		dial = (&tls.Dialer{NetDialer: plain, Config: config}).DialContext
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return failedConn{err: err}, nil //nolint:nilerr // said by the first use
		}
		return conn, nil
	}
}

// failedConn is a connection that could not be opened. Whatever is done with it fails for the reason of
// that, but for what go-redis does before its first Write.
type failedConn struct{ err error }

// Read fails.
func (c failedConn) Read([]byte) (int, error) { return 0, c.err }

// Write fails.
func (c failedConn) Write([]byte) (int, error) { return 0, c.err }

// Close has nothing to close.
func (c failedConn) Close() error { return nil }

// LocalAddr is unknown.
func (c failedConn) LocalAddr() net.Addr { return &net.TCPAddr{} }

// RemoteAddr is unknown.
func (c failedConn) RemoteAddr() net.Addr { return &net.TCPAddr{} }

// SetDeadline has nothing to bound.
func (c failedConn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline has nothing to bound.
func (c failedConn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline has nothing to bound.
func (c failedConn) SetWriteDeadline(time.Time) error { return nil }
