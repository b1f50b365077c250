package middleware_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/middleware"
)

func newRSA(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// number is an unsigned number as a JWK spells it.
func number(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// jwkOf returns the public half of a key as a JWK.
func jwkOf(t testing.TB, id string, key crypto.Signer) map[string]string {
	t.Helper()
	switch k := key.Public().(type) {
	case *rsa.PublicKey:
		return map[string]string{
			"kty": "RSA", "kid": id, "use": "sig", "alg": "RS256",
			"n": number(k.N.Bytes()), "e": number(big.NewInt(int64(k.E)).Bytes()),
		}
	case *ecdsa.PublicKey:
		point, err := k.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		return map[string]string{
			"kty": "EC", "kid": id, "crv": "P-256", "x": number(point[1:33]), "y": number(point[33:]),
		}
	case ed25519.PublicKey:
		return map[string]string{"kty": "OKP", "kid": id, "crv": "Ed25519", "x": number(k)}
	default:
		t.Fatalf("no JWK for %T", k)
		return nil
	}
}

// keyFile writes a JWKS file, and returns its path.
func keyFile(t testing.TB, keys ...map[string]string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.json")
	writeKeys(t, path, keys...)
	return path
}

func writeKeys(t testing.TB, path string, keys ...map[string]string) {
	t.Helper()
	data, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	replaceFile(t, path, data)
}

// replaceFile puts a whole file in the place of what is there: nobody who reads meanwhile sees a half of it.
func replaceFile(t testing.TB, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

func TestOpen_KeyFile(t *testing.T) {
	keys := newKeyring(t)
	check := verifierOf(t, environment{"COLLAB_JWKS_FILE": keyFile(t,
		jwkOf(t, "r", keys.rsa), jwkOf(t, "e", keys.ec), jwkOf(t, "d", keys.ed),
		map[string]string{"kty": "oct", "kid": "o", "k": number([]byte(tokenSecret))},
		map[string]string{"kty": "RSA", "kid": "enc", "use": "enc", "n": "AQ", "e": "AQ"},
	)})
	for name, token := range map[string]string{
		"RS256":    sign(t, jwt.SigningMethodRS256, keys.rsa, claims(nil), "kid", "r"),
		"ES256":    sign(t, jwt.SigningMethodES256, keys.ec, claims(nil), "kid", "e"),
		"EdDSA":    sign(t, jwt.SigningMethodEdDSA, keys.ed, claims(nil), "kid", "d"),
		"unnamed":  sign(t, jwt.SigningMethodRS256, keys.rsa, claims(nil)),
		"unnamed2": sign(t, jwt.SigningMethodEdDSA, keys.ed, claims(nil)),
	} {
		// Each of the three methods is good with the key that the token names, or the only one there is.
		t.Run(name, func(t *testing.T) {
			if user, err := check(t.Context(), token); err != nil || user.ID != "ann" {
				t.Errorf("user = %+v, %v", user, err)
			}
		})
	}

	for name, token := range map[string]string{
		"HS256 with an oct key":  sign(t, jwt.SigningMethodHS256, []byte(tokenSecret), claims(nil), "kid", "o"),
		"none":                   sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, claims(nil)),
		"RS512":                  sign(t, jwt.SigningMethodRS512, keys.rsa, claims(nil), "kid", "r"),
		"PS256":                  sign(t, jwt.SigningMethodPS256, keys.rsa, claims(nil), "kid", "r"),
		"another RSA key":        sign(t, jwt.SigningMethodRS256, newRSA(t), claims(nil), "kid", "r"),
		"another RSA, unnamed":   sign(t, jwt.SigningMethodRS256, newRSA(t), claims(nil)),
		"another EC key":         sign(t, jwt.SigningMethodES256, newKeyring(t).ec, claims(nil), "kid", "e"),
		"another Ed25519 key":    sign(t, jwt.SigningMethodEdDSA, newKeyring(t).ed, claims(nil), "kid", "d"),
		"ES256, signature of 0s": unsignedES256(claims(nil)),
	} {
		// No other method and no other key makes a token good.
		t.Run(name, func(t *testing.T) {
			_, err := check(t.Context(), token)
			wantRefused(t, err, flow.CodeUnauthenticated, token)
		})
	}
}

// unsignedES256 has a signature in which both numbers are 0, which a careless check takes for good.
func unsignedES256(c jwt.MapClaims) string {
	body, _ := json.Marshal(c) //nolint:errchkjson // the claims are of the test
	zeros := strings.Repeat("\x00", 64)
	return segment(`{"alg":"ES256","kid":"e"}`) + "." + segment(string(body)) + "." + segment(zeros)
}

// The kid of a token is compared with the names in the file, and is nothing else; where else a token says that its key
// can be found is not looked at.
func TestOpen_KeyFileKid(t *testing.T) {
	keys, evil := newKeyring(t), newRSA(t)
	nowhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the key of a token was asked for: %s", r.URL)
	}))
	defer nowhere.Close()
	unnamed := jwkOf(t, "", keys.rsa)
	path := keyFile(t, jwkOf(t, "r", keys.rsa), jwkOf(t, "e", keys.ec), jwkOf(t, "d", keys.ed), unnamed)
	check := verifierOf(t, environment{"COLLAB_JWKS_FILE": path})
	for name, kid := range map[string]any{
		"unknown": "x", "empty": "", "null": nil, "number": 0, "true": true, "list": []string{"r"},
		"no list": []string{}, "object": map[string]string{"kid": "r"}, "upper case": "R",
		"space": "r ", "NUL": "r\x00", "prefix": "r/../r",
		"path": "../../../../dev/null", "the file": path, "query": "r' OR '1'='1", "command": "|/bin/true",
		"URL": nowhere.URL, "huge": strings.Repeat("r", 8<<10), "EC key": "e", "Ed25519 key": "d",
	} {
		t.Run(name, func(t *testing.T) {
			token := signWith(t, keys.rsa, map[string]any{"kid": kid})
			_, err := check(t.Context(), token)
			wantRefused(t, err, flow.CodeUnauthenticated, token)
		})
	}
	for name, header := range map[string]map[string]any{
		"own key":          {"jwk": jwkOf(t, "r", evil)},
		"own key, named":   {"jwk": jwkOf(t, "r", evil), "kid": "r"},
		"URL of key set":   {"jku": nowhere.URL + "/keys.json", "kid": "r"},
		"URL of chain":     {"x5u": nowhere.URL + "/chain.pem", "kid": "r"},
		"chain":            {"x5c": []string{"AAAA"}, "x5t": "AAAA", "kid": "r"},
		"issuer's address": {"iss": nowhere.URL, "kid": "r"},
	} {
		t.Run(name, func(t *testing.T) {
			token := signWith(t, evil, header)
			_, err := check(t.Context(), token)
			wantRefused(t, err, flow.CodeUnauthenticated, token)
			if _, err := check(t.Context(), signWith(t, keys.rsa, header)); err != nil {
				t.Errorf("signed with the key of the file: %v", err)
			}
		})
	}
}

