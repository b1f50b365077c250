package handlers

import "sync"

const (
	smallBuffer = 4 << 10
	// middleBuffer is as much as a client needs that has not said who it is.
	middleBuffer = 16 << 10
	// largeBuffer is the most bytes of one write.
	largeBuffer = 64 << 10
	// secureChunk is the most bytes of one write over TLS: one record, because a record that meets its
	// deadline half-way cannot be continued.
	secureChunk = 16 << 10
)

// buffers lends memory to connections that are busy, so that idle ones need none.
type buffers struct {
	small, middle, large sync.Pool // of *[]byte, with the capacities above
}

func newBuffers() *buffers {
	b := &buffers{}
	b.small.New = func() any { buf := make([]byte, 0, smallBuffer); return &buf }
	b.middle.New = func() any { buf := make([]byte, 0, middleBuffer); return &buf }
	b.large.New = func() any { buf := make([]byte, 0, largeBuffer); return &buf }
	return b
}

// get lends an empty buffer: for size bytes if that is not much, else for as many as one write takes.
func (b *buffers) get(size int) *[]byte {
	pool := &b.large
	switch {
	case size <= smallBuffer:
		pool = &b.small
	case size <= middleBuffer:
		pool = &b.middle
	}
	return pool.Get().(*[]byte) //nolint:forcetypeassert // the pool has no other
}

// grow returns a larger buffer with the bytes of buf, which it takes back.
func (b *buffers) grow(buf *[]byte) *[]byte {
	var larger *[]byte
	if cap(*buf) < largeBuffer {
		larger = b.get(cap(*buf) + 1)
	} else {
		next := make([]byte, 0, 2*cap(*buf))
		larger = &next
	}
	*larger = append(*larger, *buf...)
	b.put(buf)
	return larger
}

// put takes back what get lent, or what replaced it.
func (b *buffers) put(buf *[]byte) {
	*buf = (*buf)[:0]
	switch cap(*buf) {
	case smallBuffer:
		b.small.Put(buf)
	case middleBuffer:
		b.middle.Put(buf)
	case largeBuffer:
		b.large.Put(buf)
	}
}

// packer gathers what goes to a client into as few writes as its buffer allows.
type packer struct {
	pipe *pipe
	push bool   // without waiting
	buf  []byte // never grows
	err  error
}

func (p *packer) add(b []byte) {
	for len(b) > 0 && p.err == nil {
		if len(p.buf) == cap(p.buf) && p.flush() != nil {
			return
		}
		n := copy(p.buf[len(p.buf):cap(p.buf)], b)
		p.buf = p.buf[:len(p.buf)+n]
		b = b[n:]
	}
}

// flush writes what was gathered, and returns the first error of all writes.
func (p *packer) flush() error {
	if p.err == nil && len(p.buf) > 0 {
		if p.push {
			p.err = p.pipe.push(p.buf)
		} else {
			p.err = p.pipe.send(p.buf)
		}
		p.buf = p.buf[:0]
	}
	return p.err
}
