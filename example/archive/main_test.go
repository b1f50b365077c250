package main

import (
	"bufio"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fiberflow/flow/internal/redistest"
)

var redis redistest.Shared

// asArchive, as the first argument, makes this test binary behave as the program, so that tests can start,
// kill and restart whole processes of it.
const asArchive = "as-archive"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == asArchive {
		os.Args = append(os.Args[:1], os.Args[2:]...)
		main()
		return
	}
	os.Exit(redis.Main(m))
}

// process is the program on Redis, always the same instance with the same file.
type process struct {
	t    *testing.T
	env  []string
	file string
	cmd  *exec.Cmd
	log  *os.File
	url  string
}

// start runs the program on a Redis until the test ends.
func start(t *testing.T, server *redistest.Server) *process {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, log: log, file: filepath.Join(t.TempDir(), "archive of 100% & more.db"), env: []string{
		"PORT=0", "COLLAB_ANONYMOUS=true", "COLLAB_INSTANCE=archive", "USE_REDIS_EVENT_ORDERING=true",
		fmt.Sprintf("REDIS_URL=redis://%s/0", server.Addr()), "REDIS_KEY_PREFIX=" + redistest.Prefix(t),
		"REDIS_TIMEOUT=5s", // a busy machine is no outage
	}}
	p.run()
	t.Cleanup(func() {
		p.kill()
		_ = log.Close()
	})
	return p
}

// run starts the program again, on the same port.
func (p *process) run() {
	p.t.Helper()
	p.cmd = exec.CommandContext(p.t.Context(), os.Args[0], asArchive, "-file", p.file)
	p.cmd.Env, p.cmd.Dir, p.cmd.Stderr = p.env, filepath.Dir(p.file), p.log
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	line, _ := bufio.NewReader(stdout).ReadString('\n')
	_, address, found := strings.Cut(strings.TrimSpace(line), "Serving at ")
	u, err := url.Parse(address)
	if !found || err != nil {
		p.t.Fatalf("the program says %q\n%s", line, p.said())
	}
	p.url = "http://127.0.0.1:" + u.Port() + "/collab/rooms/"
	p.env = append(p.env, "PORT="+u.Port())
}

// kill ends the program as a crash does.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	_ = p.cmd.Wait()         // it says that it was killed
}

// stop ends the program in good order.
func (p *process) stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- p.cmd.Wait() }() // ends with the process, which is killed at the latest
	select {
	case err := <-ended:
		if err != nil {
			p.t.Fatalf("the program ends with %v\n%s", err, p.said())
		}
	case <-time.After(time.Minute):
		p.t.Fatalf("the program does not end\n%s", p.said())
	}
}

// said returns what the program wrote to its standard error.
func (p *process) said() string {
	data, err := os.ReadFile(p.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// reader opens the program's file beside it.
func (p *process) reader() *archive {
	p.t.Helper()
	a, err := openArchive(p.t.Context(), p.file)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = a.close() })
	return a
}
