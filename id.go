package flow

import (
	"crypto/rand"
	"strings"
)

// newID returns a random name of 16 letters and digits, 80 bits: nobody guesses it and no two meet.
func newID() string { return strings.ToLower(rand.Text()[:16]) }

// ValidRoom reports whether id can name a room: [A-Za-z0-9][A-Za-z0-9._:~-]{0,127}.
func ValidRoom(id string) bool {
	if len(id) < 1 || len(id) > 128 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		letter := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		mark := c == '.' || c == '_' || c == ':' || c == '~' || c == '-'
		if !letter && (i == 0 || !mark) {
			return false
		}
	}
	return true
}
