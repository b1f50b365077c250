package redistest

import (
	"crypto/rand"
	"strings"
	"testing"
)

// Prefix returns a key prefix that no other test uses.
func Prefix(t testing.TB) string {
	t.Helper()
	return "test-" + strings.ToLower(rand.Text()[:12])
}
