package middleware_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/middleware"
)

const tokenSecret = "a secret of more than thirty-two bytes"

// open opens a hub in this environment, and closes it with the test.
func open(t *testing.T, cfg middleware.Config) *flow.Hub {
	t.Helper()
	hub, err := middleware.Open(cfg)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() {
		if err := hub.Close(context.Background()); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return hub
}

// verify checks a token the way the hub that this environment makes does.
func verify(t *testing.T, e environment, token string) (flow.User, error) {
	t.Helper()
	cfg := e.config(t)
	return open(t, cfg).Config().VerifyToken(t.Context(), token)
}

func sign(t *testing.T, method jwt.SigningMethod, key any, claims jwt.MapClaims, header ...string) string {
	t.Helper()
	token := jwt.NewWithClaims(method, claims)
	for i := 0; i < len(header); i += 2 {
		token.Header[header[i]] = header[i+1]
	}
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func claims(changes jwt.MapClaims) jwt.MapClaims {
	all := jwt.MapClaims{"sub": "ann", "exp": time.Now().Add(time.Hour).Unix()}
	for k, v := range changes {
		if all[k] = v; v == nil {
			delete(all, k)
		}
	}
	return all
}

func TestOpen_VerifyToken(t *testing.T) {
	e := environment{"COLLAB_JWT_SECRET": tokenSecret}

	// A good token says who somebody is, until when, and hands all its claims to the application.
	t.Run("good", func(t *testing.T) {
		c := claims(jwt.MapClaims{
			"name": "Ann", "picture": "https://a/b.png", "rooms": map[string]string{"r": "viewer"},
		})
		user, err := verify(t, e, sign(t, jwt.SigningMethodHS256, []byte(tokenSecret), c))
		if err != nil {
			t.Fatal(err)
		}
		if user.ID != "ann" || user.Name != "Ann" || user.Picture != "https://a/b.png" || user.Admin || user.Anonymous {
			t.Errorf("user = %+v", user)
		}
		if user.Expires.Unix() != c["exp"] {
			t.Errorf("Expires = %v, want %v", user.Expires, c["exp"])
		}
		if rooms, _ := user.Claims["rooms"].(map[string]any); rooms["r"] != "viewer" {
			t.Errorf("Claims = %v", user.Claims)
		}
	})

	// The clocks may be 5 seconds apart.
	t.Run("leeway", func(t *testing.T) {
		for name, c := range map[string]jwt.MapClaims{
			"expired":       {"exp": time.Now().Add(-3 * time.Second).Unix()},
			"not valid yet": {"nbf": time.Now().Add(3 * time.Second).Unix()},
		} {
			if _, err := verify(t, e, sign(t, jwt.SigningMethodHS256, []byte(tokenSecret), claims(c))); err != nil {
				t.Errorf("%s 3 seconds: %v", name, err)
			}
		}
	})

	bad := map[string]struct {
		claims jwt.MapClaims
		code   flow.Code
	}{
		"expired":          {jwt.MapClaims{"exp": time.Now().Add(-6 * time.Second).Unix()}, flow.CodeTokenExpired},
		"no exp":           {jwt.MapClaims{"exp": nil}, flow.CodeUnauthenticated},
		"exp is text":      {jwt.MapClaims{"exp": "tomorrow"}, flow.CodeUnauthenticated},
		"not valid yet":    {jwt.MapClaims{"nbf": time.Now().Add(9 * time.Second).Unix()}, flow.CodeUnauthenticated},
		"no sub":           {jwt.MapClaims{"sub": nil}, flow.CodeUnauthenticated},
		"empty sub":        {jwt.MapClaims{"sub": ""}, flow.CodeUnauthenticated},
		"sub is a number":  {jwt.MapClaims{"sub": 7}, flow.CodeUnauthenticated},
		"sub of 256 bytes": {jwt.MapClaims{"sub": strings.Repeat("x", 256)}, flow.CodeUnauthenticated},
	}
	for name, c := range bad {
		// A token whose claims do not hold is refused with the code for it.
		t.Run(name, func(t *testing.T) {
			token := sign(t, jwt.SigningMethodHS256, []byte(tokenSecret), claims(c.claims))
			_, err := verify(t, e, token)
			wantRefused(t, err, c.code, token)
		})
	}
	t.Run("longest sub", func(t *testing.T) {
		c := claims(jwt.MapClaims{"sub": strings.Repeat("x", 255)})
		if _, err := verify(t, e, sign(t, jwt.SigningMethodHS256, []byte(tokenSecret), c)); err != nil {
			t.Error(err)
		}
	})
}

// wantRefused checks the code, and that neither token nor secret are told.
func wantRefused(t *testing.T, err error, code flow.Code, token string) {
	t.Helper()
	if flow.ErrorCode(err) != code {
		t.Fatalf("error = %v, want code %s", err, code)
	}
	for part := range strings.SplitSeq(token, ".") {
		if len(part) > 8 && strings.Contains(err.Error(), part) {
			t.Errorf("error = %q quotes the token", err)
		}
	}
	if strings.Contains(err.Error(), tokenSecret) {
		t.Errorf("error = %q quotes the secret", err)
	}
}

// A token cannot choose how it is checked, and nothing but the right key makes it good.
func TestOpen_VerifyTokenForged(t *testing.T) {
	e := environment{"COLLAB_JWT_SECRET": tokenSecret}
	rsaKey := newRSA(t)
	good := sign(t, jwt.SigningMethodHS256, []byte(tokenSecret), claims(nil))
	parts := strings.Split(good, ".")
	other := base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"eve","exp":99999999999}`))
	for name, token := range map[string]string{
		"another secret": sign(t, jwt.SigningMethodHS256, []byte("x"), claims(nil)),
		"HS512":          sign(t, jwt.SigningMethodHS512, []byte(tokenSecret), claims(nil)),
		"RS256":          sign(t, jwt.SigningMethodRS256, rsaKey, claims(nil)),
		"none":           sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, claims(nil)),
		"crit":           sign(t, jwt.SigningMethodHS256, []byte(tokenSecret), claims(nil), "crit", "x"),
		"other claims":   parts[0] + "." + other + "." + parts[2],
		"no signature":   parts[0] + "." + parts[1] + ".",
		"two parts":      parts[0] + "." + parts[1],
		"empty":          "",
		"noise":          "not a token at all, just some long text",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := verify(t, e, token)
			wantRefused(t, err, flow.CodeUnauthenticated, token)
		})
	}
}

// An application's own check wins over the settings, and that is told.
func TestOpen_VerifyTokenOwn(t *testing.T) {
	var log book
	cfg := environment{"COLLAB_JWT_SECRET": tokenSecret}.config(t)
	cfg.Logger = log.logger()
	cfg.VerifyToken = func(_ context.Context, token string) (flow.User, error) { return flow.User{ID: token}, nil }
	user, err := open(t, cfg).Config().VerifyToken(t.Context(), "me")
	if err != nil || user.ID != "me" {
		t.Errorf("VerifyToken = %+v, %v, want the application's", user, err)
	}
	if line := log.entry(t, "settings have no effect"); line["because"] != "the application checks tokens itself" {
		t.Errorf("logged %v", line)
	}
}

func newRSA(t *testing.T) *rsa.PrivateKey {
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
func jwkOf(t *testing.T, id string, key crypto.Signer) map[string]string {
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
func keyFile(t *testing.T, keys ...map[string]string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.json")
	writeKeys(t, path, keys...)
	return path
}

func writeKeys(t *testing.T, path string, keys ...map[string]string) {
	t.Helper()
	data, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestOpen_KeyFile(t *testing.T) {
	rsaKey := newRSA(t)
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	path := keyFile(t,
		jwkOf(t, "r", rsaKey), jwkOf(t, "e", ecKey), jwkOf(t, "d", edKey),
		map[string]string{"kty": "oct", "kid": "o", "k": number([]byte(tokenSecret))},
		map[string]string{"kty": "RSA", "kid": "enc", "use": "enc", "n": "AQ", "e": "AQ"},
	)
	e := environment{"COLLAB_JWKS_FILE": path}

	for name, token := range map[string]string{
		"RS256":    sign(t, jwt.SigningMethodRS256, rsaKey, claims(nil), "kid", "r"),
		"ES256":    sign(t, jwt.SigningMethodES256, ecKey, claims(nil), "kid", "e"),
		"EdDSA":    sign(t, jwt.SigningMethodEdDSA, edKey, claims(nil), "kid", "d"),
		"unnamed":  sign(t, jwt.SigningMethodRS256, rsaKey, claims(nil)),
		"unnamed2": sign(t, jwt.SigningMethodEdDSA, edKey, claims(nil)),
	} {
		// Each of the three methods is good with the key that the token names, or the only one there is.
		t.Run(name, func(t *testing.T) {
			if user, err := verify(t, e, token); err != nil || user.ID != "ann" {
				t.Errorf("user = %+v, %v", user, err)
			}
		})
	}

	publicPEM := []byte(number(rsaKey.N.Bytes()))
	for name, token := range map[string]string{
		"HS256 with a public key": sign(t, jwt.SigningMethodHS256, publicPEM, claims(nil), "kid", "r"),
		"HS256 with an oct key":   sign(t, jwt.SigningMethodHS256, []byte(tokenSecret), claims(nil), "kid", "o"),
		"RS512":                   sign(t, jwt.SigningMethodRS512, rsaKey, claims(nil), "kid", "r"),
		"PS256":                   sign(t, jwt.SigningMethodPS256, rsaKey, claims(nil), "kid", "r"),
		"key of another method":   sign(t, jwt.SigningMethodRS256, rsaKey, claims(nil), "kid", "e"),
		"unknown key":             sign(t, jwt.SigningMethodRS256, rsaKey, claims(nil), "kid", "x"),
		"another key":             sign(t, jwt.SigningMethodRS256, newRSA(t), claims(nil), "kid", "r"),
	} {
		// No other method, and no other key than the one named, makes a token good.
		t.Run(name, func(t *testing.T) {
			_, err := verify(t, e, token)
			wantRefused(t, err, flow.CodeUnauthenticated, token)
		})
	}
}

// A key that is added to the file is known soon, one that is taken away is not any more, and a file that
// is broken for a while changes nothing.
func TestOpen_KeyFileChanges(t *testing.T) {
	first, second := newRSA(t), newRSA(t)
	path := keyFile(t, jwkOf(t, "1", first))
	cfg := environment{"COLLAB_JWKS_FILE": path}.config(t)
	var log book
	cfg.Logger = log.logger()
	check := open(t, cfg).Config().VerifyToken
	good := func(id string, key crypto.Signer) bool {
		_, err := check(t.Context(), sign(t, jwt.SigningMethodRS256, key, claims(nil), "kid", id))
		return err == nil
	}
	if !good("1", first) || good("2", second) {
		t.Fatal("the first key is not good, or the second is")
	}

	if err := os.WriteFile(path, []byte(`{"keys": "broken"`), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the broken file is noticed", func() bool {
		if !good("1", first) {
			t.Fatal("a broken file took the key away")
		}
		return len(log.entries(t, "the key file cannot be read, the keys stay as they are")) > 0
	})

	writeKeys(t, path, jwkOf(t, "2", second))
	eventually(t, "the second key is good", func() bool { return good("2", second) })
	if good("1", first) {
		t.Error("the first key is still good")
	}
}

func TestOpen_KeyFileBad(t *testing.T) {
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	huge := number(bytes.Repeat([]byte{255}, 256))
	for name, content := range map[string]string{
		"not JSON":     `keys`,
		"no keys":      `{"keys": []}`,
		"only others":  `{"keys": [{"kty": "oct", "k": "AAAA"}]}`,
		"bad numbers":  `{"keys": [{"kty": "RSA", "n": "+/", "e": "AQAB"}]}`,
		"off curve":    `{"keys": [{"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ"}]}`,
		"short Ed":     `{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AQ"}]}`,
		"short RSA":    `{"keys": [{"kty": "RSA", "n": "` + number(short.N.Bytes()) + `", "e": "AQAB"}]}`,
		"huge e":       `{"keys": [{"kty": "RSA", "n": "` + huge + `", "e": "AQABAQAB"}]}`,
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
