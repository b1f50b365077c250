//go:build unix && !linux

package sysio

import (
	"errors"
	"syscall"
)

func write(fd uintptr, b []byte) (int, syscall.Errno) { return numbered(syscall.Write(int(fd), b)) }

func read(fd uintptr, b []byte) (int, syscall.Errno) { return numbered(syscall.Read(int(fd), b)) }

// numbered returns an error as the number that a system call's error is.
func numbered(n int, err error) (int, syscall.Errno) {
	failed, ok := errors.AsType[syscall.Errno](err)
	if err != nil && !ok {
		failed = syscall.EIO
	}
	return n, failed
}
