//go:build linux && !386

package sysio

import (
	"syscall"
	"unsafe"
)

// idle reports whether a socket is open and has nothing to read.
func idle(fd uintptr) bool {
	var b [1]byte
	//nolint:gosec // a system call takes an address; it is made in the call, as package unsafe asks
	_, _, failed := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd,
		uintptr(unsafe.Pointer(&b)), uintptr(len(b)), syscall.MSG_PEEK|syscall.MSG_DONTWAIT, 0, 0)
	return failed == syscall.EAGAIN
}
