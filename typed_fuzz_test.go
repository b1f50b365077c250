package flow_test

import (
	"encoding/json"
	"testing"

	"github.com/fiberflow/flow"
)

func FuzzDecode(f *testing.F) {
	for _, data := range []string{
		`{"title":"a","Title":"b"}`, `{"title":"a","t\u0069tle":null}`, `{"at":{"x":1,"X":0},"done":true}`,
		`{"more":{"k":"","K":"v"}}`, `{"path":[{"x":1},{}],"new":[[{"a":{}}]]}`, `null`, `"\ud800"`, `{"":0}`,
	} {
		f.Add([]byte(data))
	}
	// Whatever the data is: an error is a refusal; and when there is none, who reads names as they are
	// written, and the last one of several, as browsers do, reads the same.
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := flow.Decode[note](flow.Operation{Data: data})
		if err != nil {
			if flow.ErrorCode(err) != flow.CodeRejected || flow.ErrorMessage(err) == "" {
				t.Errorf("error = %v", err)
			}
			return
		}
		var fields, at map[string]json.RawMessage
		if err := json.Unmarshal(data, &fields); err != nil {
			t.Fatal(err)
		}
		same(t, fields["title"], got.Title)
		same(t, fields["done"], got.Done)
		if got.At == nil {
			return
		}
		if err := json.Unmarshal(fields["at"], &at); err != nil {
			t.Fatal(err)
		}
		same(t, at["x"], got.At.X)
	})
}

// same checks that a text, nil where there is none, holds a value.
func same[T comparable](t *testing.T, text json.RawMessage, want T) {
	t.Helper()
	var got T
	if text != nil {
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
	}
	if got != want {
		t.Errorf("got %v, a browser reads %v in %s", want, got, text)
	}
}
