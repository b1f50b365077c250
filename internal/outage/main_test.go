package outage_test

import (
	"flag"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// serveFlag makes the test program an instance; see startProcess.
const serveFlag = "outage.serve"

// slack is by how much an answer may miss its bound here. The bounds are for a machine with nothing else to
// do, and here Redis, instances and clients of several tests share one with whatever else runs; what
// hangs is found in any case.
var slack = flag.Int("outage.slack", 3, "how many times its bound an answer may take")

func TestMain(m *testing.M) {
	serving := flag.Bool(serveFlag, false, "run one instance until the standard input ends")
	flag.Parse()
	if *serving {
		os.Exit(serveProcess())
	}
	// The tests wait most of the time, for others and not for a processor.
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m, fasthttpLeftovers()...)
}

// fasthttpLeftovers are goroutines that fasthttp keeps after its server ended: one for the Date header
// for ever, some for compressing, one a server that sleeps for up to ten seconds.
func fasthttpLeftovers() []goleak.Option {
	return []goleak.Option{
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp/stackless.funcWorker"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
	}
}
