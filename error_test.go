package flow_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fiberflow/flow"
)

// declared returns the values of all constants of a type that the source of the package declares.
func declared(t *testing.T, typeName string) []string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if of, ok := spec.Type.(*ast.Ident); !ok || of.Name != typeName {
				return true
			}
			for _, v := range spec.Values {
				text, err := strconv.Unquote(v.(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				values = append(values, text)
			}
			return true
		})
	}
	return values
}

// wantSameSet fails when the two do not hold the same values, each once.
func wantSameSet[T ~string](t *testing.T, got []T, want []string) {
	t.Helper()
	have := make([]string, 0, len(got))
	for _, v := range got {
		have = append(have, string(v))
	}
	slices.Sort(have)
	slices.Sort(want)
	if len(want) == 0 || !slices.Equal(have, want) {
		t.Errorf("got  %q\nwant %q", have, want)
	}
}

// The list of codes is complete: what the source declares, and nothing twice.
func TestCodes(t *testing.T) { wantSameSet(t, flow.Codes(), declared(t, "Code")) }

// Each code of the contract has the HTTP status of its table (protocol section 1.5).
func TestCode_Status(t *testing.T) {
	table := []struct {
		status int
		codes  string
	}{
		{400, "invalid_message unknown_type invalid_room"},
		{401, "unauthenticated token_expired"},
		{403, "forbidden not_joined"},
		{404, "not_found"},
		{409, "gap duplicate stale_session diverged locked"},
		{410, "room_deleted trimmed"},
		{413, "too_large"},
		{422, "rejected"},
		{429, "rate_limited too_many_rooms queue_full"},
		{500, "internal"},
		{503, "unavailable room_full"},
	}
	var order []flow.Code
	for _, row := range table {
		for code := range strings.FieldsSeq(row.codes) {
			order = append(order, flow.Code(code))
			if got := flow.Code(code).Status(); got != row.status {
				t.Errorf("%s is %d, want %d", code, got, row.status)
			}
		}
	}
	if !slices.Equal(flow.Codes(), order) {
		t.Errorf("the order is %q\nwant %q", flow.Codes(), order)
	}
	for _, unknown := range []flow.Code{"", "nonsense", "Gap"} {
		if got := unknown.Status(); got != 500 {
			t.Errorf("unknown %q is %d", unknown, got)
		}
	}
}

func TestError(t *testing.T) {
	cause := errors.New("dial tcp 10.0.0.7:6379: password is hunter2")
	full := &flow.Error{Code: flow.CodeLocked, Message: "try later", RetryAfter: time.Second, Err: cause}

	// A cause is for the log: what clients see of an error never contains it.
	t.Run("shows no cause", func(t *testing.T) {
		for name, err := range map[string]error{
			"plain":              cause,
			"wrapped":            fmt.Errorf("join room: %w", cause),
			"in an error":        full,
			"wrapped error":      fmt.Errorf("hunter2 said: %w", full),
			"joined":             errors.Join(cause, full),
			"unavailable":        flow.Unavailable(cause),
			"error in error":     &flow.Error{Code: flow.CodeGap, Message: "m", Err: full},
			"error inside plain": fmt.Errorf("hunter2: %w", errors.Join(cause, flow.Errorf(flow.CodeGap, "m"))),
		} {
			seen := string(flow.ErrorCode(err)) + flow.ErrorMessage(err)
			if flow.ErrorMessage(err) == "" || strings.Contains(seen, "hunter2") || strings.Contains(seen, "10.0.0.7") {
				t.Errorf("%s shows %q", name, seen)
			}
			if !strings.Contains(err.Error(), "hunter2") || !errors.Is(err, cause) {
				t.Errorf("%s hides its cause from the log: %v", name, err)
			}
		}
	})

	// Code, message and delay are those of the first error in the chain; foreign errors are internal.
	t.Run("first of the chain", func(t *testing.T) {
		inner := flow.Errorf(flow.CodeGap, "inner")
		outer := &flow.Error{Code: flow.CodeTooLarge, Message: "outer", Err: inner}
		for _, tc := range []struct {
			err     error
			code    flow.Code
			message string
			retry   time.Duration
		}{
			{nil, "", "", 0},
			{inner, flow.CodeGap, "inner", 0},
			{outer, flow.CodeTooLarge, "outer", 0},
			{fmt.Errorf("wrapped: %w", outer), flow.CodeTooLarge, "outer", 0},
			{fmt.Errorf("wrapped: %w", full), flow.CodeLocked, "try later", time.Second},
			{cause, flow.CodeInternal, "something went wrong on the server", 0},
			{flow.ErrBehind, flow.CodeInternal, "something went wrong on the server", 0},
		} {
			code, message, retry := flow.ErrorCode(tc.err), flow.ErrorMessage(tc.err), flow.ErrorRetryAfter(tc.err)
			if code != tc.code || message != tc.message || retry != tc.retry {
				t.Errorf("%v is %q, %q, %v", tc.err, code, message, retry)
			}
		}
	})

}

// Logs see everything.
func TestError_Error(t *testing.T) {
	err := &flow.Error{Code: flow.CodeLocked, Message: "try later", Err: errors.New("cause")}
	if got := err.Error(); got != "locked: try later: cause" {
		t.Errorf("got %q", got)
	}
	if got := flow.Errorf(flow.CodeGap, "m").Error(); got != "gap: m" {
		t.Errorf("got %q", got)
	}
}

// A backend that is away is worth a retry.
func TestUnavailable(t *testing.T) {
	cause := errors.New("cause")
	err := flow.Unavailable(cause)
	if err.Code != flow.CodeUnavailable || err.RetryAfter <= 0 || !errors.Is(err, cause) {
		t.Errorf("got %+v", err)
	}
}
