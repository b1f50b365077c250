package flow

import (
	"crypto/sha1" //nolint:gosec // fixed by the wire contract; it links, it does not protect
	"encoding/hex"
	"strconv"
	"strings"
)

// Hash names a whole prefix of a log: the first 8 bytes of a SHA-1 over the hash before it and the
// operation. Its text is 16 lower-case hexadecimal digits.
type Hash uint64

// Digest is the SHA-1 of an operation's data as stored.
type Digest [sha1.Size]byte

// DigestOf returns the digest of data.
func DigestOf(data []byte) Digest { return sha1.Sum(data) } //nolint:gosec // see the import

// String returns the digest in lower-case hexadecimal.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// Next returns the hash after one more operation: the first 16 hexadecimal digits of
// SHA-1(hash LF session LF n LF digest), as protocol section 1.4 defines it.
func (h Hash) Next(session string, n uint64, digest Digest) Hash {
	buf := make([]byte, 0, 128)
	buf = h.AppendTo(buf)
	buf = append(buf, '\n')
	buf = append(buf, session...)
	buf = append(buf, '\n')
	buf = strconv.AppendUint(buf, n, 10)
	buf = append(buf, '\n')
	buf = hex.AppendEncode(buf, digest[:])
	sum := sha1.Sum(buf) //nolint:gosec // see the import
	var next Hash
	for _, b := range sum[:8] {
		next = next<<8 | Hash(b)
	}
	return next
}

// AppendTo appends the 16 digits of h to buf.
func (h Hash) AppendTo(buf []byte) []byte {
	const digits = "0123456789abcdef"
	for shift := 60; shift >= 0; shift -= 4 {
		buf = append(buf, digits[h>>shift&0xf])
	}
	return buf
}

// String returns the 16 digits of h.
func (h Hash) String() string { return string(h.AppendTo(make([]byte, 0, 16))) }

// ParseHash reads 16 lower-case hexadecimal digits; ok is false for anything else.
func ParseHash(s string) (h Hash, ok bool) {
	if len(s) != 16 {
		return 0, false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			h = h<<4 | Hash(c-'0')
		case 'a' <= c && c <= 'f':
			h = h<<4 | Hash(c-'a'+10)
		default:
			return 0, false
		}
	}
	return h, true
}

// Position is a point in a log that names the whole prefix before it: equal positions, equal
// prefixes. The zero Position is the empty log.
type Position struct {
	Seq  uint64
	Hash Hash
}

// ParsePosition reads "seq:hash". Anything else is [CodeInvalidMessage].
func ParsePosition(s string) (Position, error) {
	left, right, _ := strings.Cut(s, ":")
	seq, err := strconv.ParseUint(left, 10, 53)
	hash, ok := ParseHash(right)
	canonical := err == nil && ok && strconv.FormatUint(seq, 10) == left
	if !canonical || (seq == 0 && hash != 0) {
		return Position{}, Errorf(CodeInvalidMessage, `position must be "<seq>:<16 hexadecimal digits>"`)
	}
	return Position{Seq: seq, Hash: hash}, nil
}

// Next returns the position after one more operation.
func (p Position) Next(session string, n uint64, digest Digest) Position {
	return Position{Seq: p.Seq + 1, Hash: p.Hash.Next(session, n, digest)}
}

// AppendTo appends the text of p to buf.
func (p Position) AppendTo(buf []byte) []byte {
	buf = strconv.AppendUint(buf, p.Seq, 10)
	buf = append(buf, ':')
	return p.Hash.AppendTo(buf)
}

// String returns "seq:hash".
func (p Position) String() string { return string(p.AppendTo(make([]byte, 0, 24))) }
