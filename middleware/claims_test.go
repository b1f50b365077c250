package middleware_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fiberflow/flow"
)

// verifyFunc is what a hub checks tokens with.
type verifyFunc func(ctx context.Context, token string) (flow.User, error)

// verifierOf opens a hub in this environment and returns what it checks tokens with.
func verifierOf(t testing.TB, e environment) verifyFunc {
	t.Helper()
	return open(t, e.config(t)).Config().VerifyToken
}

// segment is a part of a token.
func segment(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

const headerHS256 = `{"alg":"HS256","typ":"JWT"}`

// signHMAC signs a header and claims as they are written, right or wrong, by HS256.
func signHMAC(key []byte, header, claims string) string {
	text := segment(header) + "." + segment(claims)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// at is the time some seconds from now, as a claim has it.
func at(seconds int) string { return fmt.Sprint(time.Now().Unix() + int64(seconds)) }

// A token with a good signature is refused when what it claims cannot be, or can be read in two ways. Only
// one with nothing wrong but its age is told so.
func TestOpen_VerifyTokenClaims(t *testing.T) {
	check := verifierOf(t, environment{"COLLAB_JWT_SECRET": tokenSecret})
	exp := `,"exp":` + at(3600)
	for _, table := range []map[string]string{badTimes(exp), badSubjects(exp), badJSON(exp)} {
		for name, claims := range table {
			t.Run(name, func(t *testing.T) {
				token := signHMAC([]byte(tokenSecret), headerHS256, claims)
				_, err := check(t.Context(), token)
				wantRefused(t, err, flow.CodeUnauthenticated, token)
			})
		}
	}
	for name, exp := range map[string]string{"expired": at(-6), "exp of 1970": "0"} {
		t.Run(name, func(t *testing.T) {
			token := signHMAC([]byte(tokenSecret), headerHS256, `{"sub":"ann","exp":`+exp+`}`)
			_, err := check(t.Context(), token)
			wantRefused(t, err, flow.CodeTokenExpired, token)
		})
	}
}

func badTimes(exp string) map[string]string {
	hour := at(3600)
	return map[string]string{
		"exp missing":         `{"sub":"ann"}`,
		"exp is null":         `{"sub":"ann","exp":null}`,
		"exp is text":         `{"sub":"ann","exp":"` + hour + `"}`,
		"exp is true":         `{"sub":"ann","exp":true}`,
		"exp is a list":       `{"sub":"ann","exp":[` + hour + `]}`,
		"exp is negative":     `{"sub":"ann","exp":-1}`,
		"exp of 1e300":        `{"sub":"ann","exp":1e300}`,
		"exp of 1e999":        `{"sub":"ann","exp":1e999}`,
		"exp beyond int64":    `{"sub":"ann","exp":9223372036854775808}`,
		"exp in year 10000":   `{"sub":"ann","exp":253402300800}`,
		"exp in milliseconds": `{"sub":"ann","exp":` + hour + `000}`,
		"EXP":                 `{"sub":"ann","EXP":` + hour + `}`,
		"not valid yet":       `{"sub":"ann","nbf":` + at(60) + exp + `}`,
		"nbf is text":         `{"sub":"ann","nbf":"now"` + exp + `}`,
		"nbf is negative":     `{"sub":"ann","nbf":-1` + exp + `}`,
		"issued later":        `{"sub":"ann","iat":` + at(60) + exp + `}`,
		"iat is text":         `{"sub":"ann","iat":"now"` + exp + `}`,
		"iat of 1e300":        `{"sub":"ann","iat":1e300` + exp + `}`,
		"expired, not begun":  `{"sub":"ann","nbf":` + at(60) + `,"exp":` + at(-60) + `}`,
	}
}

func badSubjects(exp string) map[string]string {
	return map[string]string{
		"sub missing":         `{"x":1` + exp + `}`,
		"sub is empty":        `{"sub":""` + exp + `}`,
		"sub is null":         `{"sub":null` + exp + `}`,
		"sub is a number":     `{"sub":7` + exp + `}`,
		"sub is a list":       `{"sub":["ann"]` + exp + `}`,
		"sub is an object":    `{"sub":{"id":"ann"}` + exp + `}`,
		"sub of 256 bytes":    `{"sub":"` + strings.Repeat("x", 256) + `"` + exp + `}`,
		"sub with NUL":        `{"sub":"a\u0000b"` + exp + `}`,
		"sub with line feed":  `{"sub":"a\nb"` + exp + `}`,
		"sub with C1 control": `{"sub":"a\u0085b"` + exp + `}`,
		"sub, lone surrogate": `{"sub":"a\ud800"` + exp + `}`,
		"sub, invalid UTF-8":  "{\"sub\":\"a\xff\"" + exp + `}`,
		"invalid UTF-8":       "{\"sub\":\"ann\",\"x\":\"\xc0\x80\"" + exp + `}`,
	}
}

func badJSON(exp string) map[string]string {
	return map[string]string{
		"sub twice":         `{"sub":"ann","sub":"eve"` + exp + `}`,
		"sub twice, spelt":  `{"sub":"ann","\u0073ub":"eve"` + exp + `}`,
		"exp twice":         `{"sub":"ann","exp":1` + exp + `}`,
		"a room twice":      `{"sub":"ann","rooms":{"a":"none","a":"owner"}` + exp + `}`,
		"nested 33 deep":    `{"sub":"ann","x":` + nested(32) + exp + `}`,
		"bomb of lists":     `{"sub":"ann"` + exp + `,"x":` + strings.Repeat("[", 6000),
		"bomb of objects":   `{"sub":"ann"` + exp + `,"x":` + strings.Repeat(`{"":`, 2500),
		"trailing bytes":    `{"sub":"ann"` + exp + `} {}`,
		"trailing NUL":      `{"sub":"ann"` + exp + "}\x00",
		"cut off":           `{"sub":"ann"` + exp,
		"a list":            `[{"sub":"ann"` + exp + `}]`,
		"null":              `null`,
		"text":              `"ann"`,
		"nothing":           ``,
		"byte order mark":   "\ufeff" + `{"sub":"ann"` + exp + `}`,
		"longer than 16 KB": `{"sub":"ann","x":"` + strings.Repeat("x", 16<<10) + `"` + exp + `}`,
	}
}

// What is unusual and means one thing only is taken.
func TestOpen_VerifyTokenGood(t *testing.T) {
	check := verifierOf(t, environment{"COLLAB_JWT_SECRET": tokenSecret})
	hour := at(3600)
	exp := `,"exp":` + hour
	for name, claims := range map[string]string{
		"white space":       " {\n\t\"sub\" : \"ann\"\r" + exp + `}`,
		"exp of a fraction": `{"sub":"ann","exp":` + hour + `.5}`,
		"last exp":          `{"sub":"ann","exp":253402300799}`,
		"nbf of 0":          `{"sub":"ann","nbf":0,"iat":0` + exp + `}`,
		"nested 32 deep":    `{"sub":"ann","x":` + nested(31) + exp + `}`,
		"same name below":   `{"sub":"ann","x":{"sub":"eve"},"y":[{"sub":1},{"sub":2}]` + exp + `}`,
		"odd claims":        `{"sub":"ann","name":7,"picture":null,"aud":{},"iss":1` + exp + `}`,
	} {
		t.Run(name, func(t *testing.T) {
			user, err := check(t.Context(), signHMAC([]byte(tokenSecret), headerHS256, claims))
			if err != nil || user.ID != "ann" || user.Expires.IsZero() {
				t.Errorf("user = %+v, %v", user, err)
			}
		})
	}

	for name, id := range map[string]string{
		"longest": strings.Repeat("x", 255), "spaces": " ann ", "not Latin": "Анна 🙂", "mark-up": `<img src=x>:{room}`,
	} {
		// Any text is an id, to the letter.
		t.Run("sub, "+name, func(t *testing.T) {
			token := signHMAC([]byte(tokenSecret), headerHS256, fmt.Sprintf(`{"sub":%q%s}`, id, exp))
			user, err := check(t.Context(), token)
			if err != nil || user.ID != id {
				t.Errorf("user = %+v, %v, want id %q", user, err, id)
			}
		})
	}
}

func nested(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }

// Issuer, audience and age are looked at when they are asked for, and then every token must have them.
func TestOpen_VerifyTokenRules(t *testing.T) {
	check := verifierOf(t, environment{
		"COLLAB_JWT_SECRET": tokenSecret, "COLLAB_JWT_ISSUER": "https://id.example", "COLLAB_JWT_AUDIENCE": "board",
		"COLLAB_JWT_MAX_AGE": "1h",
	})
	for name, c := range map[string]struct {
		iss, aud string
		exp      int
		good     bool
	}{
		"all right":              {`"https://id.example"`, `"board"`, 3600, true},
		"one of the audiences":   {`"https://id.example"`, `["mail","board"]`, 60, true},
		"another issuer":         {`"https://evil.example"`, `"board"`, 60, false},
		"issuer with more":       {`"https://id.example/"`, `"board"`, 60, false},
		"issuer in upper case":   {`"HTTPS://ID.EXAMPLE"`, `"board"`, 60, false},
		"issuer is a list":       {`["https://id.example"]`, `"board"`, 60, false},
		"issuer is empty":        {`""`, `"board"`, 60, false},
		"issuer is null":         {`null`, `"board"`, 60, false},
		"another audience":       {`"https://id.example"`, `"mail"`, 60, false},
		"no audience in list":    {`"https://id.example"`, `[]`, 60, false},
		"audience is empty":      {`"https://id.example"`, `""`, 60, false},
		"audience is null":       {`"https://id.example"`, `null`, 60, false},
		"audience with a number": {`"https://id.example"`, `["board",1]`, 60, false},
		"audience is an object":  {`"https://id.example"`, `{"board":true}`, 60, false},
		"too long from now":      {`"https://id.example"`, `"board"`, 3660, false},
		"expired, another's":     {`"https://id.example"`, `"mail"`, -60, false},
	} {
		t.Run(name, func(t *testing.T) {
			claims := fmt.Sprintf(`{"sub":"ann","iss":%s,"aud":%s,"exp":%s}`, c.iss, c.aud, at(c.exp))
			token := signHMAC([]byte(tokenSecret), headerHS256, claims)
			_, err := check(t.Context(), token)
			if c.good && err != nil {
				t.Error(err)
			}
			if !c.good {
				wantRefused(t, err, flow.CodeUnauthenticated, token)
			}
		})
	}
	for name, claims := range map[string]string{
		"no issuer": `"aud":"board"`, "no audience": `"iss":"https://id.example"`,
	} {
		t.Run(name, func(t *testing.T) {
			token := signHMAC([]byte(tokenSecret), headerHS256, `{"sub":"ann","exp":`+at(60)+`,`+claims+`}`)
			_, err := check(t.Context(), token)
			wantRefused(t, err, flow.CodeUnauthenticated, token)
		})
	}
}
