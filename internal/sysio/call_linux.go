package sysio

import (
	"syscall"
	"unsafe"
)

func write(fd uintptr, b []byte) (int, syscall.Errno) {
	//nolint:gosec // a system call takes an address; it is made in the call, as package unsafe asks
	n, _, failed := syscall.RawSyscall(syscall.SYS_WRITE, fd,
		uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return int(n), failed
}

func read(fd uintptr, b []byte) (int, syscall.Errno) {
	//nolint:gosec // likewise
	n, _, failed := syscall.RawSyscall(syscall.SYS_READ, fd,
		uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
	return int(n), failed
}
