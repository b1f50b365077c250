// Package load is the other end of a running server that is measured: WebSocket clients, and the figures
// of the server's process.
//
//	fleet, err := load.NewFleet(load.FleetConfig{Addrs: []string{server.Addr()}, Users: 1000, Rooms: 200})
//	fleet.Heard = func(u *load.User, author int, age time.Duration) { count++ }
//	err = fleet.Join(fleet.Users())
//
// A [Fleet] is on one thread, and so cheap that it is not what limits; package bench plays its scenarios
// with it, and counts. A [Crowd] has a goroutine for each client, and asks about each operation what the
// first word about it was, which is what matters in an outage:
//
//	crowd, err := load.Gather(ctx, load.Config{Addrs: []string{server.Addr()}, Users: 200, Rooms: 100})
//	phase := crowd.Begin()
//	report, err := crowd.Operate(ctx, load.Pace{PerSecond: 5, For: 10 * time.Second})
//
// Clients are as lean as they can be, because they share the machine with the server that they measure.
// They read what they need from the text as this server writes it, so they are no clients for any other;
// a fleet also knows the [Dialect] of a peer, to be measured beside it.
// What a healthy server does not do is a fault, and faults are errors of the run. Only in the phases of
// an outage, which [Crowd.Begin] starts, may operations be queued, refused or shown before they have a
// place.
//
// Both are bounded in size and time, and connect to 127.0.0.1 only.
package load
