package mergepatch

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// maxDepth bounds how many arrays and objects may stand around a value. It is the bound of the hub and of
// the client, so a patch or a state that one of them takes is not refused by another.
const maxDepth = 512

// clean returns a copy of a JSON text without white space, or says what is wrong with it.
func clean(what string, text []byte) ([]byte, error) {
	if !utf8.Valid(text) {
		return nil, refuse("%s is not in UTF-8, expected JSON in UTF-8", what)
	}
	var compact bytes.Buffer
	compact.Grow(len(text))
	if err := json.Compact(&compact, text); err != nil {
		return nil, refuse("%s is not JSON: %v", what, err)
	}
	if depth := depthOf(compact.Bytes()); depth > maxDepth {
		return nil, refuse("%s is nested %d levels deep, expected at most %d", what, depth, maxDepth)
	}
	return compact.Bytes(), nil
}

// depthOf returns how many arrays and objects stand around the deepest value of a valid text.
func depthOf(text []byte) int {
	depth, deepest := 0, 0
	for r := (reader{src: text}); r.i < len(text); r.i++ {
		switch text[r.i] {
		case '}', ']':
			depth--
		case '{', '[':
			deepest = max(deepest, depth)
			depth++
		case '"':
			r.skipString()
			r.i--
			deepest = max(deepest, depth)
		default:
			deepest = max(deepest, depth)
		}
	}
	return deepest
}

// reader walks over a compact JSON text. It trusts the text as far as it can without running past its end
// or standing still: brackets are counted, not matched, and what stands inside is not looked at.
type reader struct {
	src []byte
	i   int
}

// peek returns the next byte, 0 at the end.
func (r *reader) peek() byte {
	if r.i < len(r.src) {
		return r.src[r.i]
	}
	return 0
}

// take moves past c and reports whether it stood there.
func (r *reader) take(c byte) bool {
	if r.peek() != c {
		return false
	}
	r.i++
	return true
}

// skip moves past one value and reports whether there was one.
func (r *reader) skip() bool {
	switch c := r.peek(); {
	case c == '"':
		return r.skipString()
	case c == '{' || c == '[':
		return r.skipNested()
	case c == '-' || '0' <= c && c <= '9' || c == 't' || c == 'f' || c == 'n':
		r.skipPlain()
		return true
	default:
		return false
	}
}

// skipString moves past a string whose first quote is the next byte.
func (r *reader) skipString() bool {
	for i := r.i + 1; i < len(r.src); i++ {
		switch r.src[i] {
		case '"':
			r.i = i + 1
			return true
		case '\\':
			i++
		}
	}
	return false
}

func (r *reader) skipNested() bool {
	depth := 0
	for r.i < len(r.src) {
		switch r.src[r.i] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case '"':
			if !r.skipString() {
				return false
			}
			continue
		}
		r.i++
		if depth == 0 {
			return true
		}
	}
	return false
}

// skipPlain moves past a number or a word.
func (r *reader) skipPlain() {
	for r.i < len(r.src) {
		switch c := r.src[r.i]; {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', c == '.', c == '-', c == '+', c == 'E':
			r.i++
		default:
			return
		}
	}
}

// label moves past the name of a member and its colon and returns the name as it is written, quotes
// included.
func (r *reader) label() ([]byte, bool) {
	from := r.i
	if r.peek() != '"' || !r.skipString() {
		return nil, false
	}
	label := r.src[from:r.i]
	return label, r.take(':')
}
