package mergepatch

import (
	"bytes"
	"strings"
)

// differ writes the patch between two states.
type differ struct {
	buf  []byte
	path []string // the names of the members around the place where it is
}

// value writes what makes one value of another, and reports whether that is anything.
func (d *differ) value(from, to node) (bool, error) {
	if from.isObject() && to.isObject() {
		return d.object(from.in, to.in)
	}
	if equal(from, to) {
		return false, nil
	}
	return true, d.add(to)
}

func (d *differ) object(from, to *inner) (bool, error) {
	d.buf = append(d.buf, '{')
	start := len(d.buf)
	for i, name := range from.names.list {
		if to.names.find([]byte(name)) < 0 {
			d.label(from.labels[i], start)
			d.buf = append(d.buf, "null"...)
		}
	}
	for i, name := range to.names.list {
		before := len(d.buf)
		d.path = append(d.path, name)
		d.label(to.labels[i], start)
		differs, err := d.member(from, name, to.values[i])
		if err != nil {
			return false, err
		}
		d.path = d.path[:len(d.path)-1]
		if !differs {
			d.buf = d.buf[:before]
		}
	}
	d.buf = append(d.buf, '}')
	return len(d.buf) > start+1, nil
}

// member writes what makes a value of the member that had the name, if any had it.
func (d *differ) member(from *inner, name string, to node) (bool, error) {
	if i := from.names.find([]byte(name)); i >= 0 {
		return d.value(from.values[i], to)
	}
	return true, d.add(to)
}

// add writes a value that takes another's place.
func (d *differ) add(n node) error {
	if n.isNull() && len(d.path) > 0 {
		return refuse("there would be null at %q: a merge patch can remove a member, but not make it null", d.place())
	}
	if !n.isObject() {
		d.buf = append(d.buf, n.raw...)
		return nil
	}
	d.buf = append(d.buf, '{')
	start := len(d.buf)
	for i, v := range n.in.values {
		d.label(n.in.labels[i], start)
		d.path = append(d.path, n.in.names.list[i])
		if err := d.add(v); err != nil {
			return err
		}
		d.path = d.path[:len(d.path)-1]
	}
	d.buf = append(d.buf, '}')
	return nil
}

// label writes the name of a member, after others since start.
func (d *differ) label(label []byte, start int) {
	if len(d.buf) > start {
		d.buf = append(d.buf, ',')
	}
	d.buf = append(append(d.buf, label...), ':')
}

// maxPlace bounds what an error says of a place; names may be as long as the state.
const maxPlace = 200

// place returns where the differ is, as a JSON pointer (RFC 6901).
func (d *differ) place() string {
	escape := strings.NewReplacer("~", "~0", "/", "~1")
	var place strings.Builder
	for _, name := range d.path {
		place.WriteString("/" + escape.Replace(name))
	}
	text := strings.ToValidUTF8(place.String(), "\uFFFD")
	if len(text) > maxPlace {
		return strings.ToValidUTF8(text[:maxPlace], "") + "…"
	}
	return text
}

// equal reports whether two values are alike. Numbers are when they are written alike.
func equal(a, b node) bool {
	switch {
	case !a.isObject() && bytes.Equal(a.raw, b.raw):
		return true
	case a.in == nil && b.in == nil:
		return a.isString() && b.isString() && bytes.Equal(decode(a.raw, nil), decode(b.raw, nil))
	case a.in == nil || b.in == nil || a.isObject() != b.isObject() || len(a.in.values) != len(b.in.values):
		return false
	}
	for i, v := range a.in.values {
		at := i
		if a.isObject() {
			at = b.in.names.find([]byte(a.in.names.list[i]))
		}
		if at < 0 || !equal(v, b.in.values[at]) {
			return false
		}
	}
	return true
}
