package attack

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/fiberflow/flow/internal/load"
)

// street is all neighbours.
type street []*neighbour

// settleAll connects neighbours, as many users at as many addresses. What it returns must be left, also
// after an error.
func settleAll(ctx context.Context, t Target, count int) (s street, err error) {
	for i := range count {
		b, err := settle(ctx, t, "neighbour-"+strconv.Itoa(i))
		if err != nil {
			return s, fmt.Errorf("attack: a neighbour cannot join: %w", err)
		}
		s = append(s, b)
	}
	return s, nil
}

// write has all neighbours write until ctx ends, each at moments of its own, and returns when each
// operation is confirmed.
func (s street) write(ctx context.Context, took *load.Histogram) error {
	var group sync.WaitGroup
	failed := make([]error, len(s))
	for i, b := range s { // until ctx has ended, and all is confirmed
		group.Go(func() {
			late := time.NewTimer(writeEvery * time.Duration(i) / time.Duration(len(s)))
			defer late.Stop()
			<-late.C
			failed[i] = b.write(ctx, took)
		})
	}
	group.Wait()
	return errors.Join(failed...)
}

func (s street) leave() {
	for _, b := range s {
		b.leave()
	}
}
