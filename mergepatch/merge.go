package mergepatch

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/fiberflow/flow"
)

// errRepeated is the error of a state that has a member twice that is to be changed. Which one counts is
// known too late then.
var errRepeated = errors.New("a member of the state is repeated")

// merger writes a state with changes. It reads the state once, from its beginning to its end, and steps
// only into the objects that change: so its recursion is as deep as the patches, however deep the state is.
type merger struct {
	reader
	buf     []byte
	scratch []byte
}

// merge returns the state with changes, which can be used once. size bounds the result.
func merge(state []byte, c *change, size int) ([]byte, error) {
	if len(state) == 0 || c.raw != nil || c.fresh {
		return c.append(nil), nil
	}
	m := merger{reader: reader{src: state}, buf: make([]byte, 0, size)}
	if err := m.value(c); err != nil {
		return nil, err
	}
	if m.i != len(state) {
		return nil, m.unexpected()
	}
	if len(m.buf) < cap(m.buf)/2 {
		return bytes.Clone(m.buf), nil // the state may be kept for long
	}
	return m.buf, nil
}

// value moves past a value of the state and writes what becomes of it.
func (m *merger) value(c *change) error {
	if m.peek() == '{' && c.raw == nil && !c.fresh {
		return m.object(c.in)
	}
	if !m.skip() {
		return m.unexpected()
	}
	m.buf = c.append(m.buf)
	return nil
}

func (m *merger) object(o *changes) error {
	m.i++
	m.buf = append(m.buf, '{')
	start := len(m.buf)
	for first := true; !m.take('}'); first = false {
		if !first && !m.take(',') {
			return m.unexpected()
		}
		if err := m.member(o, start); err != nil {
			return err
		}
	}
	m.buf = append(o.appendNew(m.buf, start), '}')
	return nil
}

// member moves past a member of the state and writes what becomes of it, after others since start.
func (m *merger) member(o *changes, start int) error {
	from := m.i
	label, ok := m.label()
	if !ok {
		return m.unexpected()
	}
	var c *change
	if at := o.names.find(m.name(label)); at >= 0 {
		c = &o.members[at]
	}
	if c == nil || c.moved {
		if !m.skip() {
			return m.unexpected()
		}
		if c == nil {
			m.separate(start)
			m.buf = append(m.buf, m.src[from:m.i]...)
		}
		return nil
	}
	if c.seen {
		return errRepeated
	}
	c.seen = true
	m.separate(start)
	m.buf = append(append(m.buf, label...), ':')
	return m.value(c)
}

// name returns the characters of a name, good until the next call.
func (m *merger) name(label []byte) []byte {
	if bytes.IndexByte(label, '\\') < 0 {
		return label[1 : len(label)-1]
	}
	m.scratch = decode(label, m.scratch)
	return m.scratch
}

// separate writes a comma, if members were written since start.
func (m *merger) separate(start int) {
	if len(m.buf) > start {
		m.buf = append(m.buf, ',')
	}
}

func (m *merger) unexpected() error {
	return flow.Errorf(flow.CodeInternal,
		fmt.Sprintf("the state has no value, or no end, at byte %d of %d, expected compact JSON", m.i, len(m.src)))
}
