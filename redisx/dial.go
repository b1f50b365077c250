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
			return failedConn{err: err}, nil
		}
		return conn, nil
	}
}

// failedConn is a connection that could not be opened.
type failedConn struct{ err error }

func (c failedConn) Read([]byte) (int, error)  { return 0, c.err }
func (c failedConn) Write([]byte) (int, error) { return 0, c.err }
func (c failedConn) Close() error              { return nil }

// The addresses are unknown: there is no connection.
func (c failedConn) LocalAddr() net.Addr  { return &net.TCPAddr{} }
func (c failedConn) RemoteAddr() net.Addr { return &net.TCPAddr{} }

// Deadlines are accepted, so that the first error is that of Write.
func (c failedConn) SetDeadline(time.Time) error      { return nil }
func (c failedConn) SetReadDeadline(time.Time) error  { return nil }
func (c failedConn) SetWriteDeadline(time.Time) error { return nil }
