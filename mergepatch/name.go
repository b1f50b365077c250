package mergepatch

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// decode returns the characters of a string with its quotes, in UTF-8; halves of surrogate pairs become
// three bytes each, as if they were characters, so that two of them are not alike. What it returns may be
// a part of label, or of scratch, which it uses when there are escapes.
func decode(label, scratch []byte) []byte {
	text := label[1 : len(label)-1]
	if bytes.IndexByte(text, '\\') < 0 {
		return text
	}
	scratch = scratch[:0]
	for len(text) > 0 {
		if text[0] != '\\' || len(text) < 2 {
			scratch, text = append(scratch, text[0]), text[1:]
			continue
		}
		if text[1] != 'u' {
			scratch, text = append(scratch, escaped(text[1])), text[2:]
			continue
		}
		r, size := decodeUnit(text)
		if low, more := decodeUnit(text[size:]); utf16.DecodeRune(r, low) != utf8.RuneError {
			r, size = utf16.DecodeRune(r, low), size+more
		}
		scratch, text = appendRune(scratch, r), text[size:]
	}
	return scratch
}

// escaped returns the character that stands after a backslash for another.
func escaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	default:
		return c
	}
}

// decodeUnit returns the code unit of an escape like \u0061 at the start of text, and its length; U+FFFD
// when there is none.
func decodeUnit(text []byte) (r rune, size int) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return utf8.RuneError, min(2, len(text))
	}
	n, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	if err != nil {
		return utf8.RuneError, 2
	}
	return rune(n), 6
}

// appendRune is [utf8.AppendRune] for surrogates too.
func appendRune(buf []byte, r rune) []byte {
	if utf16.IsSurrogate(r) {
		return append(buf, 0xe0|byte(r>>12), 0x80|byte(r>>6)&0xbf, 0x80|byte(r)&0xbf)
	}
	return utf8.AppendRune(buf, r)
}

// names numbers the names of an object's members.
type names struct {
	list []string
	at   map[string]int // nil while there are few
}

// fewNames is up to how many names are compared one by one, which is faster than a map.
const fewNames = 8

// find returns the number of a name, -1 when it has none.
func (n *names) find(name []byte) int {
	if n.at != nil {
		if i, ok := n.at[string(name)]; ok {
			return i
		}
		return -1
	}
	for i, known := range n.list {
		if known == string(name) {
			return i
		}
	}
	return -1
}

// add gives a new name the next number.
func (n *names) add(name string) {
	n.list = append(n.list, name)
	switch {
	case n.at != nil:
		n.at[name] = len(n.list) - 1
	case len(n.list) > fewNames:
		n.at = make(map[string]int, 2*len(n.list))
		for i, known := range n.list {
			n.at[known] = i
		}
	}
}
