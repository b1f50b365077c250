package redisx

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// serve uses one connection until it fails.
func (f *feed) serve() error {
	ps := f.conn.client.Subscribe(f.conn.ctx)
	f.heard.Store(0)
	if err := f.tell(ps); err != nil {
		_ = ps.Close()
		return err
	}
	failed := make(chan error, 1)
	var receiver sync.WaitGroup
	// Ends when the connection is closed, right below.
	receiver.Go(func() { failed <- f.receive(ps) })
	defer func() {
		_ = ps.Close()
		receiver.Wait()
	}()
	return f.manage(ps, failed)
}

// manage tells the server what to send and listens for our own heartbeat.
func (f *feed) manage(ps *redis.PubSub, failed <-chan error) error {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	var sent int64
	missed := 0
	began, changed := f.sub.look()
	for {
		select {
		case err := <-failed:
			return err
		case <-f.conn.ctx.Done():
			return f.conn.ctx.Err()
		case <-f.wake:
			if err := f.tell(ps); err != nil {
				return err
			}
		case <-changed:
			var returns uint64
			if returns, changed = f.sub.look(); returns != began {
				return errRenew
			}
		case <-tick.C:
			if missed = f.missed(missed, sent); missed >= maxMissed {
				return errSilent
			}
			if f.sub.beat(f.beat, sent+1) == nil {
				sent++
			}
		}
	}
}

// missed returns how many heartbeats in a row were not heard. While Redis is away none is sent.
func (f *feed) missed(before int, sent int64) int {
	if f.sub.anyLive() == nil || f.heard.Load() >= sent {
		return 0
	}
	return before + 1
}

// tell brings the server up to date with the subscriptions.
func (f *feed) tell(ps *redis.PubSub) error {
	subscribe, unsubscribe, joined := f.changes()
	for _, s := range joined {
		s.standing()
	}
	// In a Cluster the connection goes to the node of the first channel: take one that serves.
	serves := func(channel string) bool { return f.sub.of(channel).live() }
	if i := slices.IndexFunc(subscribe, serves); i > 0 {
		subscribe[0], subscribe[i] = subscribe[i], subscribe[0]
	}
	ctx, cancel := context.WithTimeout(f.conn.ctx, f.conn.config.Timeout)
	defer cancel()
	for len(subscribe) > 0 {
		n := min(len(subscribe), subscribeAtOnce)
		if err := ps.Subscribe(ctx, subscribe[:n]...); err != nil {
			return err
		}
		subscribe = subscribe[n:]
	}
	for len(unsubscribe) > 0 {
		n := min(len(unsubscribe), subscribeAtOnce)
		if err := ps.Unsubscribe(ctx, unsubscribe[:n]...); err != nil {
			return err
		}
		unsubscribe = unsubscribe[n:]
	}
	return nil
}

// receive hands on what comes in, until the connection fails.
func (f *feed) receive(ps *redis.PubSub) error {
	for {
		message, err := ps.ReceiveTimeout(f.conn.ctx, receiveTimeout)
		if err != nil {
			if isTimeout(err) && f.conn.ctx.Err() == nil {
				continue
			}
			return err
		}
		switch m := message.(type) {
		case *redis.Message:
			for _, s := range f.subscribers(m.Channel) {
				s.give(notice{payload: m.Payload})
			}
		case *redis.Subscription:
			if m.Kind != "subscribe" {
				continue
			}
			for _, s := range f.confirmed(m.Channel) {
				s.give(notice{gap: true})
			}
		}
	}
}
