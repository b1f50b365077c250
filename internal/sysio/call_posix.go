//go:build unix && !linux

package sysio

import (
	"errors"
	"syscall"
)

// Write is the system call of that name, on a descriptor that does not wait.
func Write(fd uintptr, b []byte) (int, syscall.Errno) { return numbered(syscall.Write(int(fd), b)) }

// Read is the system call of that name, on a descriptor that does not wait.
func Read(fd uintptr, b []byte) (int, syscall.Errno) { return numbered(syscall.Read(int(fd), b)) }

// numbered returns an error as the number that a system call's error is.
func numbered(n int, err error) (int, syscall.Errno) {
	failed, ok := errors.AsType[syscall.Errno](err)
	if err != nil && !ok {
		failed = syscall.EIO
	}
	return n, failed
}
