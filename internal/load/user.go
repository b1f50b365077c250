//go:build linux

package load

import (
	"strconv"
	"time"
)

// User is a user of a [Fleet]: a socket that has joined one room.
type User struct {
	socket

	// Number is its place in [Fleet.Users], Instance that of the server in FleetConfig.Addrs.
	Number, Instance int
	// ReadBuffer is how many bytes the kernel keeps for the user; 0 lets it decide. It is set before joining.
	ReadBuffer int

	fleet    *Fleet
	voice    voice
	room     string
	joined   bool
	session  string
	resume   string // the token to come back with
	position string // of joined
	n        uint64 // of the session's last operation
}

func newUser(f *Fleet, number int, room string, instance int) *User {
	u := &User{Number: number, Instance: instance, fleet: f, room: room}
	u.state = closed
	u.voice = f.config.Dialect.voice(u)
	u.ear = u.voice
	return u
}

// dial connects and joins, with the session from before if there was one.
func (u *User) dial() error {
	u.joined = false
	return u.fleet.dial(&u.socket, u.fleet.addrs[u.Instance], u.fleet.config.Path, u.ReadBuffer)
}

func (u *User) opened() { u.send(textFrame, u.appendJoin) }

func (u *User) ended(err error) {
	u.fleet.ended++
	if u.fleet.Ended != nil {
		u.fleet.Ended(u, err)
		return
	}
	u.fleet.fault("connection of user %d lost: %w", u.Number, err)
}

func (u *User) appendJoin(buf []byte) []byte {
	buf = append(append(buf, `{"type":"join","id":"1","room":"`...), u.room...)
	if u.resume != "" {
		buf = append(append(buf, `","resume":"`...), u.resume...)
		buf = append(append(buf, `","position":"`...), u.position...)
	}
	return append(buf, `"}`...)
}

// Operate sends the session's next operation.
func (u *User) Operate() { u.voice.operate() }

// Say sends an event to the room, the user included.
func (u *User) Say() { u.voice.say() }

// Move sends a new place of the user's cursor.
func (u *User) Move() { u.voice.move() }

func (u *User) operate() {
	u.n++
	u.send(textFrame, func(buf []byte) []byte {
		buf = append(append(buf, `{"type":"op","room":"`...), u.room...)
		buf = strconv.AppendUint(append(buf, `","n":`...), u.n, 10)
		return append(u.appendData(append(buf, `,"data":`...)), '}')
	})
}

func (u *User) say() {
	u.send(textFrame, func(buf []byte) []byte {
		buf = append(append(buf, `{"type":"event","room":"`...), u.room...)
		return append(u.appendData(append(buf, `","name":"say","echo":true,"data":`...)), '}')
	})
}

func (u *User) move() {
	u.send(textFrame, func(buf []byte) []byte {
		buf = append(append(buf, `{"type":"presence","room":"`...), u.room...)
		return append(u.appendCursor(append(buf, `","data":`...)), '}')
	})
}

// appendMark appends the beginning of an object that tells when and by whom it was sent. No other text of
// a server has the sign ~ before a quote, so receivers find it with one fast search.
func (u *User) appendMark(buf []byte) []byte {
	buf = strconv.AppendInt(append(buf, `{"~":`...), int64(u.fleet.Look()/time.Microsecond), 10)
	return strconv.AppendInt(append(buf, `,"u":`...), int64(u.Number), 10)
}

// appendCursor appends an object with the place of the cursor.
func (u *User) appendCursor(buf []byte) []byte {
	buf = u.appendMark(append(buf, `{"cursor":`...))
	now := int64(u.fleet.now / time.Millisecond)
	buf = strconv.AppendInt(append(buf, `,"x":`...), now%1920, 10)
	buf = strconv.AppendInt(append(buf, `,"y":`...), now%1080, 10)
	return append(buf, `}}`...)
}

// appendData appends an object of as many bytes as the fleet's config says.
func (u *User) appendData(buf []byte) []byte {
	begin := len(buf)
	buf = append(u.appendMark(buf), `,"text":"`...)
	left := u.fleet.config.Bytes - (len(buf) - begin) - len(`"}`)
	return append(append(buf, u.fleet.padding[:max(left, 0)]...), `"}`...)
}

// Drop ends the connection as a client does that vanishes. [Fleet.Join] brings it back.
func (u *User) Drop() { u.close() }

// Stall stops reading, or goes on.
func (u *User) Stall(stalled bool) { u.stall(stalled) }

// Backlog is how many bytes wait to be sent.
func (u *User) Backlog() int { return len(u.out) }
