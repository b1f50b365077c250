package handlers

import (
	"slices"

	"github.com/fiberflow/flow"
)

// Push implements [flow.Pusher]: Write without waiting. What the connection does not take is kept for the
// Write that follows.
func (s *socket) Push(frames []*flow.Frame) (left bool, err error) {
	s.out.Lock()
	defer s.out.Unlock()
	err = s.pack(frames, true)
	return len(s.rest) > 0, err
}

// push writes b as far as the connection takes it at once, behind what it has not taken yet. The caller
// holds out.
func (p *pipe) push(b []byte) error {
	if len(p.rest) > 0 || p.raw == nil {
		p.rest = append(p.rest, b...)
		return nil
	}
	if _, err := p.writable(); err != nil {
		return err
	}
	n, err := p.attempts.try(p.raw, b)
	if err != nil {
		p.cut()
		return err
	}
	if n < len(b) {
		p.rest = slices.Clone(b[n:])
	}
	return nil
}
