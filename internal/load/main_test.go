package load_test

import (
	"os"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/fiberflow/flow/internal/load"
)

// program is the example, built for the first benchmark that needs it.
var program = sync.OnceValues(func() (string, error) { return load.Build(programDir) })

// programDir is removed at the end.
var programDir string

func TestMain(m *testing.M) {
	var err error
	if programDir, err = os.MkdirTemp("", "flow-load-"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, append(fasthttpLeftovers(), goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(programDir)
		os.Exit(code)
	}))...)
}

// fasthttpLeftovers are goroutines that fasthttp keeps after its server ended: one for the Date header
// for ever, one a server that sleeps for up to ten seconds.
func fasthttpLeftovers() []goleak.Option {
	return []goleak.Option{
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	}
}
