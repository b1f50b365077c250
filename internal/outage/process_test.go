package outage_test

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
)

// startProcess runs an instance in a process of its own, the test program itself, which can be killed.
func startProcess(t *testing.T, env map[string]string) *instance {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	i := &instance{log: &journal{}}
	cmd := exec.Command(program, "-"+serveFlag)
	cmd.Stderr = i.log
	for _, key := range slices.Sorted(maps.Keys(env)) {
		cmd.Env = append(cmd.Env, key+"="+env[key])
	}
	stdin, err := cmd.StdinPipe() // it ends when ours does, however that happens
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	i.kill = sync.OnceFunc(func() {
		_ = stdin.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
	})
	t.Cleanup(i.kill)
	addr, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		i.kill()
		t.Fatalf("the instance did not start: %v\n%s", err, i.log.tail(20))
	}
	i.base = "http://" + strings.TrimSpace(addr) + "/collab"
	return i
}

// serveProcess is what runs in that process.
func serveProcess() (status int) {
	addr, stop, err := serve(nil, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Fprintln(os.Stdout, addr)
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent ends
	if err := stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
