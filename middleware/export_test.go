package middleware

// EnvKey is one key of the environment, for the tests that hold documents against the code.
type EnvKey struct {
	Name, Default string
	Secret        bool
}

// EnvKeys returns every key, in the order of the code.
func EnvKeys() []EnvKey {
	var keys []EnvKey
	for _, k := range new(env).keys() {
		keys = append(keys, EnvKey{Name: k.name, Default: k.def, Secret: k.hidden})
	}
	return keys
}

// PublicKey is one key of a key file.
type PublicKey struct {
	ID, Alg string
	Key     any
}

// ParseKeySet returns the keys of a key file that count.
func ParseKeySet(data []byte) ([]PublicKey, error) {
	found, err := parseKeySet(data)
	var keys []PublicKey
	for _, k := range found {
		keys = append(keys, PublicKey{ID: k.id, Alg: k.alg, Key: k.key})
	}
	return keys, err
}
