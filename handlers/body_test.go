package handlers

import (
	"encoding/json"
	"testing"

	"github.com/fiberflow/flow"
)

// Whatever is decoded was one JSON object, with the values that its text says; everything else is
// invalid_message. Nothing panics.
func FuzzDecodeObject(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"name":"n","data":{"a":[1,null]}}`,
		`{"name":"n","name":"n"}`, `{"Name":"n"}`, `{"name":null,"data":null}`,
		`[]`, `{`, `{"name":"n"}{}`, `{"name"}`, `{"a":1,}`, "{\"name\":\"\xff\"}", `{"data":1e999}`, ``, `null`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var (
			name string
			data json.RawMessage
		)
		err := decodeObject(text, map[string]any{"name": &name, "data": &data})
		if err != nil {
			if flow.ErrorCode(err) != flow.CodeInvalidMessage {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		var reference map[string]json.RawMessage
		if err := json.Unmarshal(text, &reference); err != nil {
			t.Fatalf("%q was taken, and is no object: %v", text, err)
		}
		if string(reference["data"]) != string(data) {
			t.Errorf("%q: data %s, want %s", text, data, reference["data"])
		}
		var want string
		if raw, there := reference["name"]; there && json.Unmarshal(raw, &want) != nil || want != name {
			t.Errorf("%q: name %q, want %q", text, name, want)
		}
	})
}
