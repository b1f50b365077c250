//go:build linux

package load

import (
	"bytes"
	"strconv"
)

// Commands of a client of Centrifuge have numbers; the first ones are the same for everybody.
const (
	connectID = 1 + iota
	subscribeID
	presenceID
)

// centrifuge is a user of a server on the Centrifuge library. Operations, events and positions of cursors
// are publications in one channel, whose members all get them, the author too: that is what counts, for
// the author as the acknowledgement. The reply to a publication comes after it.
type centrifuge struct {
	*User

	channel string
	push    []byte // what everything begins with that comes through the channel
	id      uint64 // of the last command
	epoch   string // of the history, as of the subscription; empty before the first
	offset  uint64
}

func newCentrifuge(u *User) *centrifuge {
	c := &centrifuge{User: u, channel: "kept:" + u.room}
	if u.fleet.config.Fleeting {
		c.channel = u.room
	}
	c.push = []byte(`{"push":{"channel":"` + c.channel + `","`)
	return c
}

// opened connects and subscribes at once, as clients of Centrifuge do.
func (c *centrifuge) opened() {
	c.id = presenceID
	c.send(textFrame, func(buf []byte) []byte {
		buf = append(buf, `{"id":1,"connect":{}}`+"\n"+`{"id":2,"subscribe":{"channel":"`...)
		buf = append(append(buf, c.channel...), '"')
		if c.epoch != "" {
			buf = append(append(buf, `,"recover":true,"epoch":"`...), c.epoch...)
			buf = strconv.AppendUint(append(buf, `","offset":`...), c.offset, 10)
		}
		buf = append(buf, `}}`...)
		if c.fleet.config.Presence {
			buf = append(append(buf, "\n"+`{"id":3,"presence":{"channel":"`...), c.channel...)
			buf = append(buf, `"}}`...)
		}
		return buf
	})
}

func (c *centrifuge) operate() { c.publish(c.appendData) }

func (c *centrifuge) say() { c.publish(c.appendData) }

func (c *centrifuge) move() { c.publish(c.appendCursor) }

func (c *centrifuge) publish(appendData func(buf []byte) []byte) {
	c.id++
	c.send(textFrame, func(buf []byte) []byte {
		buf = strconv.AppendUint(append(buf, `{"id":`...), c.id, 10)
		buf = append(append(buf, `,"publish":{"channel":"`...), c.channel...)
		return append(appendData(append(buf, `","data":`...)), `}}`...)
	})
}

// text takes a frame: replies and pushes, one on each line.
func (c *centrifuge) text(text []byte) {
	for len(text) > 0 {
		var line []byte
		line, text, _ = bytes.Cut(text, []byte{'\n'})
		switch {
		case bytes.HasPrefix(line, c.push):
			c.pushed(line[len(c.push):], line)
		case bytes.HasPrefix(line, []byte(`{"id":`)):
			c.reply(line)
		case string(line) == "{}": // a ping
			c.send(textFrame, func(buf []byte) []byte { return append(buf, "{}"...) })
		default:
			c.fleet.fault("the server said %.200s", line)
		}
	}
}

func (c *centrifuge) pushed(what, line []byte) {
	switch {
	case bytes.HasPrefix(what, []byte(`pub":{`)):
		c.heard(what)
	case bytes.HasPrefix(what, []byte(`join":{`)), bytes.HasPrefix(what, []byte(`leave":{`)):
	default:
		c.fleet.fault("the server said %.200s", line)
	}
}

func (c *centrifuge) reply(line []byte) {
	id, rest := leadingNumber(line[len(`{"id":`):])
	switch {
	case id > presenceID && string(rest) == `,"publish":{}}`:
	case id == connectID && bytes.HasPrefix(rest, []byte(`,"connect":{`)):
	case id == subscribeID && bytes.HasPrefix(rest, []byte(`,"subscribe":{`)):
		c.subscribed(rest)
	case id == presenceID && bytes.HasPrefix(rest, []byte(`,"presence":{`)):
	default:
		c.fleet.fault("the server said %.200s", line)
	}
}

// subscribed notes where the channel stands. What was missed is in between, and would be slow to decode.
func (c *centrifuge) subscribed(reply []byte) {
	if c.epoch != "" && !bytes.Contains(reply, []byte(`,"recovered":true`)) {
		c.fleet.fault("not recovered from %s, %d: %.200s", c.epoch, c.offset, reply)
	}
	_, epoch, _ := bytes.Cut(reply, []byte(`"epoch":"`))
	epoch, _, _ = bytes.Cut(epoch, []byte{'"'})
	c.epoch, c.offset = string(epoch), 0
	c.heard(reply)
	// Behind what was missed stands where the client was, and not where it is.
	reply, _, _ = bytes.Cut(reply, []byte(`],"recovered":`))
	if i := bytes.LastIndex(reply, []byte(`"offset":`)); i >= 0 {
		c.offset, _ = leadingNumber(reply[i+len(`"offset":`):])
	}
	c.joined = true
	c.fleet.joined++
}
