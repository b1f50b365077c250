//go:build unix

package sysio

import "syscall"

// Write is the system call of that name, on a descriptor that does not wait, again when a signal came between.
func Write(fd uintptr, b []byte) (int, syscall.Errno) {
	for {
		if n, failed := write(fd, b); failed != syscall.EINTR {
			return n, failed
		}
	}
}

// Read is the system call of that name, on a descriptor that does not wait, again when a signal came between.
func Read(fd uintptr, b []byte) (int, syscall.Errno) {
	for {
		if n, failed := read(fd, b); failed != syscall.EINTR {
			return n, failed
		}
	}
}
