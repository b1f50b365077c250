package middleware

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret is a text that must not be printed: every common way to print it shows ***. Convert it to a
// string to use it.
type Secret string

// String returns ***, or nothing for an empty secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// Format prints what String returns, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, s.String()) // fmt has no use for the error
}

// MarshalText returns what String returns.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue returns what String returns.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// Format prints the fields. It is there for verbs that do not fit: about a pointer to settings they would
// print the secrets, too, and not ask them.
func (s Settings) Format(f fmt.State, verb rune) {
	type fields Settings
	_, _ = fmt.Fprintf(f, fmt.FormatString(f, verb), fields(s))
}
