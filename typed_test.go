package flow_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/fiberflow/flow"
)

// color decodes itself.
type color string

func (c *color) UnmarshalJSON(text []byte) error {
	switch s := string(text); s {
	case `"red"`, `"blue"`:
		*c = color(strings.Trim(s, `"`))
		return nil
	case `"green"`:
		return flow.Errorf(flow.CodeRejected, "green is not to be had")
	default:
		return errors.New("the palette is at 10.0.0.7")
	}
}

type note struct {
	Title string            `json:"title"`
	Size  uint8             `json:"size,omitempty"`
	Color color             `json:"color,omitempty"`
	At    *point            `json:"at,omitempty"`
	Tags  []string          `json:"tags,omitempty"`
	Path  []point           `json:"path,omitempty"`
	More  map[string]string `json:"more,omitempty"`
	Done  bool              `json:"done,omitempty"`
}

type point struct {
	X float64 `json:"x"`
}

// What is no T is refused with a message that tells where and why, and never with the words of a cause.
func TestDecode_Refused(t *testing.T) {
	const other = "data is not what the application expects"
	for data, want := range map[string]string{
		`{"title":7}`:                       "data.title is number, expected a string",
		`{"size":300}`:                      "data.size is number 300, expected a whole number (uint8)",
		`{"at":{"x":"left"}}`:               "data.at.x is string, expected a number (float64)",
		`{"at":[1]}`:                        "data.at is array, expected an object",
		`{"tags":{}}`:                       "data.tags is object, expected an array",
		`{"done":"yes"}`:                    "data.done is string, expected true or false",
		`[1]`:                               "data is array, expected an object",
		`null`:                              "data is null, expected an object",
		`{"color":"green"}`:                 "green is not to be had",
		`{"color":"pink"}`:                  other,
		`{"title":`:                         other,
		``:                                  other,
		`{"` + strings.Repeat("t", 9) + `"`: other,
	} {
		_, err := flow.Decode[note](flow.Operation{Data: []byte(data)})
		if flow.ErrorCode(err) != flow.CodeRejected || flow.ErrorMessage(err) != want {
			t.Errorf("%s: error = %v, want rejected: %s", data, err, want)
		}
	}
}

// A text that a browser would read otherwise than Go does is refused: the hook would judge something else
// than what everybody gets.
func TestDecode_Misread(t *testing.T) {
	for data, name := range map[string]string{
		`{"Title":"a"}`:                        "Title",
		`{"title":"bad","TITLE":"good"}`:       "TITLE",
		`{"title":"a","title":"b"}`:            "title",
		`{"title":"a","t\u0069tle":"b"}`:       "title",
		`{"at":{"x":5,"X":0}}`:                 "X",
		`{"done":true,"Done":false}`:           "Done",
		`{"path":[{"x":1},{"x":1,"x":2}]}`:     "x",
		`{"title":"a","ſize":1}`:               "ſize",
		`{"title":"a","new":1,"New":2}`:        "New",
		`{"title":"a","new":{"b":1,"b":2}}`:    "b",
		`{"title":"a","more":{"k":"","k":""}}`: "k",
	} {
		_, err := flow.Decode[note](flow.Operation{Data: []byte(data)})
		if flow.ErrorCode(err) != flow.CodeRejected || !strings.Contains(flow.ErrorMessage(err), `"`+name+`"`) {
			t.Errorf("%s: error = %v, want one about %q", data, err, name)
		}
	}
	for _, data := range []string{
		`{}`, `{"title":"a","new":{"b":[1,{"c":null}],"d":{}}}`, `{"more":{"k":"1","K":"2"},"path":[]}`,
		`{"title":"title","tags":["title","title"],"at":null}`, `{"path":[{"x":1},{"x":1}]}`,
	} {
		if _, err := flow.Decode[note](flow.Operation{Data: []byte(data)}); err != nil {
			t.Errorf("%s: %v", data, err)
		}
	}
}

