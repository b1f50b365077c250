//go:build unix && !linux

package load

import "syscall"

// dieWithParent has no counterpart here: a test binary that dies without its cleanups leaves its
// servers behind.
func dieWithParent() *syscall.SysProcAttr { return nil }
