package mergepatch

// node is one value of a JSON text.
type node struct {
	raw []byte // as it is written; nil of an object
	in  *inner // of an object, and of an array whose elements matter
}

// inner is what an object or an array holds.
type inner struct {
	names  names    // of an object; each once
	labels [][]byte // the names as they are written
	values []node
}

// isObject reports whether the value is an object.
func (n node) isObject() bool { return n.raw == nil }

// isNull reports whether the value is null.
func (n node) isNull() bool { return len(n.raw) > 0 && n.raw[0] == 'n' }

// isString reports whether the value is a string.
func (n node) isString() bool { return len(n.raw) > 0 && n.raw[0] == '"' }

// append appends the value as JSON.
func (n node) append(buf []byte) []byte {
	if !n.isObject() {
		return append(buf, n.raw...)
	}
	buf = append(buf, '{')
	for i, v := range n.in.values {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = append(append(buf, n.in.labels[i]...), ':')
		buf = v.append(buf)
	}
	return append(buf, '}')
}

// parser makes nodes of a text that [clean] has let pass: so it is valid, and it recurses no deeper than
// [maxDepth].
type parser struct {
	reader
	elements bool // look into arrays
}

// parse returns the value of a clean text, of which it keeps parts.
func parse(text []byte, elements bool) node {
	p := parser{reader: reader{src: text}, elements: elements}
	return p.value()
}

func (p *parser) value() node {
	from := p.i
	switch c := p.peek(); {
	case c == '{':
		return node{in: p.object()}
	case c == '[' && p.elements:
		in := p.array()
		return node{raw: p.src[from:p.i], in: in}
	default:
		p.skip()
		return node{raw: p.src[from:p.i]}
	}
}

func (p *parser) object() *inner {
	in := &inner{}
	p.i++
	for !p.take('}') {
		label, ok := p.label()
		if !ok {
			return in
		}
		name := decode(label, nil)
		i := in.names.find(name)
		if i < 0 {
			i = len(in.values)
			in.names.add(string(name))
			in.labels = append(in.labels, label)
			in.values = append(in.values, node{})
		}
		in.values[i] = p.value()
		p.take(',')
	}
	return in
}

func (p *parser) array() *inner {
	in := &inner{}
	p.i++
	for p.i < len(p.src) && !p.take(']') {
		in.values = append(in.values, p.value())
		p.take(',')
	}
	return in
}
