//go:build linux

package load

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"syscall"
)

// socketState is how far a socket has come.
type socketState int

const (
	connecting socketState = iota
	upgrading
	open
	closed
)

var errHandshake = errors.New("the server did not upgrade")

// ear is who hears what a socket says. The text is good until the call returns.
type ear interface {
	opened()
	text(text []byte)
	ended(err error)
}

// socket is the client's end of one WebSocket on a loop.
type socket struct {
	loop    *Loop
	ear     ear
	fd      int
	state   socketState
	in      []byte // the beginning of a frame
	out     []byte // what is not written yet
	dirty   bool   // is in loop.dirty
	blocked bool   // the kernel takes no more
	stalled bool   // nobody reads
}

// dial begins to connect. The rest happens in the loop.
func (l *Loop) dial(s *socket, to netip.AddrPort, path string, readBuffer int) error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	*s = socket{loop: l, ear: s.ear, fd: fd, in: s.in[:0], out: s.out[:0]}
	s.out = fmt.Appendf(s.out, handshake, path, to)
	err = syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
	if err == nil && readBuffer > 0 {
		err = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVBUF, readBuffer)
	}
	if err == nil {
		err = syscall.Connect(fd, &syscall.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()})
	}
	if err == nil || errors.Is(err, syscall.EINPROGRESS) {
		s.blocked = true
		err = l.add(s)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("connect: %w", err), syscall.Close(fd))
	}
	return nil
}

// ready takes what epoll says of the socket.
func (s *socket) ready(events uint32) {
	if s.state == connecting {
		s.connected()
	}
	if s.state != closed && s.blocked && events&syscall.EPOLLOUT != 0 {
		s.blocked = false
		s.flush()
		s.watch()
	}
	if s.state != closed && events&(syscall.EPOLLIN|syscall.EPOLLHUP|syscall.EPOLLERR) != 0 {
		s.read()
	}
}

func (s *socket) connected() {
	s.state = upgrading
	if code, err := syscall.GetsockoptInt(s.fd, syscall.SOL_SOCKET, syscall.SO_ERROR); err != nil {
		s.end(err)
	} else if code != 0 {
		s.end(syscall.Errno(code))
	}
}

// send queues one frame, whose payload fill appends; the loop writes it with what else there is.
func (s *socket) send(kind byte, fill func(buf []byte) []byte) {
	var header [headerRoom]byte
	begin := len(s.out)
	s.out = fill(append(s.out, header[:]...))
	frame := sealFrame(s.out[begin:], kind)
	s.out = s.out[:begin+copy(s.out[begin:], frame)] // a short header leaves two bytes
	if !s.dirty && !s.blocked {
		s.dirty = true
		s.loop.dirty = append(s.loop.dirty, s)
	}
}

// flush writes as much as the kernel takes.
func (s *socket) flush() {
	if s.blocked || s.state == closed || len(s.out) == 0 {
		return
	}
	n, errno := writeRaw(s.fd, s.out)
	switch {
	case errno == syscall.EAGAIN:
		n = 0
	case errno != 0:
		s.end(errno)
		return
	}
	s.out = s.out[:copy(s.out, s.out[n:])]
	if len(s.out) > 0 {
		s.blocked = true
		s.watch()
	}
}

// watch tells epoll what the socket waits for.
func (s *socket) watch() {
	var events uint32
	if !s.stalled {
		events |= syscall.EPOLLIN
	}
	if s.blocked {
		events |= syscall.EPOLLOUT
	}
	if s.state == closed {
		return
	}
	if err := s.loop.poll.watch(s.fd, events, false); err != nil {
		s.end(err)
	}
}

// stall stops reading, or goes on.
func (s *socket) stall(stalled bool) {
	s.stalled = stalled
	s.watch()
}

func (s *socket) read() {
	l := s.loop
	held := copy(l.buf, s.in)
	n, errno := readRaw(s.fd, l.buf[held:])
	switch {
	case errno == syscall.EAGAIN:
		return
	case errno != 0:
		s.end(errno)
		return
	case n == 0:
		s.end(errEnded)
		return
	}
	l.Look()
	l.received += int64(n)
	rest := s.take(l.buf[:held+n])
	s.in = append(s.in[:0], rest...)
	if 2*len(s.in) > len(l.buf) { // a frame longer than all before
		l.buf = make([]byte, 2*len(l.buf))
	}
}

// take hands out the frames that are whole, and returns what is left.
func (s *socket) take(data []byte) (rest []byte) {
	if s.state == upgrading {
		head, after, whole := bytes.Cut(data, []byte("\r\n\r\n"))
		if !whole {
			return data
		}
		if !bytes.HasPrefix(head, []byte("HTTP/1.1 101 ")) {
			s.end(fmt.Errorf("%w: %q", errHandshake, head))
			return nil
		}
		s.state = open
		s.ear.opened()
		data = after
	}
	for s.state == open {
		kind, payload, size, err := parseFrame(data)
		if err != nil {
			s.end(err)
			break
		}
		if size == 0 {
			return data
		}
		data = data[size:]
		s.frame(kind, payload)
	}
	return nil
}

func (s *socket) frame(kind byte, payload []byte) {
	switch kind {
	case textFrame:
		s.ear.text(payload)
	case pingFrame:
		s.send(pongFrame, func(buf []byte) []byte { return append(buf, payload...) })
	case closeFrame:
		s.end(fmt.Errorf("closed by the server: %q", payload))
	}
}

// end closes the socket and says why.
func (s *socket) end(err error) {
	if s.state == closed {
		return
	}
	s.close()
	s.ear.ended(err)
}

// close ends the connection as a client does that vanishes.
func (s *socket) close() {
	if s.state == closed {
		return
	}
	s.state = closed
	s.loop.sockets[s.fd] = nil
	_ = syscall.Close(s.fd) // nothing waits for it
}