// signWith signs by RS256 with more in the header.
func signWith(t testing.TB, key crypto.Signer, header map[string]any) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims(nil))
	maps.Copy(token.Header, header)
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Keys are changed by changing the file: one that is added is known soon, both are good while both are there, one that
// is taken away is not any more, and a file that is broken or away for a while changes nothing, and is told of.
func TestOpen_KeyFileChanges(t *testing.T) {
	t.Parallel()
	const broken = "the key file cannot be read, the keys stay as they are"
	first, second := newRSA(t), newRSA(t)
	path := keyFile(t, jwkOf(t, "1", first))
	var log book
	check := open(t, environment{"COLLAB_JWKS_FILE": path}.logged(t, &log)).Config().VerifyToken
	old := sign(t, jwt.SigningMethodRS256, first, claims(nil), "kid", "1")
	young := sign(t, jwt.SigningMethodRS256, second, claims(nil), "kid", "2")
	good := func(token string) bool {
		_, err := check(t.Context(), token)
		return err == nil
	}
	noticed := func(times int) {
		t.Helper()
		eventually(t, "the file is looked at", func() bool {
			if !good(old) || good(young) {
				t.Fatal("a file that cannot be read changed the keys")
			}
			return len(log.entries(t, broken)) == times
		})
	}
	if !good(old) || good(young) {
		t.Fatal("the first key is not good, or the second is")
	}

	for i, content := range []string{`{"keys": "broken"`, `{"keys": []}`} {
		replaceFile(t, path, []byte(content))
		noticed(i + 1)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	noticed(3)

	writeKeys(t, path, jwkOf(t, "1", first), jwkOf(t, "2", second))
	eventually(t, "the second key is good", func() bool { return good(young) })
	if !good(old) {
		t.Error("the first key is not good any more, and still in the file")
	}
	writeKeys(t, path, jwkOf(t, "2", second))
	eventually(t, "the first key is not good any more", func() bool { return !good(old) })
	if !good(young) {
		t.Error("the second key is not good any more")
	}
	if lines := log.entries(t, "the key file was read again"); len(lines) != 2 {
		t.Errorf("logged %v, want both changes", lines)
	}
}

func TestOpen_KeyFileBad(t *testing.T) {
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	huge, long := number(bytes.Repeat([]byte{255}, 256)), number(bytes.Repeat([]byte{255}, 2049))
	even := number(append(bytes.Repeat([]byte{255}, 256), 0))
	for name, content := range map[string]string{
		"not JSON":     `keys`,
		"no keys":      `{"keys": []}`,
		"only others":  `{"keys": [{"kty": "oct", "k": "AAAA"}]}`,
		"bad numbers":  `{"keys": [{"kty": "RSA", "n": "+/", "e": "AQAB"}]}`,
		"off curve":    `{"keys": [{"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"}]}`,
		"short Ed":     `{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AQ"}]}`,
		"short RSA":    `{"keys": [{"kty": "RSA", "n": "` + number(short.N.Bytes()) + `", "e": "AQAB"}]}`,
		"huge e":       `{"keys": [{"kty": "RSA", "n": "` + huge + `", "e": "AQABAQAB"}]}`,
		"even RSA":     `{"keys": [{"kty": "RSA", "n": "` + even + `", "e": "AQAB"}]}`,
		"long RSA":     `{"keys": [{"kty": "RSA", "n": "` + long + `", "e": "AQAB"}]}`,
		"e of 1":       `{"keys": [{"kty": "RSA", "n": "` + huge + `", "e": "AQ"}]}`,
		"even e":       `{"keys": [{"kty": "RSA", "n": "` + huge + `", "e": "AQAA"}]}`,
		"one broken":   `{"keys": [{"kty": "RSA", "n": "` + huge + `", "e": "AQAB"}, {"kty": "RSA"}]}`,
		"a large file": strings.Repeat(" ", 1<<20) + `{"keys": [{"kty": "RSA", "n": "` + huge + `", "e": "AQAB"}]}`,
		"missing file": "",
	} {
		// A key file that cannot be used is an error that names the key of the environment.
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "keys.json")
			if content != "" {
				if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err := middleware.Open(environment{"COLLAB_JWKS_FILE": path}.config(t))
			if err == nil || !strings.Contains(err.Error(), "COLLAB_JWKS_FILE=") {
				t.Errorf("Open: %v, want an error about COLLAB_JWKS_FILE", err)
			}
		})
	}
}
