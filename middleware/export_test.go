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
