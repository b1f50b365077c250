package middleware

import (
	"bytes"
	"crypto/rand"
	"sync/atomic"
)

// oldKeys is how many keys that were replaced still verify.
const oldKeys = 8

// signingKeys sign and verify resume tokens. The keys of the settings stay what they are; one that was
// drawn is replaced by the one that all instances share, as soon as that is known.
type signingKeys struct {
	list atomic.Pointer[[][]byte]
}

func newSigningKeys(settings []Secret) *signingKeys {
	keys := make([][]byte, 0, 1)
	for _, s := range settings {
		if s != "" { // anybody can sign with nothing
			keys = append(keys, []byte(s))
		}
	}
	if len(keys) == 0 {
		keys = append(keys, []byte(rand.Text()))
	}
	k := &signingKeys{}
	k.list.Store(&keys)
	return k
}

// all returns the keys: the first signs, all verify.
func (k *signingKeys) all() [][]byte { return *k.list.Load() }

// signer returns the key that signs.
func (k *signingKeys) signer() []byte { return k.all()[0] }

// share goes over to the key that all instances have, and reports whether it is another one. What the
// keys before have signed stays good here. It is for one goroutine at a time.
func (k *signingKeys) share(key []byte) bool {
	before := k.all()
	if bytes.Equal(before[0], key) {
		return false
	}
	keys := [][]byte{key}
	for _, old := range before {
		if !bytes.Equal(old, key) && len(keys) <= oldKeys {
			keys = append(keys, old)
		}
	}
	k.list.Store(&keys)
	return true
}
