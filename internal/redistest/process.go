package redistest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// errMissing says what a machine lacks.
var errMissing = errors.New("redis-server is not installed: apt-get install redis-server, or brew install redis")

// process is one started program and what it wrote.
type process struct {
	cmd  *exec.Cmd
	path string // of its output

	ended bool // and was waited for
}

// launch starts redis-server with the given arguments and its output in a file of dir: a pipe would
// need a goroutine for as long as the process runs.
func launch(dir string, args ...string) (*process, error) {
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", errMissing, err)
	}
	path := filepath.Join(dir, "redis.log")
	out, err := os.Create(path) //nolint:gosec // a directory of the test
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Close() }()
	cmd := exec.Command(binary, args...) //nolint:gosec,noctx // ended by pid, with its own bound
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	cmd.SysProcAttr = dieWithParent()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &process{cmd: cmd, path: path}, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// running returns an error once the process has ended.
func (p *process) running() error {
	var status syscall.WaitStatus
	if got, err := syscall.Wait4(p.pid(), &status, syscall.WNOHANG, nil); err == nil && got == 0 {
		return nil
	}
	p.ended = true
	return errors.New("the process ended")
}

func (p *process) signal(sig os.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal redis-server: %w", err)
	}
	return nil
}

// wait returns when the process has ended.
func (p *process) wait() {
	if p.ended {
		return
	}
	_ = p.cmd.Wait() // how it ended is in its log
	p.ended = true
}

// stop asks the process to end, and ends it when it does not. A paused one has to go on for that.
func (p *process) stop() error {
	if p.ended {
		return nil
	}
	if err := p.signal(syscall.SIGCONT); err != nil {
		return err
	}
	if err := p.signal(syscall.SIGTERM); err != nil {
		return err
	}
	kill := time.AfterFunc(startTimeout, func() { _ = p.signal(syscall.SIGKILL) })
	defer kill.Stop()
	p.wait()
	return nil
}

// log returns the end of what the process wrote.
func (p *process) log() []byte {
	out, err := os.ReadFile(p.path)
	if err != nil {
		return []byte(err.Error())
	}
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-20):], []byte("\n"))
}
