package handlers_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/fiberflow/flow"
)

const operationsPath = "/rooms/r/operations"

// submit posts operations with the given data.
func (s *server) submit(t testing.TB, data ...string) reply {
	t.Helper()
	return s.call(t, http.MethodPost, operationsPath, "as-ann",
		`{"operations":[{"data":`+strings.Join(data, `},{"data":`)+`}]}`).wantStatus(t, http.StatusCreated)
}

// What is posted comes back with its place, in order, from a page and in the log (I1).
func TestOperation_Submit(t *testing.T) {
	s := start(t, options{})
	answer := s.submit(t, `1`, `null`, `{"a":[ 1, 2 ]}`).object(t)
	placed := answer.list("operations")
	if len(placed) != 3 || answer["queued"] != nil {
		t.Fatalf("answer %v", answer)
	}
	page := s.call(t, http.MethodGet, operationsPath, "as-viewer", "").wantStatus(t, http.StatusOK).object(t)
	ops := page.list("operations")
	if len(ops) != 3 || page.str("head") != answer.str("position") || page.str("position") != page.str("head") {
		t.Fatalf("page %v, answer %v", page, answer)
	}
	session := ""
	for i, raw := range ops {
		op, place := msg(raw.(map[string]any)), msg(placed[i].(map[string]any))
		if op["seq"] != float64(i+1) || op["n"] != float64(i+1) || op["user"] != "ann" || op["time"] == nil {
			t.Errorf("operation %v", op)
		}
		if op["seq"] != place["seq"] || op["hash"] != place["hash"] {
			t.Errorf("operation %v, answered %v", op, place)
		}
		if _, there := op["data"]; !there || op["type"] != nil || op["room"] != nil {
			t.Errorf("operation %v", op)
		}
		if i > 0 && op.str("session") != session {
			t.Errorf("session %q, want %q", op.str("session"), session)
		}
		session = op.str("session")
	}
}

// Data is stored and shown as its sender wrote it, but for white space outside of strings.
func TestOperation_Submit_opaque(t *testing.T) {
	s := start(t, options{})
	sent := "{ \"b\" : 1.50e+2,\n\"a\":\"<script>&\\u0041 \\/ \u2028 é\" , \"a\":\"again\" }"
	want := "{\"b\":1.50e+2,\"a\":\"<script>&\\u0041 \\/ \u2028 é\",\"a\":\"again\"}"
	s.submit(t, sent)
	body := s.call(t, http.MethodGet, operationsPath, "as-ann", "").wantStatus(t, http.StatusOK).body
	if !bytes.Contains(body, []byte(`"data":`+want)) {
		t.Errorf("body %s, want data %s", body, want)
	}
}

