//go:build !unix

package sysio

import "net"

// Conn returns the connection as it is.
func Conn(conn net.Conn) net.Conn { return conn }
