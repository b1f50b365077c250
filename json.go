package flow

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// maxDepth bounds the nesting of a JSON text, so that no reader of it can be made to recurse for ever.
const maxDepth = 512

// scanner walks one JSON text, strictly as RFC 8259 has it, without allocating. encoding/json costs
// several times as much, matches names case-insensitively and takes repeated ones.
type scanner struct {
	src   []byte
	i     int
	space bool // white space was seen outside strings since the flag was last cleared
}

// validJSON reports whether src is one JSON text in UTF-8, nested at most maxDepth deep. encoding/json
// takes other bytes inside strings, but a browser ends the connection that brings them.
func validJSON(src []byte) bool {
	s := scanner{src: src}
	s.skip()
	if !s.value(0) {
		return false
	}
	s.skip()
	return s.i == len(src) && utf8.Valid(src)
}

// skip moves past white space.
func (s *scanner) skip() {
	for s.i < len(s.src) {
		switch s.src[s.i] {
		case ' ', '\t', '\n', '\r':
			s.i++
			s.space = true
		default:
			return
		}
	}
}

// peek returns the next byte, 0 at the end.
func (s *scanner) peek() byte {
	if s.i < len(s.src) {
		return s.src[s.i]
	}
	return 0
}

// take moves past c and reports whether it stood there.
func (s *scanner) take(c byte) bool {
	if s.peek() != c || s.i >= len(s.src) {
		return false
	}
	s.i++
	return true
}

// value moves past one value and reports whether it is well-formed.
func (s *scanner) value(depth int) bool {
	if depth > maxDepth {
		return false
	}
	switch c := s.peek(); c {
	case '{':
		return s.object(depth)
	case '[':
		return s.array(depth)
	case '"':
		return s.str()
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	default:
		return s.number()
	}
}

func (s *scanner) object(depth int) bool {
	s.i++
	s.skip()
	if s.take('}') {
		return true
	}
	for {
		if !s.str() {
			return false
		}
		s.skip()
		if !s.take(':') {
			return false
		}
		s.skip()
		if !s.value(depth + 1) {
			return false
		}
		s.skip()
		if s.take('}') {
			return true
		}
		if !s.take(',') {
			return false
		}
		s.skip()
	}
}

func (s *scanner) array(depth int) bool {
	s.i++
	s.skip()
	if s.take(']') {
		return true
	}
	for {
		if !s.value(depth + 1) {
			return false
		}
		s.skip()
		if s.take(']') {
			return true
		}
		if !s.take(',') {
			return false
		}
		s.skip()
	}
}

func (s *scanner) str() bool {
	if !s.take('"') {
		return false
	}
	for s.i < len(s.src) {
		switch c := s.src[s.i]; {
		case c == '"':
			s.i++
			return true
		case c == '\\':
			if !s.escape() {
				return false
			}
		case c < ' ':
			return false
		default:
			s.i++
		}
	}
	return false
}

func (s *scanner) escape() bool {
	s.i++
	c := s.peek()
	s.i++
	switch c {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		for range 4 {
			if !isHex(s.peek()) {
				return false
			}
			s.i++
		}
		return true
	default:
		return false
	}
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func (s *scanner) literal(word string) bool {
	if len(s.src)-s.i < len(word) || string(s.src[s.i:s.i+len(word)]) != word {
		return false
	}
	s.i += len(word)
	return true
}

// number moves past a number. One that is longer than any that a program means, or whose exponent makes it
// so when it is written out, is refused: readers have been brought to their knees by those.
func (s *scanner) number() bool {
	const most, mostExponent = 256, 4 // bytes, digits
	from := s.i
	s.take('-')
	if !s.take('0') && !s.digits() {
		return false
	}
	if s.take('.') && !s.digits() {
		return false
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.i++
		if !s.take('+') {
			s.take('-')
		}
		exponent := s.i
		return s.digits() && s.i-exponent <= mostExponent && s.i-from <= most
	}
	return s.i-from <= most
}

func (s *scanner) digits() bool {
	start := s.i
	for c := s.peek(); '0' <= c && c <= '9'; c = s.peek() {
		s.i++
	}
	return s.i > start
}

// members calls f with the name and the bounds of the value of each member of the object that a valid
// text holds, until f returns false. The raw name has no quotes and may hold escapes.
func members(object []byte, f func(name, value []byte, spaced bool) bool) {
	s := scanner{src: object}
	s.skip()
	s.take('{')
	s.skip()
	for s.peek() == '"' {
		from := s.i + 1
		s.str()
		name := object[from : s.i-1]
		s.skip()
		s.take(':')
		s.skip()
		from = s.i
		s.space = false
		s.value(-peerDepth) // the text is valid: whoever found that knows how deep it may be
		if !f(name, object[from:s.i], s.space) {
			return
		}
		s.skip()
		s.take(',')
		s.skip()
	}
}

// elements calls f with each element of the array that a valid text holds.
func elements(array []byte, f func(element []byte)) {
	s := scanner{src: array}
	s.skip()
	s.take('[')
	s.skip()
	for s.i < len(array) && s.peek() != ']' {
		from := s.i
		s.value(-peerDepth) // as in members
		f(array[from:s.i])
		s.skip()
		s.take(',')
		s.skip()
	}
}

// unquote returns the text of a valid JSON string without its quotes.
func unquote(raw []byte) string {
	if bytes.IndexByte(raw, '\\') >= 0 {
		return unquoteEscaped(raw)
	}
	return string(raw)
}

func unquoteEscaped(raw []byte) string {
	quoted := make([]byte, 0, len(raw)+2)
	quoted = append(append(append(quoted, '"'), raw...), '"')
	var s string
	if err := json.Unmarshal(quoted, &s); err != nil {
		return "" // the scanner has accepted it, so this cannot happen
	}
	return s
}

// compactJSON returns a copy of a valid JSON text without white space outside strings, and nothing
// else changed.
func compactJSON(src []byte) []byte {
	dst := make([]byte, 0, len(src))
	inside := false
	for i := 0; i < len(src); i++ {
		c := src[i]
		switch {
		case inside && c == '\\':
			dst = append(dst, c, src[i+1])
			i++
			continue
		case c == '"':
			inside = !inside
		case !inside && (c == ' ' || c == '\t' || c == '\n' || c == '\r'):
			continue
		}
		dst = append(dst, c)
	}
	if len(dst) < cap(dst)/2 {
		return bytes.Clone(dst) // it may be kept for long, and white space must not be kept with it
	}
	return dst
}

// appendString appends s as a JSON string. Bytes that are not UTF-8 become U+FFFD.
func appendString(buf []byte, s string) []byte {
	buf = append(buf, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
		}
		buf = append(buf, s[from:i]...)
		buf = appendEscape(buf, c)
		i++
		from = i
	}
	buf = append(buf, s[from:]...)
	return append(buf, '"')
}

func appendEscape(buf []byte, c byte) []byte {
	const digits = "0123456789abcdef"
	switch {
	case c == '"' || c == '\\':
		return append(buf, '\\', c)
	case c >= utf8.RuneSelf:
		return append(buf, "\uFFFD"...)
	default:
		return append(buf, '\\', 'u', '0', '0', digits[c>>4], digits[c&0xf])
	}
}
