package redisx

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/fiberflow/flow/internal/sysio"
)

// dialer returns how connections are opened: bounded by ctx, with TLS too, and silently. go-redis
// writes every dial that fails to standard error, and starts a goroutine that outlives the client
// after some of them. So a failed dial is handed on as a connection whose first use fails with it.
func dialer(config *tls.Config, timeout time.Duration) func(context.Context, string, string) (net.Conn, error) {
	plain := &net.Dialer{
		// Short enough that a dead peer is found by the kernel where nothing is written.
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3},
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		conn, err := plain.DialContext(ctx, network, addr)
		if err != nil {
			return failedConn{err: err}, nil // said by the first use
		}
		conn = sysio.Conn(conn)
		if config == nil {
			return conn, nil
		}
		return encrypt(ctx, conn, addr, config), nil
	}
}

// encrypt speaks TLS on a connection to an address.
func encrypt(ctx context.Context, plain net.Conn, addr string, config *tls.Config) net.Conn {
	if config.ServerName == "" {
		config = config.Clone()
		config.ServerName, _, _ = net.SplitHostPort(addr) // it was dialed, so it has a host
	}
	conn := tls.Client(plain, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = plain.Close() // what went wrong is the handshake
		return failedConn{err: err}
	}
	return conn
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
