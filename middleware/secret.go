package middleware

import (
	"bytes"
	"crypto/rand"
	"sync/atomic"
)

// signingKeys sign and verify resume tokens. The keys of the settings stay what they are; one that was
// drawn is replaced by the one that all instances share, as soon as that is known.
type signingKeys struct {
	list   atomic.Pointer[[][]byte]
	shared atomic.Bool // no other instance needs a key of this one
}

func newSigningKeys(settings []Secret) *signingKeys {
	keys := make([][]byte, 0, 1)
	for _, s := range settings {
		keys = append(keys, []byte(s))
	}
	k := &signingKeys{}
	k.shared.Store(len(keys) > 0)
	if len(keys) == 0 {
		keys = append(keys, []byte(rand.Text()))
	}
	k.list.Store(&keys)
	return k
}

// all returns the keys: the first signs, all verify.
func (k *signingKeys) all() [][]byte { return *k.list.Load() }

// own returns the key that is offered to the others.
func (k *signingKeys) own() []byte { return k.all()[0] }

// share goes over to the key that all instances have. What the own key has signed stays good here.
func (k *signingKeys) share(key []byte) {
	defer k.shared.Store(true)
	own := k.own()
	if bytes.Equal(own, key) {
		return
	}
	k.list.Store(&[][]byte{key, own})
}
