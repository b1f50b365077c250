package redistest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// startTimeout bounds how long a process may take to answer, or to end when it is asked to. It is
	// long because it only passes when something is broken.
	startTimeout = time.Minute
	// askTimeout bounds one answer on the way there.
	askTimeout = 10 * time.Second
)

// Server is one redis-server process. Its methods are for one goroutine at a time.
type Server struct {
	settings

	dir     string
	port    int
	busPort int
	process *process
	cert    *certificate
}

// Start runs a server until the test ends.
func Start(t testing.TB, options ...Option) *Server {
	t.Helper()
	s, err := start(t.TempDir(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// start runs a server with its files in dir. Another process may take a port between our finding it
// free and the server's binding it, so a few are tried.
func start(dir string, options []Option) (*Server, error) {
	s := &Server{dir: dir}
	for _, o := range options {
		o(&s.settings)
	}
	if s.tls {
		var err error
		if s.cert, err = newCertificate(dir); err != nil {
			return nil, err
		}
	}
	var err error
	for range 5 {
		if s.port, err = freePort(); err != nil {
			return nil, err
		}
		if s.busPort, err = freePort(); err != nil {
			return nil, err
		}
		if err = s.run(); err == nil || errors.Is(err, errMissing) {
			return s, err
		}
	}
	return nil, err
}

// Addr returns host and port of the server.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// TLS returns a client configuration that trusts the server's certificate, nil without option [TLS].
func (s *Server) TLS() *tls.Config {
	if s.cert == nil {
		return nil
	}
	return s.cert.client()
}

// Client returns a client with all rights, closed when the test ends.
func (s *Server) Client(t testing.TB) *redis.Client {
	t.Helper()
	c := redis.NewClient(s.options())
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func (s *Server) options() *redis.Options {
	return &redis.Options{
		Addr: s.Addr(), Password: s.password, TLSConfig: s.TLS(),
		MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true, DisableIdentity: true,
	}
}

// Stop ends the server in good order; [Server.Restart] starts it again.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
}

// Kill ends the server as a crash does; [Server.Restart] starts it again.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	if err := s.process.signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.process.wait()
}

// Restart stops the server if it runs and starts it again on the same port. Without [AppendOnly] it
// comes back empty.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Stop(t)
	if err := s.run(); err != nil {
		t.Fatal(err)
	}
}

// RestartEmpty is [Server.Restart] without the data, also with [AppendOnly].
func (s *Server) RestartEmpty(t testing.TB) {
	t.Helper()
	s.Stop(t)
	for _, name := range []string{appendOnlyDir, "dump.rdb"} {
		if err := os.RemoveAll(filepath.Join(s.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.run(); err != nil {
		t.Fatal(err)
	}
}

// Pause stops the process without closing anything: connections stay, nothing answers.
func (s *Server) Pause(t testing.TB) {
	t.Helper()
	if err := s.process.signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
}

// Resume lets a paused process go on.
func (s *Server) Resume(t testing.TB) {
	t.Helper()
	if err := s.process.signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}

func (s *Server) stop() error { return s.process.stop() }

// run starts the process and returns when it answers.
func (s *Server) run() error {
	conf := filepath.Join(s.dir, "redis.conf")
	if err := os.WriteFile(conf, []byte(s.conf()), 0o600); err != nil {
		return err
	}
	p, err := launch(s.dir, append([]string{conf}, s.args...)...)
	if err != nil {
		return err
	}
	s.process = p
	if err := s.ready(); err != nil {
		err = fmt.Errorf("redis-server on port %d: %w\n%s", s.port, err, p.log())
		return errors.Join(err, p.stop())
	}
	return nil
}

func (s *Server) conf() string {
	lines := []string{
		"bind 127.0.0.1",
		"dir " + s.dir,
		`save ""`,
		"appendonly no",
		// A replica that is gone must not delay the end of the test.
		"shutdown-timeout 0",
	}
	if s.cluster {
		lines = append(lines, "cluster-port "+strconv.Itoa(s.busPort))
	}
	port := strconv.Itoa(s.port)
	if s.cert != nil {
		lines = append(lines, "port 0", "tls-port "+port, "tls-auth-clients no",
			"tls-cert-file "+s.cert.certFile, "tls-key-file "+s.cert.keyFile, "tls-ca-cert-file "+s.cert.certFile)
	} else {
		lines = append(lines, "port "+port)
	}
	return strings.Join(append(lines, s.lines...), "\n") + "\n"
}

// ready waits until the server answers. The process id tells it from a stranger on the same port.
func (s *Server) ready() error {
	return poll(func() error {
		if err := s.process.running(); err != nil {
			return fatal(err)
		}
		conn, err := net.DialTimeout("tcp", s.Addr(), time.Second)
		if err != nil {
			return err
		}
		_ = conn.Close()

		return s.ask(func(ctx context.Context, c *redis.Client) error {
			info, err := c.InfoMap(ctx, "server").Result()
			if err != nil {
				return err
			}
			if pid := info["Server"]["process_id"]; pid != strconv.Itoa(s.process.pid()) {
				return fatal(fmt.Errorf("process %s answers on our port", pid))
			}
			return nil
		})
	})
}

// ask uses a client of its own, for a bounded time. It is not bound to the test, whose context has ended
// when it cleans up.
func (s *Server) ask(f func(context.Context, *redis.Client) error) error {
	c := redis.NewClient(s.options())
	defer func() { _ = c.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), askTimeout)
	defer cancel()
	return f(ctx, c)
}

// freePort returns a port that nobody listens on right now. It is below those that kernels choose for
// connections and for listeners: a server that is stopped for a while finds its own free again.
func freePort() (port int, err error) {
	for range 100 {
		port = 10_000 + rand.IntN(22_000)
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return port, l.Close()
		}
	}
	return 0, err
}
