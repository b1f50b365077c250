package handlers

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/fiberflow/flow"
)

// body returns a copy of the request's body as sent, of at most limit bytes.
func (r *request) body(limit int) ([]byte, error) {
	tooLarge := flow.Errorf(flow.CodeTooLarge, "the body is larger than "+strconv.Itoa(limit)+" bytes")
	if r.c.Request().Header.ContentLength() > limit {
		return nil, tooLarge
	}
	body, err := r.readBody(limit + 1)
	if err != nil {
		return nil, flow.Errorf(flow.CodeInvalidMessage, "the body could not be read")
	}
	if len(body) > limit {
		return nil, tooLarge
	}
	if !utf8.Valid(body) {
		return nil, flow.Errorf(flow.CodeInvalidMessage, "the body is not UTF-8")
	}
	return body, nil
}

// readBody reads up to most bytes. Content-Encoding is not looked at: nothing here inflates.
func (r *request) readBody(most int) ([]byte, error) {
	if stream := r.c.Context().RequestBodyStream(); stream != nil {
		return io.ReadAll(io.LimitReader(stream, int64(most)))
	}
	return bytes.Clone(r.c.BodyRaw()), nil
}

// fields decodes the request's body, one JSON object of at most the size of one message.
func (r *request) fields(into map[string]any) error {
	body, err := r.body(r.hub.Config().Limits.MessageBytes)
	if err != nil {
		return err
	}
	return decodeObject(body, into)
}

// decodeObject reads one JSON object: each member named in into goes where into points to. It is
// stricter than encoding/json where other parsers may read another meaning: names match exactly, none
// of those in into is repeated, and null is no value, except for opaque data. Others are ignored.
func decodeObject(text []byte, into map[string]any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return flow.Errorf(flow.CodeInvalidMessage, "expected a JSON object")
	}
	seen := make(map[string]bool, len(into))
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return flow.Errorf(flow.CodeInvalidMessage, "the JSON is broken")
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return flow.Errorf(flow.CodeInvalidMessage, "the JSON is broken")
		}
		key, _ := name.(string) // the decoder has seen to it
		target, wanted := into[key]
		if !wanted {
			continue
		}
		if seen[key] {
			return flow.Errorf(flow.CodeInvalidMessage, key+" is repeated")
		}
		seen[key] = true
		if err := decodeMember(key, value, target); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return flow.Errorf(flow.CodeInvalidMessage, "the JSON is broken")
	}
	if _, err := dec.Token(); err != io.EOF {
		return flow.Errorf(flow.CodeInvalidMessage, "there is something after the JSON object")
	}
	return nil
}

// decodeMember stores one member of an object.
func decodeMember(name string, value json.RawMessage, target any) error {
	if opaque, ok := target.(*json.RawMessage); ok {
		*opaque = value
		return nil
	}
	if string(value) == "null" || json.Unmarshal(value, target) != nil {
		return flow.Errorf(flow.CodeInvalidMessage, name+" has the wrong type")
	}
	return nil
}
