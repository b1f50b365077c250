package flow

import (
	"strings"
	"unicode"
)

// shape is what names stand where in a JSON text.
type shape struct {
	names []string // of an object's members
	parts []shape  // their values, or the elements of an array
}

// shapeOf returns the shape of a valid text.
func shapeOf(text []byte) shape {
	s := scanner{src: text}
	return s.shape()
}

func (s *scanner) shape() shape {
	var found shape
	s.skip()
	c := s.peek()
	if c != '{' && c != '[' {
		s.value(0)
		return found
	}
	s.i++
	for s.skip(); s.i < len(s.src) && s.peek() != '}' && s.peek() != ']'; s.skip() {
		if c == '{' {
			from := s.i + 1
			s.str()
			found.names = append(found.names, unquote(s.src[from:s.i-1]))
			s.skip()
			s.take(':')
		}
		found.parts = append(found.parts, s.shape())
		s.skip()
		s.take(',')
	}
	s.i++
	return found
}

// misread returns a name in a text that encoding/json takes for another one than a browser does. It ignores
// case where fields have names, and puts together what has one name; known is the shape of what it
// has read, which may lack what is empty.
func misread(text, known shape) (name string, found bool) {
	place := make(map[string]int, len(known.names)) // of the names as encoding/json writes them
	alike := make(map[string]string, len(known.names))
	for i, name := range known.names {
		place[name] = i
		alike[folded(name)] = name
	}
	seen := make(map[string]bool, len(text.names))
	for i, part := range text.parts {
		var inside shape
		if text.names == nil { // an array
			if i < len(known.parts) && known.names == nil {
				inside = known.parts[i]
			}
		} else {
			name := text.names[i]
			at, exact := place[name]
			key := name
			if !exact {
				key = folded(name)
				if _, other := alike[key]; other {
					return name, true
				}
			} else {
				inside = known.parts[at]
			}
			if seen[key] {
				return name, true
			}
			seen[key] = true
		}
		if name, found := misread(part, inside); found {
			return name, true
		}
	}
	return "", false
}

// folded returns the same for all names that differ in case only.
func folded(name string) string {
	return strings.Map(func(r rune) rune {
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return least
	}, name)
}
