//go:build linux

package load

import (
	"bytes"
	"encoding/json"
	"time"
)

// mark stands before the moment when something was sent.
const mark = '~'

// text takes what the server says. Once a user has joined, messages are only looked through for marks:
// that what was sent arrived is known by counting.
func (u *User) text(text []byte) {
	switch {
	case bytes.HasPrefix(text, []byte(`{"type":"op"`)), bytes.HasPrefix(text, []byte(`{"type":"event"`)):
		u.heard(text)
	case bytes.HasPrefix(text, []byte(`{"type":"presence"`)):
		if !bytes.Contains(text[:min(len(text), 256)], []byte(`,"reset":true`)) {
			u.heard(text)
		}
	case u.joined && bytes.HasPrefix(text, []byte(`[`)):
		u.heard(text)
	case bytes.HasPrefix(text, []byte(`[`)):
		var messages []json.RawMessage
		if err := json.Unmarshal(text, &messages); err != nil {
			u.fleet.fault("the server said %.200s: %w", text, err)
		}
		for _, message := range messages {
			u.text(message)
		}
	default:
		u.word(text)
	}
}

// heard finds the marks of a text.
func (u *User) heard(text []byte) {
	f := u.fleet
	for {
		i := bytes.IndexByte(text, mark)
		if i < 0 {
			return
		}
		text = text[i+1:]
		rest, ok := bytes.CutPrefix(text, []byte(`":`))
		if !ok {
			continue
		}
		sent, rest := leadingNumber(rest)
		if rest, ok = bytes.CutPrefix(rest, []byte(`,"u":`)); !ok {
			continue
		}
		author, rest := leadingNumber(rest)
		f.Heard(u, int(author), f.now-time.Duration(sent)*time.Microsecond)
		text = rest
	}
}

// word takes what is said rarely.
func (u *User) word(text []byte) {
	var word struct {
		Type     string `json:"type"`
		Session  string `json:"session"`
		Resume   string `json:"resume"`
		Resumed  bool   `json:"resumed"`
		Position string `json:"position"`
		N        uint64 `json:"n"`
	}
	if err := json.Unmarshal(text, &word); err != nil {
		u.fleet.fault("the server said %.200s: %w", text, err)
		return
	}
	switch word.Type {
	case "welcome", "pong", "snapshot-wanted":
	case "queued": // Redis takes long; the operation itself comes
	case "joined":
		if back := u.resume != ""; back != word.Resumed || word.N != u.n || back && word.Position != u.position {
			u.fleet.fault("joined at %s with n %d: %.200s", u.position, u.n, text)
		}
		u.joined, u.session, u.resume, u.position = true, word.Session, word.Resume, word.Position
		u.fleet.joined++
	default:
		if u.fleet.Ended == nil || word.Type != "bye" {
			u.fleet.fault("the server said %.200s", text)
		}
	}
}
