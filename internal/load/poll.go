//go:build linux

package load

import (
	"fmt"
	"syscall"
	"time"
	"unsafe"
)

// sysEpollPwait2 waits with a timeout in nanoseconds (Linux 5.11). epoll_wait knows milliseconds only,
// which is longer than the gaps between the messages of a crowd. The number is that of amd64 and arm64.
const sysEpollPwait2 = 441

// poll tells which of many file descriptors are ready.
type poll struct {
	fd     int
	events [512]syscall.EpollEvent
}

func newPoll() (*poll, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("epoll_create: %w", err)
	}
	return &poll{fd: fd}, nil
}

// watch sets what is waited for; the first time a descriptor is new.
func (p *poll) watch(fd int, events uint32, isNew bool) error {
	op := syscall.EPOLL_CTL_MOD
	if isNew {
		op = syscall.EPOLL_CTL_ADD
	}
	err := syscall.EpollCtl(p.fd, op, fd, &syscall.EpollEvent{Events: events, Fd: int32(fd)})
	if err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	return nil
}

// wait returns what is ready, nothing after a timeout.
func (p *poll) wait(timeout time.Duration) ([]syscall.EpollEvent, error) {
	limit := syscall.NsecToTimespec(int64(max(timeout, 0)))
	n, _, errno := syscall.Syscall6(sysEpollPwait2, uintptr(p.fd),
		uintptr(unsafe.Pointer(&p.events[0])), uintptr(len(p.events)), //nolint:gosec // no wrapper exists
		uintptr(unsafe.Pointer(&limit)), 0, 0) //nolint:gosec // likewise
	if errno == syscall.EINTR {
		return nil, nil
	}
	if errno != 0 {
		return nil, fmt.Errorf("epoll_pwait2: %w", errno)
	}
	return p.events[:n], nil
}

func (p *poll) close() { _ = syscall.Close(p.fd) }

// readRaw and writeRaw are for sockets that never block, so Go's scheduler need not hear of the call:
// that is a fifth of its price when there is little to read.
func readRaw(fd int, buf []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_READ, uintptr(fd),
		uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf))) //nolint:gosec // the reason is above
	return int(n), errno
}

func writeRaw(fd int, buf []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd),
		uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf))) //nolint:gosec // the reason is above
	return int(n), errno
}
