package flow

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
)

// SubmitValues is [Hub.Submit] with values in place of their JSON texts, each as encoding/json writes it.
func SubmitValues[T any](
	ctx context.Context, h *Hub, room string, author User, key string, values ...T,
) (Submitted, error) {
	data := make([]json.RawMessage, len(values))
	for i, value := range values {
		text, err := encode(value)
		if err != nil {
			return Submitted{}, fmt.Errorf("flow: encode value %d: %w", i, err)
		}
		data[i] = text
	}
	return h.Submit(ctx, room, author, key, data...)
}

// Decode returns the data of an operation as a T, read by encoding/json. It is stricter in two points: names
// are not repeated, and those of a T's fields are spelled as T has them. Otherwise a browser would read
// something else than Go does. Names that T does not know are ignored. An error is [CodeRejected], and its
// message names what is wrong: a [Consumer] that returns it gets the same operation again, for ever.
func Decode[T any](op Operation) (T, error) {
	value, _, err := decode[T](op.Data)
	return value, err
}

// TypedHook makes a [Config.OnOperation] of a hook that is given each operation as a T. What does not decode,
// as [Decode] has it, is refused. If the hook changes the value, its JSON text takes the place of the
// data, and names that T does not know are gone; otherwise the data stays as it came, byte by byte.
func TypedHook[T any](
	hook func(ctx context.Context, p *Proposal, value *T) error,
) func(ctx context.Context, p *Proposal) error {
	return func(ctx context.Context, p *Proposal) error {
		value, before, err := decode[T](p.Data)
		if err != nil {
			return err
		}
		if err := hook(ctx, p, &value); err != nil {
			return err
		}
		after, err := encode(value)
		if err != nil {
			return fmt.Errorf("flow: encode what OnOperation made of an operation: %w", err)
		}
		if !bytes.Equal(before, after) {
			p.Data = after
		}
		return nil
	}
}

// StateAs returns a state as an S. It takes what [Hub.RoomState] and [Proposal.State] return:
//
//	board, err := flow.StateAs[Board](hub.RoomState(ctx, "board-1"))
//
// A room that was never written is the zero S.
func StateAs[S any](state Snapshot, err error) (S, error) {
	var s S
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(state.Data, &s); err != nil {
		return s, fmt.Errorf("flow: the state at %s is no %T: %w", state.Position, s, err)
	}
	return s, nil
}

// decode reads a T. It returns how encoding/json writes it as well.
func decode[T any](data []byte) (value T, text []byte, err error) {
	if err := json.Unmarshal(data, &value); err != nil {
		return value, nil, undecodable(err)
	}
	text, err = encode(value)
	if err != nil {
		return value, nil, fmt.Errorf("flow: encode an operation as %T: %w", value, err)
	}
	// To encoding/json null is whatever was there before.
	if string(data) == "null" && string(text) != "null" {
		return value, nil, Errorf(CodeRejected, "data is null, expected "+expected(reflect.TypeFor[T]()))
	}
	if name, ok := misread(shapeOf(data), shapeOf(text)); ok {
		return value, nil, Errorf(CodeRejected, fmt.Sprintf("data has %.64q twice, or in another spelling", name))
	}
	return value, text, nil
}

// encode writes "<" and "&" as they are: no state grows by more than what was meant.
func encode(value any) ([]byte, error) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(text.Bytes()), nil
}

// undecodable says what is wrong with data, without the words of a cause that nobody meant for clients.
func undecodable(err error) error {
	refusal := &Error{Code: CodeRejected, Message: "data is not what the application expects", Err: err}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		field := "data"
		if wrong.Field != "" {
			field += "." + wrong.Field
		}
		refusal.Message = fmt.Sprintf("%.128s is %.32s, expected %s", field, wrong.Value, expected(wrong.Type))
	} else if meant, ok := errors.AsType[*Error](err); ok { // of a type that decodes itself
		refusal.Message = meant.Message
	}
	return refusal
}

// expected names a type in the words of JSON.
func expected(t reflect.Type) string {
	switch kind := t.Kind(); kind {
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "a number (" + kind.String() + ")"
	default:
		if reflect.Int <= kind && kind <= reflect.Uintptr {
			return "a whole number (" + kind.String() + ")"
		}
		return "something else"
	}
}
