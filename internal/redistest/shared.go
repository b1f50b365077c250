package redistest

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// Shared is one server for the tests of a package, started when the first of them asks. The zero
// value is ready. Tests keep apart by [Prefix] and leave the server as they found it.
type Shared struct {
	options []Option

	once   sync.Once
	dir    string
	server *Server
	err    error
}

// NewShared returns a shared server that is started with options.
func NewShared(options ...Option) *Shared { return &Shared{options: options} }

// Server returns the server, and fails the test when it cannot run.
func (s *Shared) Server(t testing.TB) *Server {
	t.Helper()
	if _, err := s.Addr(); err != nil {
		t.Fatal(err)
	}
	return s.server
}

// Addr returns the address of the server. It is for examples; tests call [Shared.Server].
func (s *Shared) Addr() (string, error) {
	s.once.Do(func() {
		if s.dir, s.err = os.MkdirTemp("", "redistest-"); s.err == nil {
			s.server, s.err = start(s.dir, s.options)
		}
	})
	if s.err != nil {
		return "", s.err
	}
	return s.server.Addr(), nil
}

// Main runs the tests, looks for goroutines that they left behind, stops the server, and returns the
// status to exit with.
func (s *Shared) Main(m *testing.M, options ...goleak.Option) int {
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(options...); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	if err := s.close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	return code
}

func (s *Shared) close() error {
	if s.server != nil {
		if err := s.server.stop(); err != nil {
			return err
		}
	}
	if s.dir == "" {
		return nil
	}
	return os.RemoveAll(s.dir)
}
