//go:build !unix

package handlers

import (
	"net"
	"syscall"
)

type attempts struct{}

func newAttempts() *attempts { return &attempts{} }

func (*attempts) try(syscall.RawConn, []byte) (n int, err error) { return 0, nil }

// rawOf returns nil: here every write waits.
func rawOf(net.Conn) syscall.RawConn { return nil }

func readNow(uintptr, []byte) (n int, again bool, err error) { return 0, false, syscall.EINVAL }
