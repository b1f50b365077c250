package handlers

import (
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/fiberflow/flow"
)

// Whatever stands in a query, a page has 1 to 1000 entries and begins where its text says, or the answer is
// invalid_message. Nothing panics.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{
		"", "limit=10&after=5", "limit=0", "limit=-1", "limit=99999999999999999999", "limit=1e3", "limit=+7",
		"limit=%31",
		"after=12:0123456789abcdef", "after=12:", "after=9007199254740992", "after=0:0", "after=%00", "after=%ff",
		"after=01", "after=-1", "limit=1&limit=2", "after[]=1", "limit", "&&=&", "after=" + strings.Repeat("a", 300),
	} {
		f.Add(seed)
	}
	app := fiber.New()
	f.Fuzz(func(t *testing.T, query string) {
		var raw fasthttp.RequestCtx
		raw.Request.URI().SetQueryString(query)
		c := app.AcquireCtx(&raw)
		defer app.ReleaseCtx(c)
		r := &request{c: c}
		after, limit, err := r.page()
		if err == nil && (limit < 1 || limit > maxLimit || len(after) > maxAfter || !utf8.ValidString(after)) {
			t.Errorf("%q asks for %d after %q", query, limit, after)
		}
		wantCode(t, query, err)
		where, err := parseAfter(after)
		wantCode(t, after, err)
		switch {
		case err != nil:
		case after == "":
			if where.After != (flow.Position{}) || !where.Unchecked {
				t.Errorf("%q begins at %v", after, where)
			}
		case strings.Contains(after, ":"):
			if where.After.String() != after || where.Unchecked {
				t.Errorf("%q begins at %v", after, where)
			}
		default:
			if n, err := strconv.ParseUint(after, 10, 53); err != nil || where.After.Seq != n || !where.Unchecked {
				t.Errorf("%q begins at %v", after, where)
			}
		}
	})
}

// wantCode checks that what is refused is refused as what a client has done wrong.
func wantCode(t *testing.T, text string, err error) {
	t.Helper()
	if code := flow.ErrorCode(err); code != "" && code != flow.CodeInvalidMessage && code != flow.CodeTooLarge {
		t.Errorf("%q: %v", text, err)
	}
}
