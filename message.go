package flow

import (
	"bytes"
	"strconv"
)

// maxArray is the most messages that one text may hold.
const maxArray = 256

// message is one decoded message of a client. Strings and slices are copies.
type message struct {
	kind     string
	id       string
	room     string
	resume   string
	position string
	token    string
	name     string
	n        uint64
	ttl      []byte // as it is written; nil when missing
	data     []byte // nil when missing
	presence []byte // nil when missing; else an object
	to       *Target
	echo     bool
	err      *Error // what is wrong with it; the fields read so far are good
}

// field names a member of the envelope; the set of those seen finds repeats.
type field uint16

const (
	fieldKind field = 1 << iota
	fieldID
	fieldRoom
	fieldResume
	fieldPosition
	fieldToken
	fieldName
	fieldN
	fieldData
	fieldPresence
	fieldTo
	fieldEcho
	fieldTTL
)

// decodeText calls handle for each message of one text: one object, or an array of at most 256. A text
// that is neither is an error, and nothing of it is handled.
func decodeText(text []byte, handle func(*message)) error {
	if !validJSON(text) {
		return Errorf(CodeInvalidMessage, "a message must be one JSON text")
	}
	switch trimmed := bytes.TrimLeft(text, " \t\r\n"); trimmed[0] {
	case '{':
		m := decodeMessage(trimmed)
		handle(&m)
		return nil
	case '[':
		return decodeArray(trimmed, handle)
	default:
		return Errorf(CodeInvalidMessage, "a message must be an object, or an array of objects")
	}
}

func decodeArray(array []byte, handle func(*message)) error {
	count := 0
	elements(array, func([]byte) { count++ })
	if count > maxArray {
		return Errorf(CodeInvalidMessage, "an array may hold at most 256 messages")
	}
	elements(array, func(element []byte) {
		m := message{err: Errorf(CodeInvalidMessage, "an element of an array must be a message object")}
		if element[0] == '{' {
			m = decodeMessage(element)
		}
		handle(&m)
	})
	return nil
}

// decodeMessage reads the envelope of a valid JSON object.
func decodeMessage(object []byte) message {
	var m message
	var seen field
	var badID *Error
	members(object, func(name, value []byte, spaced bool) bool {
		f := fieldOf(name)
		if f == 0 {
			return true
		}
		if seen&f != 0 {
			m.err = firstError(m.err, Errorf(CodeInvalidMessage, "repeated member "+string(name)))
			return true // its id and room may still come
		}
		seen |= f
		err := m.set(f, name, value, spaced)
		if err == nil {
			return true
		}
		if f == fieldID {
			badID = err
			return true
		}
		m.err = firstError(m.err, err)
		return true
	})
	if m.err == nil && seen&fieldKind == 0 {
		m.err = Errorf(CodeInvalidMessage, "type is missing")
	}
	if m.kind != "op" { // an op's id is ignored, whatever it is: n is its id
		m.err = firstError(m.err, badID)
	}
	return m
}

// firstError keeps the error that was found first.
func firstError(have, found *Error) *Error {
	if have != nil {
		return have
	}
	return found
}

// fieldOf returns the member that a raw name means, 0 for one the contract does not know.
func fieldOf(raw []byte) field {
	f := fieldNamed(string(raw)) // the string does not outlive the call, and is not copied
	if f == 0 && bytes.IndexByte(raw, '\\') >= 0 {
		return fieldNamed(unquoteEscaped(raw))
	}
	return f
}

func fieldNamed(name string) field {
	switch name {
	case "type":
		return fieldKind
	case "id":
		return fieldID
	case "room":
		return fieldRoom
	case "resume":
		return fieldResume
	case "position":
		return fieldPosition
	case "token":
		return fieldToken
	case "name":
		return fieldName
	case "n":
		return fieldN
	case "data":
		return fieldData
	case "presence":
		return fieldPresence
	case "to":
		return fieldTo
	case "echo":
		return fieldEcho
	case "ttl":
		return fieldTTL
	default:
		return 0
	}
}

// set reads one member into m.
func (m *message) set(f field, name, value []byte, spaced bool) *Error {
	switch f {
	case fieldN:
		return m.setN(value)
	case fieldData:
		m.data = compacted(value, spaced)
		return nil
	case fieldPresence:
		if value[0] != '{' {
			return Errorf(CodeInvalidMessage, "presence must be an object")
		}
		m.presence = compacted(value, spaced)
		return nil
	case fieldTo:
		return m.setTo(value)
	case fieldTTL:
		m.ttl = bytes.Clone(value) // only a lock's has to be good
		return nil
	case fieldEcho:
		m.echo = value[0] == 't'
		if value[0] != 't' && value[0] != 'f' {
			return Errorf(CodeInvalidMessage, "echo must be true or false")
		}
		return nil
	default:
		return m.setString(f, name, value)
	}
}

func (m *message) setString(f field, name, value []byte) *Error {
	if value[0] != '"' {
		return Errorf(CodeInvalidMessage, string(name)+" must be a string")
	}
	if f == fieldKind && string(value) == `"op"` {
		m.kind = "op" // the most common one, without a copy
		return nil
	}
	s := unquote(value[1 : len(value)-1])
	switch f {
	case fieldKind:
		m.kind = s
	case fieldID:
		if len(s) < 1 || len(s) > 64 {
			return Errorf(CodeInvalidMessage, "id must have 1 to 64 bytes")
		}
		m.id = s
	case fieldRoom:
		m.room = s
	case fieldResume:
		m.resume = s
	case fieldPosition:
		m.position = s
	case fieldToken:
		m.token = s
	default:
		m.name = s
	}
	return nil
}

func (m *message) setN(value []byte) *Error {
	n, err := strconv.ParseUint(string(value), 10, 64)
	if err != nil || n < 1 || n > MaxN {
		return Errorf(CodeInvalidMessage, "n must be a whole number from 1 to 2^53-1")
	}
	m.n = n
	return nil
}

func (m *message) setTo(value []byte) *Error {
	bad := Errorf(CodeInvalidMessage, `to must be {"session": "…"} or {"user": "…"}`)
	if value[0] != '{' {
		return bad
	}
	var to Target
	ok, count := true, 0
	members(value, func(name, v []byte, _ bool) bool {
		target := &to.Session
		switch unquote(name) {
		case "session":
		case "user":
			target = &to.User
		default:
			return true
		}
		count++
		if v[0] != '"' || len(v) == 2 {
			ok = false
			return false
		}
		*target = unquote(v[1 : len(v)-1])
		return true
	})
	if !ok || count != 1 {
		return bad
	}
	m.to = &to
	return nil
}

// compacted copies a value out of the reader's buffer, without white space outside strings.
func compacted(value []byte, spaced bool) []byte {
	if spaced {
		return compactJSON(value)
	}
	return bytes.Clone(value)
}
