//go:build linux

package load

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

const (
	maxSockets = 16_000
	// joining bounds the wait for all users of a fleet.
	joining = time.Minute
)

// FleetConfig says how large a fleet is. Rooms are new ones, with a name that nobody used before.
type FleetConfig struct {
	// Addrs are host:port of the instances, with 127.0.0.1 as host. The members of a room are dealt out
	// to them in turn.
	Addrs []string
	// Dialect is what the servers understand. Default is this module's own.
	Dialect Dialect
	// Path of the socket. Default is where the dialect is spoken, like "/collab/ws".
	Path string
	// Users come in equal numbers to the rooms, at most 16,000 of each. All are anonymous.
	Users, Rooms int
	// AtOnce is how many connect at the same time. Default 64.
	AtOnce int
	// Bytes of the data of an operation or an event. Default 200.
	Bytes int
	// Fleeting rooms keep nothing of what is said, where a server tells such rooms apart.
	Fleeting bool
	// Presence has users ask who else is there, where a server does not tell by itself.
	Presence bool
}

// Fleet is the users of some rooms, all on one [Loop] and so on one goroutine.
type Fleet struct {
	*Loop

	config  FleetConfig
	addrs   []netip.AddrPort
	padding string
	users   []*User
	joined  int // of those that connect now
	ended   int // of all, by the server

	// Heard is called for each message of a user of this fleet that reaches a user, with its author and
	// the time since it was sent. It is to be set before anybody says anything.
	Heard func(u *User, author int, age time.Duration)
	// Ended is called when the server ends a connection. Without it that is a fault.
	Ended func(u *User, err error)
}

// NewFleet returns a fleet that is not connected yet. It must be ended with Close.
func NewFleet(config FleetConfig) (*Fleet, error) {
	if config.Path == "" {
		config.Path = config.Dialect.path()
	}
	if config.AtOnce < 1 {
		config.AtOnce = 64
	}
	if config.Bytes < 1 {
		config.Bytes = 200
	}
	f := &Fleet{config: config, padding: strings.Repeat("x", config.Bytes), Heard: func(*User, int, time.Duration) {}}
	if err := f.validate(); err != nil {
		return nil, err
	}
	var err error
	if f.Loop, err = NewLoop(); err != nil {
		return nil, err
	}
	prefix := "load-" + strings.ToLower(rand.Text()[:10]) + "-"
	for i := range config.Users {
		place := i % config.Rooms
		f.users = append(f.users, newUser(f, i, prefix+strconv.Itoa(place), i/config.Rooms%len(f.addrs)))
	}
	return f, nil
}

func (f *Fleet) validate() error {
	c := f.config
	if c.Users < 1 || c.Users > maxSockets || c.Rooms < 1 || c.Users%c.Rooms != 0 {
		return fmt.Errorf("load: %d users in %d rooms", c.Users, c.Rooms)
	}
	if len(c.Addrs) == 0 {
		return errors.New("load: no address")
	}
	for _, text := range c.Addrs {
		addr, err := netip.ParseAddrPort(text)
		if err != nil || addr.Addr() != netip.AddrFrom4([4]byte{127, 0, 0, 1}) {
			return fmt.Errorf("load: %q is not 127.0.0.1:port", text)
		}
		f.addrs = append(f.addrs, addr)
	}
	return nil
}

// Users are all users. Number i is in room i modulo the number of rooms.
func (f *Fleet) Users() []*User { return f.users }

// Join connects users and joins them to their rooms, some at a time, and returns when all are in.
func (f *Fleet) Join(users []*User) error {
	f.joined = 0
	next := 0
	return f.Until("joined", joining, func() bool {
		for ; next < len(users) && next-f.joined < f.config.AtOnce; next++ {
			if err := users[next].dial(); err != nil {
				f.fault("%w", err)
				return true
			}
		}
		return f.joined == len(users)
	})
}

// Settle turns until nobody has received anything for a quarter of a second.
func (f *Fleet) Settle() error {
	heard, since := f.received, f.Look()
	return f.Until("quiet", settleTimeout, func() bool {
		if f.received != heard {
			heard, since = f.received, f.now
		}
		return f.now-since >= quiet
	})
}

// Run turns for a time. Each moment calls do with the number of messages that are due since the start,
// at a pace of so many a second; the generator's own lateness goes to late.
func (f *Fleet) Run(d time.Duration, perSecond float64, late *Histogram, do func(i int)) error {
	start := f.Look()
	gap := float64(time.Second) / perSecond
	for i := 0; f.now-start < d; {
		for due := start + time.Duration(float64(i)*gap); due <= f.now; due = start + time.Duration(float64(i)*gap) {
			late.Add(f.now - due)
			do(i)
			i++
		}
		next := start + time.Duration(float64(i)*gap)
		if err := f.Turn(min(next, start+d)); err != nil {
			return err
		}
	}
	return nil
}

// Received is how many bytes all users have received.
func (f *Fleet) Received() int64 { return f.received }
