package handlers

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/fiberflow/flow"
)

const (
	defaultLimit = 100
	maxLimit     = 1000
	// maxAfter is the longest id that a list is asked to go on after.
	maxAfter = 255
)

// limit returns how many entries the client asks for, capped.
func (r *request) limit() (int, error) { return parseLimit(r.c.Query("limit")) }

func parseLimit(text string) (int, error) {
	if text == "" {
		return defaultLimit, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == 0 {
		return 0, flow.Errorf(flow.CodeInvalidMessage, "limit must be a whole number above 0")
	}
	return int(min(n, maxLimit)), nil
}

// after returns the entry that the client has seen last, "" at the start. It may be any id, and need not be one
// that there is.
func (r *request) after() (string, error) {
	text := strings.Clone(r.c.Query("after"))
	if len(text) > maxAfter || !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return "", flow.Errorf(flow.CodeInvalidMessage, "after cannot be an id")
	}
	return text, nil
}

// page returns both: how many entries, after which.
func (r *request) page() (after string, limit int, err error) {
	if limit, err = r.limit(); err != nil {
		return "", 0, err
	}
	after, err = r.after()
	return after, limit, err
}

// next returns what to ask for after a full page; "" when the list has ended.
func next[T any](page []T, limit int, id func(T) string) string {
	if len(page) < limit {
		return ""
	}
	return id(page[len(page)-1])
}

// entries returns page, so that an empty list is [] on the wire.
func entries[T any](page []T) []T {
	if page == nil {
		return []T{}
	}
	return page
}
