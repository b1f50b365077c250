package redisx_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/fiberflow/flow/redisx"
)

// No verb prints the password of a config, or of a connection.
func TestConfig_Format(t *testing.T) {
	config := redisx.Config{
		Addrs: []string{"127.0.0.1:1"}, Password: "hunter2", Prefix: "p", Logger: slog.New(slog.DiscardHandler),
	}
	conn, err := redisx.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d"} {
		text := fmt.Sprintf(verb+verb+verb+verb, config, &config, conn, []any{config})
		if strings.Contains(text, "hunter2") || !strings.Contains(text, "127.0.0.1:1") {
			t.Errorf("%s prints %s", verb, text)
		}
	}
}
