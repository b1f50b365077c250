package flow

import (
	"hash/fnv"
	"strings"
	"time"
	"unicode/utf8"
)

// User is who somebody is, as the application's authentication tells it.
type User struct {
	ID        string    // 1 to 255 bytes of UTF-8
	Name      string    // for the profile; may be empty, and is cut at 256 bytes
	Picture   string    // URL for the profile; may be empty, and is left out beyond 2,048 bytes
	Anonymous bool      // an id of its own per socket
	Admin     bool      // acts as owner of every room
	Expires   time.Time // when the authentication ends; zero: never
	// Claims are what else the token said. They are for the Authorize hook, and never sent.
	Claims map[string]any
}

// Profile is what others see of a user. It is what the server knows, never what a client claims.
type Profile struct {
	Name    string `json:"name,omitempty"`
	Picture string `json:"picture,omitempty"`
	Color   string `json:"color"` // "#rrggbb", the same on every instance
}

// Profile returns what others see of u.
func (u User) Profile() Profile {
	return Profile{Name: u.Name, Picture: u.Picture, Color: colorOf(u.ID)}
}

// valid reports whether the id can be used on the wire and as a key.
func (u User) valid() bool {
	return len(u.ID) >= 1 && len(u.ID) <= 255 && utf8.ValidString(u.ID) && !strings.ContainsRune(u.ID, 0)
}

// colorOf picks one of a set of colours that read well on white, by the hash of the id, so that
// everybody keeps one colour on every instance without asking anybody.
func colorOf(id string) string {
	palette := [...]string{
		"#c2410c", "#b45309", "#4d7c0f", "#15803d", "#0f766e", "#0e7490", "#0369a1", "#1d4ed8",
		"#4338ca", "#6d28d9", "#a21caf", "#be185d", "#be123c", "#b91c1c", "#7c5e10", "#475569",
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(id)) // hash.Hash documents that Write never fails
	return palette[h.Sum32()%uint32(len(palette))]
}
