package middleware

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

var errNoKey = errors.New("no key of the set fits the token")

// maxKeyFile is how many bytes a key file may have: a wrong path may lead to anything.
const maxKeyFile = 1 << 20

// recheck is how long a change of the file may go unnoticed.
const recheck = time.Second

// keySet is the public keys of a JWKS file (RFC 7517). It notices when the file changes; a file that
// has become unreadable leaves the keys as they are.
type keySet struct {
	path string
	log  *slog.Logger
	keys atomic.Pointer[[]publicKey]
	// looked is when the file was last looked at, in Unix nanoseconds. Whoever moves it on looks.
	looked atomic.Int64
	stamp  atomic.Pointer[fileStamp]
	told   atomic.Value // the error that was logged last, as text
}

// publicKey is one key of the set, and the one algorithm that it may check.
type publicKey struct {
	id  string
	alg string
	key any
}

type fileStamp struct {
	changed time.Time
	size    int64
}

func openKeySet(path string, log *slog.Logger) (*keySet, error) {
	s := &keySet{path: path, log: log}
	s.looked.Store(time.Now().UnixNano())
	return s, s.load()
}

// find is a [jwt.Keyfunc]: the key that the token names; if it names none, all for its algorithm.
func (s *keySet) find(token *jwt.Token) (any, error) {
	s.refresh()
	given, named := token.Header["kid"]
	id, ok := given.(string)
	if named && (!ok || id == "") { // an empty one would fit all keys without a name
		return nil, errNoKey
	}
	var fitting jwt.VerificationKeySet
	for _, k := range *s.keys.Load() {
		if k.alg == token.Method.Alg() && (!named || k.id == id) {
			fitting.Keys = append(fitting.Keys, k.key)
		}
	}
	if len(fitting.Keys) == 0 {
		return nil, errNoKey
	}
	return fitting, nil
}

// refresh loads the file again when it has changed. Only one caller at a time does, the others go on
// with the keys there are.
func (s *keySet) refresh() {
	last, now := s.looked.Load(), time.Now().UnixNano()
	if now-last < int64(recheck) || !s.looked.CompareAndSwap(last, now) {
		return
	}
	info, err := os.Stat(s.path)
	if err == nil && *s.stamp.Load() == stampOf(info) {
		return
	}
	if err == nil {
		err = s.load()
	}
	if err != nil {
		if s.told.Swap(err.Error()) != err.Error() {
			s.log.Warn("the key file cannot be read, the keys stay as they are", "path", s.path, "error", err)
		}
		return
	}
	s.told.Store("")
	s.log.Info("the key file was read again", "path", s.path, "keys", len(*s.keys.Load()))
}

func stampOf(info fs.FileInfo) fileStamp { return fileStamp{info.ModTime(), info.Size()} }

func (s *keySet) load() error {
	// Before the contents: a change in between is then noticed the next time.
	info, err := os.Stat(s.path)
	if err != nil {
		return err
	}
	if info.Size() > maxKeyFile {
		return fmt.Errorf("expected at most %d bytes", maxKeyFile)
	}
	data, err := os.ReadFile(s.path)
	if err != nil {
		return err
	}
	stamp := stampOf(info)
	s.stamp.Store(&stamp)
	keys, err := parseKeySet(data)
	if err != nil {
		return err
	}
	s.keys.Store(&keys)
	return nil
}

// jwk is one member of the file's "keys".
type jwk struct {
	Kty, Kid, Use, Alg, Crv, N, E, X, Y string
}

// parseKeySet skips keys that are for other things, as the RFC asks; a key that is meant for us and
// broken is an error.
func parseKeySet(data []byte) ([]publicKey, error) {
	var file struct{ Keys []jwk }
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, errors.New(`expected a JSON object with an array "keys"`)
	}
	var keys []publicKey
	for i, k := range file.Keys {
		alg := k.algorithm()
		if alg == "" || k.Alg != "" && k.Alg != alg || k.Use != "" && k.Use != "sig" {
			continue
		}
		key, err := k.publicKey()
		if err != nil {
			return nil, fmt.Errorf("key %d (%q): %w", i+1, k.Kid, err)
		}
		keys = append(keys, publicKey{id: k.Kid, alg: alg, key: key})
	}
	if len(keys) == 0 {
		return nil, errors.New("expected at least one public key for RS256, ES256 or EdDSA")
	}
	return keys, nil
}

// algorithm returns the one that fits the key's kind; "" when none of ours does.
func (k jwk) algorithm() string {
	switch {
	case k.Kty == "RSA":
		return "RS256"
	case k.Kty == "EC" && k.Crv == "P-256":
		return "ES256"
	case k.Kty == "OKP" && k.Crv == "Ed25519":
		return "EdDSA"
	default:
		return ""
	}
}

func (k jwk) publicKey() (any, error) {
	n, e, x, y, err := k.numbers()
	if err != nil {
		return nil, err
	}
	switch k.Kty {
	case "RSA":
		return rsaKey(n, e)
	case "EC":
		return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y))
	default:
		if len(x) != ed25519.PublicKeySize {
			return nil, errors.New("expected an Ed25519 key of 32 bytes")
		}
		return ed25519.PublicKey(x), nil
	}
}

// rsaKey refuses what every check of a signature would refuse, or take too long for.
func rsaKey(n, e []byte) (*rsa.PublicKey, error) {
	modulus, exponent := new(big.Int).SetBytes(n), new(big.Int).SetBytes(e)
	if bits := modulus.BitLen(); bits < 2048 || bits > 16384 || modulus.Bit(0) == 0 {
		return nil, errors.New("expected an RSA key of 2048 to 16384 bits")
	}
	if exponent.BitLen() > 31 || exponent.Int64() < 3 || exponent.Bit(0) == 0 {
		return nil, errors.New("expected an RSA key with an odd exponent of 3 to 2147483647")
	}
	return &rsa.PublicKey{N: modulus, E: int(exponent.Int64())}, nil
}

func (k jwk) numbers() (n, e, x, y []byte, err error) {
	for field, text := range map[*[]byte]string{&n: k.N, &e: k.E, &x: k.X, &y: k.Y} {
		decoded, bad := base64.RawURLEncoding.DecodeString(text)
		err = errors.Join(err, bad)
		*field = decoded
	}
	if err != nil {
		return nil, nil, nil, nil, errors.New("expected base64url numbers")
	}
	return n, e, x, y, nil
}
