package redistest

import (
	"errors"
	"fmt"
	"time"
)

// fatalError ends a poll at once.
type fatalError struct{ error }

func fatal(err error) error { return fatalError{err} }

// Unwrap returns the reason.
func (e fatalError) Unwrap() error { return e.error }

// poll calls f until it returns nil, or something fatal, or time is up: then it returns the last
// error.
func poll(f func() error) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(startTimeout)
	for {
		err := f()
		if err == nil {
			return nil
		}
		if _, ok := errors.AsType[fatalError](err); ok {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not ready after %v: %w", startTimeout, err)
		}
		<-tick.C
	}
}
