package flow_test

import (
	"os"
	"testing"

	"github.com/fiberflow/flow/internal/redistest"
)

// shared is the Redis of this package's tests.
var shared redistest.Shared

func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }
