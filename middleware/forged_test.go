package middleware_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/fiberflow/flow"
)

// A token cannot choose how it is checked, and nothing but the right key and spelling makes it good.
func TestOpen_VerifyTokenForged(t *testing.T) {
	key, body := []byte(tokenSecret), `{"sub":"ann","exp":`+at(3600)+`}`
	check := verifierOf(t, environment{"COLLAB_JWT_SECRET": tokenSecret})
	if _, err := check(t.Context(), signHMAC(key, headerHS256, body)); err != nil {
		t.Fatal(err)
	}
	for _, table := range []map[string]string{badHeaders(t, body), badSpellings(signHMAC(key, headerHS256, body))} {
		for name, token := range table {
			t.Run(name, func(t *testing.T) {
				_, err := check(t.Context(), token)
				wantRefused(t, err, flow.CodeUnauthenticated, token)
			})
		}
	}
}

// badHeaders are tokens with these claims that ask to be checked in another way.
func badHeaders(t *testing.T, body string) map[string]string {
	t.Helper()
	key := []byte(tokenSecret)
	with := func(header string) string { return signHMAC(key, header, body) }
	bad := map[string]string{
		"another secret":  signHMAC([]byte("x"), headerHS256, body),
		"empty secret":    signHMAC(nil, headerHS256, body),
		"part of secret":  signHMAC(key[:16], headerHS256, body),
		"HS384":           sign(t, jwt.SigningMethodHS384, key, claims(nil)),
		"HS512":           sign(t, jwt.SigningMethodHS512, key, claims(nil)),
		"RS256":           sign(t, jwt.SigningMethodRS256, newRSA(t), claims(nil)),
		"alg missing":     with(`{"typ":"JWT"}`),
		"alg is null":     with(`{"alg":null}`),
		"alg is empty":    with(`{"alg":""}`),
		"alg is a number": with(`{"alg":256}`),
		"alg is a list":   with(`{"alg":["HS256"]}`),
		"alg twice":       with(`{"alg":"none","alg":"HS256"}`),
		"alg lower case":  with(`{"alg":"hs256"}`),
		"alg with space":  with(`{"alg":"HS256 "}`),
		"ALG":             with(`{"ALG":"HS256"}`),
		"crit":            with(`{"alg":"HS256","crit":["x"],"x":1}`),
		"crit of b64":     with(`{"alg":"HS256","crit":["b64"],"b64":false}`),
		"crit is empty":   with(`{"alg":"HS256","crit":[]}`),
		"crit is null":    with(`{"alg":"HS256","crit":null}`),
		"header bomb":     with(strings.Repeat(`{"a":`, 2500)),
		"header of lists": with(`{"alg":"HS256","x":` + nested(6000) + `}`),
		"header is null":  with(`null`),
		"header is list":  with(`[{"alg":"HS256"}]`),
		"header and more": with(headerHS256 + `{"alg":"HS256"}`),
	}
	for _, none := range []string{"none", "None", "NONE", "nOnE", "none ", "\\u006eone"} {
		header := `{"alg":"` + none + `"}`
		bad["alg "+none] = segment(header) + "." + segment(body) + "."
		bad["alg "+none+" signed"] = with(header)
	}
	return bad
}

// badSpellings are what is not quite this token.
func badSpellings(good string) map[string]string {
	parts := strings.Split(good, ".")
	return map[string]string{
		"other claims":         parts[0] + "." + segment(`{"sub":"eve","exp":99999999999}`) + "." + parts[2],
		"other header":         segment(`{"alg":"HS256"}`) + "." + parts[1] + "." + parts[2],
		"no signature":         parts[0] + "." + parts[1] + ".",
		"half a signature":     good[:len(good)-20],
		"signature and more":   good + "AAAA",
		"one bit of signature": good[:len(good)-1] + other(good[len(good)-1]),
		"no header":            "." + parts[1] + "." + parts[2],
		"no claims":            parts[0] + ".." + parts[2],
		"one part":             parts[1],
		"two parts":            parts[0] + "." + parts[1],
		"four parts":           good + "." + parts[2],
		"five parts":           good + ".AAAA.AAAA",
		"final dot":            good + ".",
		"only dots":            "..",
		"many dots":            strings.Repeat(".", 16<<10),
		"padded":               parts[0] + "=." + parts[1] + "=." + parts[2] + "=",
		"padded signature":     good + "=",
		"space before":         " " + good,
		"space behind":         good + " ",
		"line feed behind":     good + "\n",
		"line feed inside":     parts[0] + "." + parts[1] + "." + parts[2][:9] + "\r\n" + parts[2][9:],
		"line feed in claims":  parts[0] + "." + parts[1][:9] + "\n" + parts[1][9:] + "." + parts[2],
		"NUL behind":           good + "\x00",
		"bearer before":        "Bearer " + good,
		"two with comma":       good + "," + good,
		"empty":                "",
		"noise":                "not a token at all, just some long text",
		"JSON form":            fmt.Sprintf(`{"payload":%q,"signature":%q}`, parts[1], parts[2]),
		"16 MB":                strings.Repeat("A", 16<<20),
	}
}

