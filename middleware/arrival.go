package middleware

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/fiberflow/flow"
	"github.com/fiberflow/flow/redisx"
)

const (
	// lookEvery is how often arrival looks whether Redis is there, which costs nothing.
	lookEvery = 100 * time.Millisecond
	// tryEvery is how often it tries what Redis did not let it do.
	tryEvery = time.Second
	// turn is how long one try may take.
	turn = 30 * time.Second
)

// arrival does what has to wait until Redis answers: it agrees with the other instances on the signing
// key. The connection itself keeps looking for Redis.
type arrival struct {
	conn  *redisx.Conn
	log   *slog.Logger
	redis []any        // what the log tells of the connection
	keys  *signingKeys // nil: no key to agree on

	// Used by one goroutine at a time: first that of Open, then run.
	greeted  bool
	lastWord string

	cancel context.CancelFunc
	done   sync.WaitGroup
}

// try does what is still to do, as far as Redis lets it.
func (a *arrival) try(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, turn)
	defer cancel()
	if !a.greeted {
		a.greeted = true
		a.log.Info("redis connected", a.redis...)
	}
	if a.keys != nil && !a.keys.shared.Load() {
		key, err := redisx.SharedSecret(ctx, a.conn, a.keys.own())
		if err != nil {
			return err
		}
		a.keys.share(key)
	}
	return nil
}

// start begins to look for Redis. The goroutine is owned by the hub: it ends when everything is done,
// or by stop.
func (a *arrival) start() {
	ctx, cancel := context.WithCancel(context.Background())
	a.cancel = cancel
	a.done.Go(func() { a.run(ctx) })
}

// stop ends the looking, and waits for it.
func (a *arrival) stop() {
	a.cancel()
	a.done.Wait()
}

func (a *arrival) run(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		if a.conn.Health().State != flow.Live {
			ticker.Reset(lookEvery)
			continue
		}
		err := a.try(ctx)
		if err == nil {
			return
		}
		a.complain(ctx, err)
		ticker.Reset(tryEvery)
	}
}

// complain tells once why the way to Redis takes longer. That it went away again is told elsewhere.
func (a *arrival) complain(ctx context.Context, err error) {
	word := err.Error()
	if ctx.Err() != nil || a.conn.Health().State != flow.Live || word == a.lastWord {
		return
	}
	a.lastWord = word
	a.log.Warn("going over to redis takes longer", "addr", a.conn.Addr(), "error", word)
}
