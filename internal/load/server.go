package load

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	// AdminToken may read the figures of a [Server].
	AdminToken = "load-admin"

	startTimeout = 15 * time.Second
	// stopTimeout is longer than the server's own bound for its shutdown.
	stopTimeout = 25 * time.Second
)

// Server is the example in a process of its own, so that what it costs is not mixed with what its
// clients cost.
type Server struct {
	cmd    *exec.Cmd
	addr   string
	stderr string // path
}

// Build compiles the example into dir, with more flags for the compiler, and returns the program. It
// needs the go command, inside the module.
func Build(dir string, flags ...string) (program string, err error) {
	program = filepath.Join(dir, "example")
	arguments := append(append([]string{"build", "-o", program}, flags...), "github.com/fiberflow/flow/example")
	build := exec.Command("go", arguments...) //nolint:gosec // our own
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the example: %w\n%s", err, out)
	}
	return program, nil
}

// Start runs the program on a free port until the test ends. Its environment is what is given here, as
// KEY=value, and nothing else.
func Start(t testing.TB, program string, environment ...string) *Server {
	t.Helper()
	s, err := start(t.TempDir(), program, environment)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Stop(t) })
	return s
}

// Stop ends the server in good order. It may be called twice.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if err := s.stop(); err != nil {
		t.Error(err)
	}
}

func start(dir, program string, environment []string) (*Server, error) {
	s := &Server{cmd: exec.Command(program), stderr: filepath.Join(dir, "server.log")}
	stderr, err := os.Create(s.stderr)
	if err != nil {
		return nil, err
	}
	defer func() { _ = stderr.Close() }()
	s.cmd.Dir, s.cmd.Stderr, s.cmd.SysProcAttr = dir, stderr, dieWithParent()
	s.cmd.Env = append([]string{
		"PORT=0", "COLLAB_ANONYMOUS=true", "COLLAB_SECRET=load", "COLLAB_ADMIN_TOKEN=" + AdminToken,
	}, environment...)
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	if err := s.listens(stdout); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// listens waits for the one line that the program prints when it has its port.
func (s *Server) listens(stdout io.Reader) error {
	late := time.AfterFunc(startTimeout, func() { _ = s.cmd.Process.Kill() })
	defer late.Stop()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return fmt.Errorf("the server did not start: %w\n%s", err, s.log())
	}
	port := line[strings.LastIndexByte(line, ':')+1:]
	s.addr = "127.0.0.1:" + strings.TrimSpace(port)
	return nil
}

// stop asks the process to end, and ends it when it does not.
func (s *Server) stop() error {
	if s.cmd.ProcessState != nil { // it was waited for
		return nil
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	late := time.AfterFunc(stopTimeout, func() { _ = s.cmd.Process.Kill() })
	defer late.Stop()
	if err := s.cmd.Wait(); err != nil {
		return fmt.Errorf("the server ended: %w\n%s", err, s.log())
	}
	return nil
}

// Addr returns host and port.
func (s *Server) Addr() string { return s.addr }

// Pid returns the process id.
func (s *Server) Pid() int { return s.cmd.Process.Pid }

// Dir is where the server runs, and where its log is.
func (s *Server) Dir() string { return s.cmd.Dir }

// Output returns all that the server has logged, what GODEBUG asks Go to tell included.
func (s *Server) Output() (string, error) {
	out, err := os.ReadFile(s.stderr)
	return string(out), err
}

// Signal sends the process a signal.
func (s *Server) Signal(sig os.Signal) error { return s.cmd.Process.Signal(sig) }

// log returns the end of what the server wrote.
func (s *Server) log() []byte {
	out, err := os.ReadFile(s.stderr)
	if err != nil {
		return []byte(err.Error())
	}
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-20):], []byte("\n"))
}

// Figures returns the server's own numbers by their names in GET /metrics, those without labels.
func (s *Server) Figures(ctx context.Context) (map[string]float64, error) {
	text, err := s.get(ctx, "/metrics")
	if err != nil {
		return nil, err
	}
	figures := map[string]float64{}
	for line := range bytes.Lines(text) {
		name, number, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		if value, err := strconv.ParseFloat(number, 64); err == nil && !strings.ContainsAny(name, "#{") {
			figures[name] = value
		}
	}
	return figures, nil
}

// Ready is the answer to GET /health/ready.
type Ready struct {
	Subsystems map[string]struct {
		State string `json:"state"`
		Since int64  `json:"since"` // Unix milliseconds
	} `json:"subsystems"`
}

// Since returns when ordering, and when the last of all subsystems, came into its state.
func (r Ready) Since() (ordering, all time.Time) {
	for name, s := range r.Subsystems {
		at := time.UnixMilli(s.Since)
		if name == "ordering" {
			ordering = at
		}
		if at.After(all) {
			all = at
		}
	}
	return ordering, all
}

// Ready asks whether the server is ready.
func (s *Server) Ready(ctx context.Context) (r Ready, err error) {
	text, err := s.get(ctx, "/health/ready")
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	return r, err
}

// get asks for something that an admin may see. Nothing stays open between two requests.
func (s *Server) get(ctx context.Context, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+"/collab"+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+AdminToken)
	request.Close = true
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("GET %s: %s", path, answer.Status)
	}
	return io.ReadAll(answer.Body)
}
