package middleware_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"testing"

	"github.com/fiberflow/flow/middleware"
)

// Whatever a key file has in it: no panic, an error, or public keys of which each is for the one method of its kind.
func FuzzParseKeySet(f *testing.F) {
	keys := newKeyring(f)
	for _, key := range []crypto.Signer{keys.rsa, keys.ec, keys.ed} {
		data, err := json.Marshal(map[string]any{"keys": []map[string]string{jwkOf(f, "k", key)}})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, text := range []string{
		``, `null`, `[]`, `{"keys":null}`, `{"keys":[null]}`, `{"keys":[{}]}`, `{"keys":[{"kty":"oct","k":"AAAA"}]}`,
		`{"keys":[{"kty":"RSA","n":"AQ","e":"AQAB"}]}`, `{"keys":[{"kty":"RSA","n":"","e":""}]}`,
		`{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}`, `{"keys":[{"kty":"EC","crv":"P-384"}]}`,
		`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AAAA"}]}`, `{"keys":[{"kty":"OKP","crv":"X25519","x":"AAAA"}]}`,
		`{"keys":[{"kty":["RSA"],"kid":7}]}`, `{"keys":{"kty":"RSA"}}`, `{"keys":[{"kty":"RSA","alg":"none"}]}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		found, err := middleware.ParseKeySet(data)
		if (err == nil) != (len(found) > 0) {
			t.Errorf("%d keys, %v", len(found), err)
		}
		for _, k := range found {
			switch key := k.Key.(type) {
			case *rsa.PublicKey:
				if k.Alg != "RS256" || key.N.BitLen() < 2048 || key.E < 3 {
					t.Errorf("%s with an RSA key of %d bits, exponent %d", k.Alg, key.N.BitLen(), key.E)
				}
			case *ecdsa.PublicKey:
				if _, err := key.ECDH(); k.Alg != "ES256" || err != nil {
					t.Errorf("%s with an EC key: %v", k.Alg, err)
				}
			case ed25519.PublicKey:
				if k.Alg != "EdDSA" || len(key) != ed25519.PublicKeySize {
					t.Errorf("%s with an Ed25519 key of %d bytes", k.Alg, len(key))
				}
			default:
				t.Errorf("%s with a %T", k.Alg, k.Key)
			}
		}
	})
}
