package middleware

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"github.com/fiberflow/flow"
)

const (
	// maxToken is how many bytes a token may have. Nobody knows yet who sent it.
	maxToken = 16 << 10
	// maxNesting is how deep the JSON of a token may be: what reads it may recurse.
	maxNesting = 32
	// endOfTime is the year 10000, in Unix seconds. Later times cannot be written in most places.
	endOfTime = 253402300800
)

// claims are those of a token. Their times are read more strictly than the library does, to which an
// exp of 1e300 is a time.
type claims struct{ jwt.MapClaims }

// GetExpirationTime implements [jwt.Claims].
func (c claims) GetExpirationTime() (*jwt.NumericDate, error) { return c.time("exp") }

// GetNotBefore implements [jwt.Claims].
func (c claims) GetNotBefore() (*jwt.NumericDate, error) { return c.time("nbf") }

// GetIssuedAt implements [jwt.Claims].
func (c claims) GetIssuedAt() (*jwt.NumericDate, error) { return c.time("iat") }

func (c claims) time(name string) (*jwt.NumericDate, error) {
	v, ok := c.MapClaims[name]
	if !ok {
		return nil, nil
	}
	seconds, ok := v.(float64)
	if !ok || seconds < 0 || seconds >= endOfTime {
		return nil, fmt.Errorf("claim %s is no time: %w", name, jwt.ErrInvalidType)
	}
	return jwt.NewNumericDate(time.Unix(int64(seconds), 0)), nil
}

// user returns whom a token is about, when its signature and times are good.
func (c claims) user() (flow.User, error) {
	id, _ := c.MapClaims["sub"].(string)
	if len(id) < 1 || len(id) > 255 {
		return flow.User{}, errors.New("claim sub must be a text of 1 to 255 bytes")
	}
	// What is not text in JSON is read as U+FFFD, and then two users would be one.
	if strings.ContainsRune(id, utf8.RuneError) || strings.ContainsFunc(id, unicode.IsControl) {
		return flow.User{}, errors.New("claim sub must be text without control characters")
	}
	expires, err := c.GetExpirationTime()
	if err != nil || expires == nil {
		return flow.User{}, errors.New("claim exp must be a time")
	}
	user := flow.User{ID: id, Expires: expires.Time, Claims: c.MapClaims}
	user.Name, _ = c.MapClaims["name"].(string)
	user.Picture, _ = c.MapClaims["picture"].(string)
	return user, nil
}

// wellFormed looks at a token of anybody's before more is done with it: it is no longer and no deeper
// than a token needs, and can be read in one way only.
func wellFormed(token string) error {
	if len(token) > maxToken {
		return fmt.Errorf("a token may have at most %d bytes", maxToken)
	}
	// Decoders of base64 skip line feeds, which would give one token many spellings.
	if strings.Trim(token, alphanumeric+"-_.") != "" {
		return errors.New("a token has letters, digits, and -_. only")
	}
	header, rest, _ := strings.Cut(token, ".")
	claims, _, _ := strings.Cut(rest, ".")
	for _, part := range []string{header, claims} {
		data, err := base64.RawURLEncoding.Strict().DecodeString(part)
		if err != nil || !utf8.Valid(data) {
			return jwt.ErrTokenMalformed
		}
		if err := plainJSON(json.NewDecoder(bytes.NewReader(data)), maxNesting); err != nil {
			return err
		}
	}
	return nil
}

// plainJSON refuses a value that is nested deeper than this, or has a member twice: what checked the
// token before us may have read the other one.
func plainJSON(d *json.Decoder, nesting int) error {
	first, err := d.Token()
	if err != nil {
		return jwt.ErrTokenMalformed
	}
	opening, ok := first.(json.Delim)
	if !ok {
		return nil
	}
	if nesting == 0 {
		return fmt.Errorf("the JSON of a token may be nested %d deep", maxNesting)
	}
	names := map[any]bool{}
	for d.More() {
		if opening == '{' {
			name, err := d.Token()
			if err != nil {
				return jwt.ErrTokenMalformed
			}
			if names[name] {
				return errors.New("a token has no member twice")
			}
			names[name] = true
		}
		if err := plainJSON(d, nesting-1); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return jwt.ErrTokenMalformed
	}
	return nil
}
