//go:build linux

package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/fiberflow/flow/internal/load"
)

// hook is a file that the profiled example has in addition. It writes profiles when it is signalled, so
// that the example itself needs no route for them.
const hook = "testdata/profile.go.txt"

// profiling bounds the wait for a profile.
const profiling = 20 * time.Second

// BuildProfiled compiles the example with a hook for profiles into dir. It is called in the directory
// of this package.
func BuildProfiled(dir string) (program string, err error) {
	added, err := filepath.Abs("../../example/profile.go")
	if err != nil {
		return "", err
	}
	source, err := filepath.Abs(hook)
	if err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {added: source}})
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(path, overlay, 0o600); err != nil {
		return "", err
	}
	return load.Build(dir, "-overlay", path)
}

// profile has servers profile themselves, if that is wanted.
func (r *Run) profile(servers []*load.Server) {
	r.Helper()
	for _, server := range servers {
		if r.Profile != "" {
			r.must(server.Signal(syscall.SIGUSR1))
		}
	}
}

// keepProfiles ends the profiles and copies them to where they are wanted.
func (r *Run) keepProfiles(servers []*load.Server) {
	r.Helper()
	for i, server := range servers {
		if r.Profile == "" {
			return
		}
		r.must(server.Signal(syscall.SIGUSR1))
		r.must(await(filepath.Join(server.Dir(), "profiled")))
		r.profiles++
		for _, kind := range []string{"cpu", "heap"} {
			data, err := os.ReadFile(filepath.Join(server.Dir(), kind+".pprof")) //nolint:gosec // our own
			r.must(err)
			name := filepath.Join(r.Profile, fmt.Sprintf("%s-%d-%d.%s.pprof", r.scenario, r.profiles, i, kind))
			r.must(os.WriteFile(name, data, 0o600)) //nolint:gosec // where the caller wants them
		}
	}
}

// await polls until a file is there.
func await(path string) error {
	deadline := time.Now().Add(profiling)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for time.Now().Before(deadline) {
		if _, err := os.Stat(path); err == nil {
			return nil
		}
		<-tick.C
	}
	return fmt.Errorf("no %s after %v", path, profiling)
}
