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
	// lookEvery is how often an agreement looks whether Redis is there, which costs nothing.
	lookEvery = 250 * time.Millisecond
	// retryEvery is how often it tries what Redis did not let it do.
	retryEvery = time.Second
	// renewEvery is how often it offers the key again: Redis may have lost it, and an instance that
	// starts then would begin with another one.
	renewEvery = 30 * time.Second
)

// agreement keeps the key that signs resume tokens the same on all instances that share the sessions. The
// first key that is offered to Redis wins. It is offered again whenever Redis comes back.
type agreement struct {
	conn *redisx.Conn
	keys *signingKeys
	log  *slog.Logger

	// Used by one goroutine at a time: first that of Open, then run.
	since  time.Time // the state of Redis has been as it is, when the key was offered
	next   time.Time // when to offer it again
	shared bool      // at the last try
	told   bool      // that Redis, which is there, does not let us

	cancel context.CancelFunc
	done   sync.WaitGroup
}

// start offers the key if Redis is there, and keeps doing so. The goroutine is owned by the hub: it ends
// by stop.
func (a *agreement) start() {
	ctx, cancel := context.WithCancel(context.Background())
	a.cancel = cancel
	if !a.look(ctx) {
		a.log.Warn("the key that signs resume tokens is not shared yet: until redis answers, who joins here can " +
			"come back to this instance only")
	}
	a.done.Go(func() { a.run(ctx) })
}

// stop ends what start began, and waits for it.
func (a *agreement) stop() {
	a.cancel()
	a.done.Wait()
}

func (a *agreement) run(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			a.look(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// look offers the key if that is due, and reports false when it could not.
func (a *agreement) look(ctx context.Context) bool {
	health, now := a.conn.Health(), time.Now()
	if health.Since.Equal(a.since) && now.Before(a.next) {
		return a.shared
	}
	a.since, a.next, a.shared = health.Since, now.Add(retryEvery), false
	// Whatever the state: what is refused to a subsystem may be allowed to the key.
	key, err := redisx.SharedSecret(ctx, a.conn, a.keys.signer())
	if err != nil {
		a.complain(err)
		return false
	}
	a.told, a.shared, a.next = false, true, now.Add(renewEvery)
	if a.keys.share(key) {
		a.log.Info("resume tokens are signed with the key of the other instances from now on")
	}
	return true
}

// complain tells why Redis, which is there, does not take the key. That it is away is told elsewhere.
func (a *agreement) complain(err error) {
	if flow.ErrorCode(err) == flow.CodeUnavailable || a.told {
		return
	}
	a.told = true
	a.log.Warn("the key that signs resume tokens cannot be shared", "addr", a.conn.Addr(), "error", err)
}
