package main

import (
	"bufio"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fiberflow/flow/internal/redistest"
)

var redis redistest.Shared

// asExample, as the first argument, makes this test binary behave as the example, so that tests can
// start, kill and restart whole processes of it.
const asExample = "as-example"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == asExample {
		main()
		return
	}
	os.Exit(redis.Main(m))
}

// instance is one process of the example.
type instance struct {
	t    *testing.T
	env  []string
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended, with err
	err  error
	log  *os.File
	URL  string
}

// start runs the example with only the given environment, until the test ends.
func start(t *testing.T, env ...string) *instance {
	t.Helper()
	i := &instance{t: t, env: append([]string{"PORT=0"}, env...)}
	i.Restart()
	t.Cleanup(i.Kill)
	return i
}

// command prepares a process of the example with only the given environment, in a folder without .env.
func command(t *testing.T, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], asExample)
	cmd.Env, cmd.Dir = env, t.TempDir()
	return cmd
}

// Restart starts a process that has ended again, on the same port.
func (i *instance) Restart() {
	i.t.Helper()
	i.cmd = command(i.t, i.env...)
	log, err := os.CreateTemp(i.cmd.Dir, "log")
	if err != nil {
		i.t.Fatal(err)
	}
	i.log, i.cmd.Stderr = log, log
	stdout, err := i.cmd.StdoutPipe()
	if err != nil {
		i.t.Fatal(err)
	}
	if err := i.cmd.Start(); err != nil {
		i.t.Fatal(err)
	}
	line, _ := bufio.NewReader(stdout).ReadString('\n')
	i.done = make(chan struct{})
	go func() { // ends with the process, for which Kill and Stop wait
		defer close(i.done)
		i.err = i.cmd.Wait()
	}()
	_, address, found := strings.Cut(strings.TrimSpace(line), "The board is at ")
	u, err := url.Parse(address)
	if !found || err != nil {
		i.t.Fatalf("the example says %q\n%s", line, i.Log())
	}
	i.URL = "http://127.0.0.1:" + u.Port()
	i.env = append(i.env, "PORT="+u.Port())
}

// Kill ends the process as a crash does.
func (i *instance) Kill() {
	_ = i.cmd.Process.Kill() // it may have ended
	<-i.done
}

// Stop asks the process to end and fails the test when it does not do so in good order.
func (i *instance) Stop() {
	i.t.Helper()
	if err := i.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		i.t.Fatal(err)
	}
	select {
	case <-i.done:
		if i.err != nil {
			i.t.Fatalf("the example ends with %v\n%s", i.err, i.Log())
		}
	case <-time.After(time.Minute):
		i.t.Fatalf("the example does not end\n%s", i.Log())
	}
}

// Log returns what the last process wrote to its standard error.
func (i *instance) Log() string {
	data, err := os.ReadFile(i.log.Name())
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// onRedis is the environment that puts all three subsystems on the server, under a prefix of the test's own.
func onRedis(t *testing.T, server *redistest.Server) []string {
	t.Helper()
	return []string{
		"USE_REDIS_COLLABORATION=true", "USE_REDIS_WEBSOCKETS=true", "USE_REDIS_EVENT_ORDERING=true",
		fmt.Sprintf("REDIS_URL=redis://%s/0", server.Addr()), "REDIS_KEY_PREFIX=" + redistest.Prefix(t),
		"REDIS_TIMEOUT=5s", // a busy machine is no outage
	}
}
