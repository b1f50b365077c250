package redisx

import "encoding/base64"

// keys names what is stored; see the package comment.
type keys struct{ prefix string }

func (k keys) of(name string) string { return k.prefix + ":" + name }

// room returns a key of a room. Room ids have no braces, so the whole id is the hash tag.
func (k keys) room(room, name string) string { return k.prefix + ":{" + room + "}:" + name }

// encoded makes any text fit into a key: no braces, no spaces, nothing that a terminal minds.
func encoded(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
