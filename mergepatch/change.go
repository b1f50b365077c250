package mergepatch

// change is what one or more patches make of one value, told without knowing the value.
type change struct {
	label []byte   // of a member: its name as a patch has written it
	raw   []byte   // takes the place of the value
	in    *changes // else: the members that change
	fresh bool     // of those with in: nothing counts of what the state has there
	moved bool     // of a member: what the state has was removed, and what there is comes after the others
	gone  bool     // of a member: there is none now
	place int      // of a member: its number in the order of changes
	seen  bool     // of a member: the state has it, and it was written there
}

// changes are what becomes of an object's members.
type changes struct {
	names   names
	members []change
	order   []int // the members in the order in which they were added; valid where place points back
}

// patch lets a patch follow.
func (c *change) patch(n node) {
	if !n.isObject() {
		c.raw, c.in = n.raw, nil
		return
	}
	if c.raw != nil {
		c.raw, c.fresh = nil, true
	}
	if c.in == nil {
		c.in = &changes{}
	}
	c.in.patch(n.in)
}

func (o *changes) patch(in *inner) {
	for i, v := range in.values {
		c := o.member(in, i)
		switch {
		case v.isNull():
			*c = change{place: c.place, moved: true, gone: true}
			continue
		case c.gone:
			*c = change{label: in.labels[i], moved: true, place: len(o.order)}
			o.order = append(o.order, o.names.find([]byte(in.names.list[i])))
		}
		c.patch(v)
	}
}

// member returns the change of the i-th member of a patch.
func (o *changes) member(in *inner, i int) *change {
	at := o.names.find([]byte(in.names.list[i]))
	if at < 0 {
		at = len(o.members)
		o.names.add(in.names.list[i])
		o.members = append(o.members, change{label: in.labels[i], place: len(o.order)})
		o.order = append(o.order, at)
	}
	return &o.members[at]
}

// append appends what becomes of a value that is not there, or does not count.
func (c *change) append(buf []byte) []byte {
	if c.in == nil {
		return append(buf, c.raw...)
	}
	buf = append(buf, '{')
	return append(c.in.appendNew(buf, len(buf)), '}')
}

// appendNew appends the members that the state has not had. Those of the object begin at start.
func (o *changes) appendNew(buf []byte, start int) []byte {
	for place, at := range o.order {
		c := &o.members[at]
		if c.place != place || c.gone || c.seen {
			continue
		}
		if len(buf) > start {
			buf = append(buf, ',')
		}
		buf = append(append(buf, c.label...), ':')
		buf = c.append(buf)
	}
	return buf
}
