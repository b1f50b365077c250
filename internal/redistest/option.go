package redistest

import (
	"fmt"
	"strings"
)

// Option changes how a server is started.
type Option func(*settings)

// settings are what the options set.
type settings struct {
	lines    []string // of redis.conf, after ours
	args     []string // of the program, after the file
	password string   // of the clients that this package opens
	tls      bool
	cluster  bool // the server needs a port for the cluster bus
}

// AppendOnly keeps the data on disk, so that it survives [Server.Kill] and [Server.Restart]: all that
// was answered, not only what is older than a second.
func AppendOnly() Option {
	return func(s *settings) { s.lines = append(s.lines, "appendonly yes", "appendfsync always") }
}

// Password makes the server refuse clients without it.
func Password(password string) Option {
	return func(s *settings) {
		s.lines = append(s.lines, "requirepass "+password)
		s.password = password
	}
}

// User adds a user with the given access rules; without any it may do everything. The other
// users, the default one included, stay as they are.
func User(name, password string, rules ...string) Option {
	if len(rules) == 0 {
		rules = []string{"~*", "&*", "+@all"}
	}
	return func(s *settings) {
		line := fmt.Sprintf("user %s on >%s %s", name, password, strings.Join(rules, " "))
		s.lines = append(s.lines, line)
	}
}

// TLS makes the server speak TLS only, with a certificate of its own; see [Server.TLS].
func TLS() Option {
	return func(s *settings) { s.tls = true }
}

// Set adds any line to redis.conf.
func Set(key, value string) Option {
	return func(s *settings) { s.lines = append(s.lines, key+" "+value) }
}