// Each bad body gets the code that says what is wrong, and writes nothing.
func TestOperation_Submit_badBody(t *testing.T) {
	s := start(t, options{})
	many := `{"operations":[` + strings.Repeat(`{"data":1},`, 100) + `{"data":1}]}`
	large := `{"operations":[{"data":"` + strings.Repeat("x", 65536) + `"}]}`
	cases := map[string]struct {
		body string
		code flow.Code
	}{
		"empty":               {``, flow.CodeInvalidMessage},
		"not JSON":            {`nonsense`, flow.CodeInvalidMessage},
		"an array":            {`[]`, flow.CodeInvalidMessage},
		"cut":                 {`{"operations":[{"data":1}`, flow.CodeInvalidMessage},
		"more behind":         {`{"operations":[{"data":1}]}{}`, flow.CodeInvalidMessage},
		"no operations":       {`{}`, flow.CodeInvalidMessage},
		"empty operations":    {`{"operations":[]}`, flow.CodeInvalidMessage},
		"null operations":     {`{"operations":null}`, flow.CodeInvalidMessage},
		"another case":        {`{"Operations":[{"data":1}]}`, flow.CodeInvalidMessage},
		"repeated":            {`{"operations":[{"data":1}],"operations":[]}`, flow.CodeInvalidMessage},
		"operation no object": {`{"operations":[1]}`, flow.CodeInvalidMessage},
		"data missing":        {`{"operations":[{"data":1},{"Data":1}]}`, flow.CodeInvalidMessage},
		"data repeated":       {`{"operations":[{"data":1,"data":2}]}`, flow.CodeInvalidMessage},
		"invalid UTF-8":       {"{\"operations\":[{\"data\":\"\xff\"}]}", flow.CodeInvalidMessage},
		"compressed":          {"\x1f\x8b\x08", flow.CodeInvalidMessage},
		"too many":            {many, flow.CodeTooLarge},
		"too large":           {large, flow.CodeTooLarge},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s.call(t, http.MethodPost, operationsPath, "as-ann", c.body).wantCode(t, c.code)
		})
	}
	s.submit(t, `1`)
	ignored := `{"x":{"operations":1},"operations":[{"data":1,"n":9,"extra":null}]}`
	s.call(t, http.MethodPost, operationsPath, "as-ann", ignored).wantStatus(t, http.StatusCreated)
	page, err := s.hub.Operations(t.Context(), "r", flow.Query{Unchecked: true})
	if err != nil || page.Head.Seq != 2 {
		t.Errorf("head %v, %v; want the two good ones alone", page.Head, err)
	}
}

// A repeated request with its key is answered as the first time and writes nothing; with other content
// it is refused; the key is the user's own (I1).
func TestOperation_Submit_idempotent(t *testing.T) {
	s := start(t, options{})
	post := func(token, key, data string) reply {
		body := `{"operations":[{"data":` + data + `}]}`
		return s.call(t, http.MethodPost, operationsPath, token, body, "Idempotency-Key", key)
	}
	first := post("as-ann", "key-1", "1").wantStatus(t, http.StatusCreated)
	again := post("as-ann", "key-1", "1").wantStatus(t, http.StatusCreated)
	if !bytes.Equal(first.body, again.body) {
		t.Errorf("answers %s and %s", first.body, again.body)
	}
	post("as-ann", "key-1", "2").wantCode(t, flow.CodeRejected)
	other := post("as-bob", "key-1", "1").wantStatus(t, http.StatusCreated)
	if bytes.Equal(first.body, other.body) {
		t.Error("two users share a key")
	}
	post("as-ann", strings.Repeat("k", 200), "3").wantStatus(t, http.StatusCreated)
	post("as-ann", strings.Repeat("k", 201), "3").wantCode(t, flow.CodeInvalidMessage)
	page, err := s.hub.Operations(t.Context(), "r", flow.Query{Unchecked: true})
	if err != nil || page.Head.Seq != 3 {
		t.Errorf("head %v, %v", page.Head, err)
	}
}

// The application's refusal reaches the client with its message and nothing more.
func TestOperation_Submit_rejected(t *testing.T) {
	s := start(t, options{hub: func(c *flow.Config) {
		c.OnOperation = func(_ context.Context, op *flow.Proposal) error {
			if bytes.Contains(op.Data, []byte("bad")) {
				return &flow.Error{Code: flow.CodeRejected, Message: "not like this", Err: fmt.Errorf("secret detail")}
			}
			return nil
		}
	}})
	got := s.call(t, http.MethodPost, operationsPath, "as-ann", `{"operations":[{"data":"fine"},{"data":"bad"}]}`)
	got.wantCode(t, flow.CodeRejected)
	if message := got.object(t).object("error").str("message"); message != "not like this" {
		t.Errorf("message %q", message)
	}
	page, err := s.hub.Operations(t.Context(), "r", flow.Query{Unchecked: true})
	if err != nil || page.Head.Seq != 0 {
		t.Errorf("head %v, %v: a part was written", page.Head, err)
	}
}

