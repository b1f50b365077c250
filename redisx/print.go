package redisx

import (
	"fmt"
	"io"
	"strings"
)

// Format prints where Redis is, whatever the verb: among the fields is a password.
func (c Config) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "redisx.Config("+strings.Join(c.Addrs, ",")+")") // fmt has no use for the error
}

// Format prints where Redis is, whatever the verb: among the fields is a password.
func (c *Conn) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "redisx.Conn("+c.Addr()+")") }
