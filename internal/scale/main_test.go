package scale_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience bounds every wait of a test.
const patience = 20 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
