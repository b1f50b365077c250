package redistest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// appendOnlyDir is where a server keeps its append-only files; since Redis 7 there are several.
const appendOnlyDir = "appendonlydir"

// AppendOnlySize returns the length of the file to which the server with [AppendOnly] appends now.
// Everything that was answered before is in it.
func (s *Server) AppendOnlySize(t testing.TB) int64 {
	t.Helper()
	path, err := s.appendOnlyFile()
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// CutAppendOnly makes a server that was killed forget what it wrote after its append-only file had the
// size, as one does that loses its last second. A command or a transaction that the cut goes through
// is lost whole.
func (s *Server) CutAppendOnly(t testing.TB, size int64) {
	t.Helper()
	path, err := s.appendOnlyFile()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
}

// appendOnlyFile returns the last of the files in the manifest.
func (s *Server) appendOnlyFile() (string, error) {
	dir := filepath.Join(s.dir, appendOnlyDir)
	manifest, err := os.ReadFile(filepath.Join(dir, "appendonly.aof.manifest")) //nolint:gosec // a test's own
	if err != nil {
		return "", err
	}
	lines := bytes.Split(bytes.TrimSpace(manifest), []byte("\n"))
	last := strings.Fields(string(lines[len(lines)-1])) // file <name> seq <number> type i
	if len(last) != 6 || last[5] != "i" {
		return "", fmt.Errorf("the manifest of the append-only file ends with %q", last)
	}
	return filepath.Join(dir, last[1]), nil
}

// Backup copies the data that the server with [AppendOnly] has on disk, and returns where to.
func (s *Server) Backup(t testing.TB) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(s.dir, appendOnlyDir))); err != nil {
		t.Fatal(err)
	}
	return dir
}

// RestartFrom is [Server.Restart] with the data of a [Server.Backup] in place of its own.
func (s *Server) RestartFrom(t testing.TB, backup string) {
	t.Helper()
	s.Stop(t)
	dir := filepath.Join(s.dir, appendOnlyDir)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, os.DirFS(backup)); err != nil {
		t.Fatal(err)
	}
	if err := s.run(); err != nil {
		t.Fatal(err)
	}
}
