package mergepatch_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// value returns what encoding/json reads, which takes the last of repeated members too. It cannot tell
// halves of surrogate pairs apart.
func value(t rapid.TB, text []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// isCompact reports whether a text is one JSON text without white space.
func isCompact(text []byte) bool {
	var compact bytes.Buffer
	return json.Compact(&compact, text) == nil && bytes.Equal(compact.Bytes(), text)
}
