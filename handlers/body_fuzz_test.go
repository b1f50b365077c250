package handlers

import (
	"encoding/json"
	"strings"
	"testing"
)

// What is taken for operations are 1 to 100 JSON texts that stand in the body; everything else is refused as the
// client's mistake. Nothing panics.
func FuzzDecodeSubmitted(f *testing.F) {
	for _, seed := range []string{
		`{"operations":[{"data":1}]}`, `{"operations":[{"data":null},{"data":{"a":[ 1 ]}}]}`, `{"operations":[]}`,
		`{"operations":[{}]}`, `{"operations":[1]}`, `{"operations":{"data":1}}`, `{"operations":null}`, `[]`, ``,
		`{"operations":[{"data":1,"data":2}]}`, `{"operations":[{"data":1e999}]}`, `{"operations":[{"data":"\ud800"}]}`,
		`{"operations":[` + strings.Repeat(`{"data":1},`, 100) + `{"data":1}]}`,
		`{"operations":[{"data":` + strings.Repeat("[", 600) + strings.Repeat("]", 600) + `}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		data, err := decodeSubmitted(body)
		wantCode(t, string(body), err)
		if err != nil {
			return
		}
		if len(data) < 1 || len(data) > maxSubmit {
			t.Fatalf("%q has %d operations", body, len(data))
		}
		for _, text := range data {
			if !json.Valid(text) || !strings.Contains(string(body), string(text)) {
				t.Errorf("%q has the operation %q", body, text)
			}
		}
	})
}

// What is taken for a snapshot has the position and the data that stand in the body; everything else is refused
// as the client's mistake. Nothing panics.
func FuzzDecodeSnapshot(f *testing.F) {
	const position = `"position":"12:0123456789abcdef"`
	for _, seed := range []string{
		`{` + position + `,"data":{"a":1}}`, `{` + position + `,"data":null}`, `{` + position + `}`, `{"data":1}`,
		`{"position":"12:","data":1}`, `{"position":12,"data":1}`, `{"position":"0:0123456789abcdef","data":1}`,
		`{` + position + `,` + position + `,"data":1}`, `{"data":1,` + position + `}}`, `null`, `"`, `{"\u0064ata":1}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s, err := decodeSnapshot(body)
		wantCode(t, string(body), err)
		if err != nil {
			return
		}
		var (
			reference map[string]json.RawMessage // names match exactly there
			at        string
		)
		if !json.Valid(s.Data) || !strings.Contains(string(body), string(s.Data)) {
			t.Errorf("%q has the data %q", body, s.Data)
		}
		if json.Unmarshal(body, &reference) != nil || json.Unmarshal(reference["position"], &at) != nil ||
			at != s.Position.String() {
			t.Errorf("%q is at %v", body, s.Position)
		}
	})
}

// What is taken for an event is named and addressed as the body says; everything else is refused as the client's
// mistake. Nothing panics.
func FuzzDecodeEvent(f *testing.F) {
	for _, seed := range []string{
		`{"name":"n","data":[1]}`, `{"name":"n","to":{"user":"u"}}`, `{"name":"n","to":{"session":"s","user":"u"}}`,
		`{"name":1}`, `{"name":"n","to":null}`, `{"name":"n","to":[]}`, `{"name":"n","to":{"user":null}}`,
		`{}`, `{"to":`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		event, err := decodeEvent(body)
		wantCode(t, string(body), err)
		if err == nil && (!json.Valid(body) || event.Data != nil && !json.Valid(event.Data)) {
			t.Errorf("%q is the event %v", body, event)
		}
	})
}