// Pages go through the log without holes, from a seq or a position; what is not in the log is told.
func TestOperation_List(t *testing.T) {
	s := start(t, options{})
	for i := range 5 {
		s.submit(t, fmt.Sprint(2*i), fmt.Sprint(2*i+1))
	}
	var after string
	seen := 0.0
	for pages := 0; seen < 10; pages++ {
		page := s.call(t, http.MethodGet, operationsPath+"?limit=3&after="+after, "as-ann", "").
			wantStatus(t, http.StatusOK).object(t)
		for _, op := range page.list("operations") {
			if next := op.(map[string]any)["seq"].(float64); next != seen+1 {
				t.Fatalf("seq %v after %v", next, seen)
			}
			seen++
		}
		after = page.str("position")
		if !strings.HasPrefix(page.str("head"), "10:") || pages > 4 {
			t.Fatalf("page %v", page)
		}
	}
	count := func(query string) int {
		page := s.call(t, http.MethodGet, operationsPath+query, "as-ann", "").wantStatus(t, http.StatusOK)
		if !bytes.Contains(page.body, []byte(`"operations":[`)) {
			t.Errorf("%s: body %s", query, page.body)
		}
		return len(page.object(t).list("operations"))
	}
	for query, want := range map[string]int{
		"": 10, "?after=0": 10, "?after=4": 6, "?after=10": 0, "?after=99": 0, "?after=" + after: 0,
		"?after=0:0000000000000000": 10, "?after=99:0123456789abcdef": 0, "?limit=1000000": 10, "?limit=4": 4,
	} {
		if got := count(query); got != want {
			t.Errorf("%s: %d operations, want %d", query, got, want)
		}
	}
	for query, code := range map[string]flow.Code{
		"?after=4:0123456789abcdef":   flow.CodeDiverged,
		"?after=-1":                   flow.CodeInvalidMessage,
		"?after=x":                    flow.CodeInvalidMessage,
		"?after=4:xyz":                flow.CodeInvalidMessage,
		"?after=99999999999999999999": flow.CodeInvalidMessage,
		"?limit=0":                    flow.CodeInvalidMessage,
		"?limit=-1":                   flow.CodeInvalidMessage,
		"?limit=x":                    flow.CodeInvalidMessage,
	} {
		s.call(t, http.MethodGet, operationsPath+query, "as-ann", "").wantCode(t, code)
	}
	empty := s.call(t, http.MethodGet, "/rooms/unused/operations", "as-ann", "").wantStatus(t, http.StatusOK).object(t)
	if empty.str("position") != "0:0000000000000000" || empty.str("head") != empty.str("position") {
		t.Errorf("page %v", empty)
	}
}

// Fiber uses the memory of a request again. What was posted before over the same connection stays as it
// was (T-traps of the platform).
func TestOperation_Submit_memoryIsCopied(t *testing.T) {
	s := start(t, options{})
	const rounds = 50
	for i := range rounds {
		text := strings.Repeat(string(rune('a'+i%26)), 100)
		s.call(t, http.MethodPost, fmt.Sprintf("/rooms/room-%02d/operations", i), "as-ann",
			fmt.Sprintf(`{"operations":[{"data":%q}]}`, text), "Idempotency-Key", fmt.Sprintf("key-%02d", i)).
			wantStatus(t, http.StatusCreated)
	}
	for i := range rounds {
		room, text := fmt.Sprintf("room-%02d", i), strings.Repeat(string(rune('a'+i%26)), 100)
		page, err := s.hub.Operations(t.Context(), room, flow.Query{Unchecked: true, Limit: 10})
		if err != nil || len(page.Operations) != 1 {
			t.Fatalf("%s: %d operations, %v", room, len(page.Operations), err)
		}
		var data string
		op := page.Operations[0]
		if err := json.Unmarshal(op.Data, &data); err != nil || data != text || op.User != "ann" {
			t.Errorf("%s: %q by %q, %v", room, data, op.User, err)
		}
	}
}