// Where a token says that its key is does not matter: the key is the one of the settings.
func TestOpen_VerifyTokenHeaders(t *testing.T) {
	body := `{"sub":"ann","exp":` + at(3600) + `}`
	check := verifierOf(t, environment{"COLLAB_JWT_SECRET": tokenSecret})
	for name, header := range map[string]string{
		"typ":     `{"alg":"HS256","typ":"at+jwt","cty":"x"}`,
		"kid":     `{"alg":"HS256","kid":"../../dev/null"}`,
		"jku":     `{"alg":"HS256","jku":"http://127.0.0.1:1/keys"}`,
		"x5u":     `{"alg":"HS256","x5u":"file:///dev/zero"}`,
		"own key": `{"alg":"HS256","jwk":{"kty":"oct","k":"AA"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := check(t.Context(), signHMAC([]byte(tokenSecret), header, body)); err != nil {
				t.Error(err)
			}
			token := signHMAC([]byte{0}, header, body)
			_, err := check(t.Context(), token)
			wantRefused(t, err, flow.CodeUnauthenticated, token)
		})
	}
}

// other is another character of base64url, with none of its unused bits set.
func other(c byte) string {
	if c == 'A' {
		return "E"
	}
	return "A"
}

// keyring is one private key of each kind.
type keyring struct {
	rsa, ec, ed crypto.Signer
}

// spellings are the forms in which somebody may have found a public key.
func spellings(t *testing.T, id string, key crypto.Signer) map[string][]byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	inPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	jwk, err := json.Marshal(jwkOf(t, id, key))
	if err != nil {
		t.Fatal(err)
	}
	forms := map[string][]byte{
		"PEM": inPEM, "PEM without line feed": []byte(strings.TrimSpace(string(inPEM))), "DER": der, "JWK": jwk,
	}
	for field, text := range jwkOf(t, id, key) {
		forms["JWK "+field] = []byte(text)
	}
	return forms
}

// A public key is no secret: no method makes a token good that was signed with one.
func TestOpen_VerifyTokenConfusion(t *testing.T) {
	keys := newKeyring(t)
	check := verifierOf(t, environment{"COLLAB_JWKS_FILE": keys.file(t)})
	for id, key := range map[string]crypto.Signer{"r": keys.rsa, "e": keys.ec, "d": keys.ed} {
		for form, secret := range spellings(t, id, key) {
			for _, alg := range []string{"HS256", "RS256", "ES256", "EdDSA"} {
				header := fmt.Sprintf(`{"alg":%q,"kid":%q}`, alg, id)
				t.Run(id+" as "+form+" "+header, func(t *testing.T) {
					token := signHMAC(secret, header, `{"sub":"ann","exp":`+at(3600)+`}`)
					_, err := check(t.Context(), token)
					wantRefused(t, err, flow.CodeUnauthenticated, token)
				})
			}
		}
	}
}

func newKeyring(t testing.TB) keyring {
	t.Helper()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return keyring{newRSA(t), ec, ed}
}

// file writes the public keys under the ids r, e and d, and returns the path.
func (k keyring) file(t testing.TB) string {
	t.Helper()
	return keyFile(t, jwkOf(t, "r", k.rsa), jwkOf(t, "e", k.ec), jwkOf(t, "d", k.ed))
}
