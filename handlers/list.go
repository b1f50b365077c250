package handlers

import (
	"strconv"
	"strings"

	"github.com/fiberflow/flow"
)

const (
	defaultLimit = 100
	maxLimit     = 1000
)

// limit returns how many entries the client asks for, capped.
func (r *request) limit() (int, error) {
	text := r.c.Query("limit")
	if text == "" {
		return defaultLimit, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == 0 {
		return 0, flow.Errorf(flow.CodeInvalidMessage, "limit must be a whole number above 0")
	}
	return int(min(n, maxLimit)), nil
}

// after returns the entry that the client has seen last, "" at the start.
func (r *request) after() string { return strings.Clone(r.c.Query("after")) }

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
