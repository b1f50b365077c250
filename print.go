package flow

import (
	"fmt"
	"io"
)

// Format prints whose config it is, whatever the verb: among its fields are secrets.
func (c Config) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "flow.Config("+c.Instance+")") // fmt has no use for the error
}

// Format prints which hub it is, whatever the verb: among its fields are secrets.
func (h *Hub) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "flow.Hub("+h.cfg.Instance+")")
}
