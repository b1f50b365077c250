package flow

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// Participant is a session as others see it.
type Participant struct {
	Session  string          `json:"session"`
	User     string          `json:"user"`
	Profile  Profile         `json:"profile"`
	Presence json.RawMessage `json:"presence"` // an object
	Joined   int64           `json:"joined"`   // Unix milliseconds
}

// LeaveReason says why a session is no longer in the list.
type LeaveReason string

// The reasons of the contract. Others see forbidden as kicked.
const (
	LeaveLeft         LeaveReason = "left"
	LeaveDisconnected LeaveReason = "disconnected"
	LeaveKicked       LeaveReason = "kicked"
	LeaveReplaced     LeaveReason = "replaced"
	LeaveExpired      LeaveReason = "expired"
	LeaveShutdown     LeaveReason = "shutdown"
	LeaveForbidden    LeaveReason = "forbidden"
	LeaveDeleted      LeaveReason = "deleted"
)

// presence is a session's merged presence object, sorted by name. It is changed by replacing it, so a
// copy stays as it is.
type presence []presenceKey

type presenceKey struct {
	name  string // as a JSON string, with quotes
	value []byte // nil in a patch: remove
}

// parsePresence reads a valid JSON object as a patch: a null removes a key, the last of repeated keys
// counts. Anything else reads as an empty one.
func parsePresence(object []byte) presence {
	var patch presence
	if len(object) == 0 || object[0] != '{' {
		return nil
	}
	members(object, func(name, value []byte, _ bool) bool {
		key := presenceKey{name: string(appendString(nil, unquote(name)))}
		if value[0] != 'n' {
			key.value = value
		}
		patch = patch.with(key)
		return true
	})
	return patch
}

// with returns p with one key set.
func (p presence) with(key presenceKey) presence {
	i, found := slices.BinarySearchFunc(p, key.name, func(k presenceKey, name string) int {
		return strings.Compare(k.name, name)
	})
	if found {
		p[i] = key
		return p
	}
	return slices.Insert(p, i, key)
}

// merge returns a new object with the keys of the patch replaced or removed.
func (p presence) merge(patch presence) presence {
	merged := slices.Grow(slices.Clone(p), len(patch))
	for _, key := range patch {
		merged = merged.with(key)
	}
	return slices.DeleteFunc(merged, func(k presenceKey) bool { return k.value == nil })
}

// diff returns the patch that makes after of p.
func (p presence) diff(after presence) (patch presence) {
	was := map[string][]byte{}
	for _, key := range p {
		was[key.name] = key.value
		patch = patch.with(presenceKey{name: key.name})
	}
	for _, key := range after {
		patch = patch.with(key)
	}
	return slices.DeleteFunc(patch, func(k presenceKey) bool {
		return k.value != nil && bytes.Equal(was[k.name], k.value)
	})
}

// size returns the length of the object's text, without what the server itself puts there.
func (p presence) size() int {
	size := len("{}") + max(0, len(p)-1) // commas
	for _, key := range p {
		if key.name == locksKey {
			continue
		}
		size += len(key.name) + len(":") + len(key.value)
	}
	return size
}

// appendTo appends the object; keys to remove are null.
func (p presence) appendTo(buf []byte) []byte {
	buf = append(buf, '{')
	for i, key := range p {
		if i > 0 {
			buf = append(buf, ',')
		}
		buf = append(append(buf, key.name...), ':')
		if key.value == nil {
			buf = append(buf, "null"...)
			continue
		}
		buf = append(buf, key.value...)
	}
	return append(buf, '}')
}

// appendParticipant appends a participant.
func appendParticipant(buf []byte, p Participant) []byte {
	buf = appendRaw(appendWho(buf, p.Session, p.User, p.Profile), "presence", p.Presence)
	return append(appendNumber(buf, "joined", p.Joined), '}')
}

// appendWho begins a participant.
func appendWho(buf []byte, session, user string, profile Profile) []byte {
	buf = appendString(append(buf, `{"session":`...), session)
	buf = appendField(buf, "user", user)
	buf = appendString(append(buf, `,"profile":{"color":`...), profile.Color)
	buf = appendOptional(buf, "name", profile.Name)
	return append(appendOptional(buf, "picture", profile.Picture), '}')
}
