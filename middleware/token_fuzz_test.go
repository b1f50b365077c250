package middleware_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"github.com/fiberflow/flow"
)

// signed reports whether a token has a signature of one of the keys, by its own reading of RFC 7515.
func (k keyring) signed(token string) bool {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return false
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		return false
	}
	text := []byte(parts[0] + "." + parts[1])
	digest := sha256.Sum256(text)
	if public, ok := k.rsa.Public().(*rsa.PublicKey); ok &&
		rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature) == nil {
		return true
	}
	if public, ok := k.ec.Public().(*ecdsa.PublicKey); ok && len(signature) == 64 {
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		if ecdsa.Verify(public, digest[:], r, s) {
			return true
		}
	}
	public, ok := k.ed.Public().(ed25519.PublicKey)
	return ok && ed25519.Verify(public, text, signature)
}

// signedHMAC is the same for a secret.
func signedHMAC(key []byte, token string) bool {
	text, signature, ok := cutLast(token)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return ok && signature == base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func cutLast(token string) (before, after string, ok bool) {
	i := strings.LastIndexByte(token, '.')
	if i < 0 {
		return "", "", false
	}
	return token[:i], token[i+1:], true
}

// wantSound checks what every token that was taken must say, and every refusal.
func wantSound(t *testing.T, token string, user flow.User, err error) {
	t.Helper()
	if err != nil {
		if code := flow.ErrorCode(err); code != flow.CodeUnauthenticated && code != flow.CodeTokenExpired {
			t.Errorf("%q is refused with code %s", token, code)
		}
		if user.ID != "" || user.Claims != nil {
			t.Errorf("%q is refused, and the user is %+v", token, user)
		}
		return
	}
	if len(user.ID) < 1 || len(user.ID) > 255 || !utf8.ValidString(user.ID) || user.Admin || user.Anonymous {
		t.Errorf("%q is of user %+v", token, user)
	}
	if left := time.Until(user.Expires); left < -5*time.Second || user.Expires.Year() > 9999 || len(token) > 16<<10 {
		t.Errorf("%q ends at %v", token, user.Expires)
	}
}

// Whatever is offered as a token: no panic, and what has no signature of a key that counts is refused.
func FuzzVerifyToken(f *testing.F) {
	keys := newKeyring(f)
	bySecret := verifierOf(f, environment{"COLLAB_JWT_SECRET": tokenSecret})
	byKeys := verifierOf(f, environment{"COLLAB_JWKS_FILE": keys.file(f)})
	body := `{"sub":"ann","exp":4102444800}`
	good := signHMAC([]byte(tokenSecret), headerHS256, body)
	f.Add(good)
	f.Add(sign(f, jwt.SigningMethodRS256, keys.rsa, claims(nil), "kid", "r"))
	f.Add(sign(f, jwt.SigningMethodES256, keys.ec, claims(nil), "kid", "e"))
	f.Add(sign(f, jwt.SigningMethodEdDSA, keys.ed, claims(nil)))
	f.Add(segment(`{"alg":"none"}`) + "." + segment(body) + ".")
	f.Add(signHMAC(nil, `{"alg":"HS256","kid":["r"],"jwk":{}}`, body))
	f.Add(signHMAC(nil, `{"alg":["HS256"],"crit":null}`, body))
	for _, token := range badSpellings(good) {
		if len(token) < 1<<10 {
			f.Add(token)
		}
	}
	f.Fuzz(func(t *testing.T, token string) {
		user, err := bySecret(t.Context(), token)
		if wantSound(t, token, user, err); err == nil && !signedHMAC([]byte(tokenSecret), token) {
			t.Errorf("%q was taken, and nobody signed it", token)
		}
		user, err = byKeys(t.Context(), token)
		if wantSound(t, token, user, err); err == nil && !keys.signed(token) {
			t.Errorf("%q was taken, and nobody signed it", token)
		}
	})
}

// Whatever somebody has signed: no panic, and what is taken is a user with an end, who is in the claims once. It stays
// the same user when a decoder of another kind reads them.
func FuzzVerifyClaims(f *testing.F) {
	check := verifierOf(f, environment{"COLLAB_JWT_SECRET": tokenSecret})
	const exp = `,"exp":4102444800`
	f.Add(headerHS256, `{"sub":"ann"`+exp+`}`)
	for _, table := range []map[string]string{badTimes(exp), badSubjects(exp), badJSON(exp)} {
		for _, claims := range table {
			f.Add(headerHS256, claims)
		}
	}
	for _, header := range []string{`{"alg":"HS256","crit":["exp"]}`, `{"alg":"HS512"}`, `{"alg":"HS256","kid":{}}`} {
		f.Add(header, `{"sub":"ann"`+exp+`}`)
	}
	f.Fuzz(func(t *testing.T, header, claims string) {
		token := signHMAC([]byte(tokenSecret), header, claims)
		user, err := check(t.Context(), token)
		if wantSound(t, token, user, err); err != nil {
			return
		}
		var raw map[string]json.RawMessage
		if err := json.Unmarshal([]byte(claims), &raw); err != nil {
			t.Fatalf("%q was taken: %v", claims, err)
		}
		var id string
		var expires float64
		if json.Unmarshal(raw["sub"], &id) != nil || id != user.ID {
			t.Errorf("%q is of user %q", claims, user.ID)
		}
		if json.Unmarshal(raw["exp"], &expires) != nil || int64(expires) != user.Expires.Unix() {
			t.Errorf("%q ends at %v", claims, user.Expires)
		}
		var head map[string]any
		if err := json.Unmarshal([]byte(header), &head); err != nil || head["alg"] != "HS256" {
			t.Errorf("header %q was taken (%v)", header, err)
		}
	})
}