// typedHook runs a hook on data, and returns what would be stored.
func typedHook(t *testing.T, data string, hook func(*note) error) (string, error) {
	t.Helper()
	p := &flow.Proposal{Room: "plan", Data: json.RawMessage(data)}
	err := flow.TypedHook(func(_ context.Context, got *flow.Proposal, n *note) error {
		if got != p {
			t.Error("the hook has another proposal")
		}
		return hook(n)
	})(t.Context(), p)
	return string(p.Data), err
}

// Data stays as it came, byte by byte, unless the hook changes the value.
func TestTypedHook(t *testing.T) {
	const data = `{"new":[1.0,"\u00e9"],"at":{"x":1e2},"title":"<a>"}`
	got, err := typedHook(t, data, func(n *note) error {
		if n.Title != "<a>" || n.At.X != 100 {
			t.Errorf("the value is %+v", n)
		}
		n.At = &point{X: n.At.X} // the same
		return nil
	})
	if err != nil || got != data {
		t.Errorf("unchanged: %s, %v", got, err)
	}
	got, err = typedHook(t, data, func(n *note) error {
		n.At.X = 5
		return nil
	})
	if want := `{"title":"<a>","at":{"x":5}}`; err != nil || got != want {
		t.Errorf("changed: %s, %v, want %s", got, err, want)
	}
}

// An error, of the hook or about the data, leaves the data alone; what does not decode is not the hook's business.
func TestTypedHook_Refused(t *testing.T) {
	full := flow.Errorf(flow.CodeRejected, "the board is full")
	got, err := typedHook(t, `{"title":"a"}`, func(n *note) error {
		n.Title = "b"
		return full
	})
	if !errors.Is(err, full) || got != `{"title":"a"}` {
		t.Errorf("refused by the hook: %s, %v", got, err)
	}
	_, err = typedHook(t, `{"title":[]}`, func(*note) error {
		t.Error("the hook was asked")
		return nil
	})
	if flow.ErrorCode(err) != flow.CodeRejected {
		t.Errorf("error = %v", err)
	}
	if _, err := typedHook(t, `{"path":[{"x":1}]}`, func(n *note) error {
		n.Path[0].X = math.Inf(1)
		return nil
	}); flow.ErrorCode(err) != flow.CodeInternal {
		t.Errorf("what cannot be written: error = %v", err)
	}
}

// A value that JSON cannot hold is not submitted, and the error says which; a state of another kind is an
// error too, and so is one that could not be had.
func TestTyped_Errors(t *testing.T) {
	h := open(t, flow.Config{})
	defer closeHub(t, h)
	_, err := flow.SubmitValues(t.Context(), h, "plan", flow.User{ID: "ann"}, "", 1, math.NaN())
	if err == nil || !strings.Contains(err.Error(), "value 1") {
		t.Errorf("error = %v, want one about value 1", err)
	}
	if page, err := h.Operations(t.Context(), "plan", flow.Query{Limit: 9}); err != nil || page.Head.Seq != 0 {
		t.Errorf("the log is at %v, %v, want it empty", page.Head, err)
	}

	state := flow.Snapshot{Position: flow.Position{Seq: 7}, Data: []byte(`{"title":7}`)}
	if _, err := flow.StateAs[note](state, nil); err == nil || !strings.Contains(err.Error(), "state at 7:") {
		t.Errorf("error = %v, want one about the state", err)
	}
	if _, err := flow.StateAs[note](h.RoomState(t.Context(), "plan")); flow.ErrorCode(err) != flow.CodeNotFound {
		t.Errorf("error = %v, want not_found", err)
	}
	empty, err := flow.StateAs[note](flow.Snapshot{Data: []byte("null")}, nil)
	if err != nil || empty.Title != "" {
		t.Errorf("a room that was never written is %+v, %v", empty, err)
	}
}
