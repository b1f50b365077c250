//go:build unix && !linux

package redistest

import "syscall"

// dieWithParent has no counterpart here: a test binary that dies without its cleanups leaves its
// servers behind.
func dieWithParent() *syscall.SysProcAttr { return nil }
