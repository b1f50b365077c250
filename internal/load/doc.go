// Package load measures a running server: a crowd of WebSocket clients that writes operations, moves
// cursors, goes away and comes back, and the figures of the server's process.
//
//	crowd, err := load.Gather(ctx, load.Config{Addrs: []string{server.Addr()}, Users: 1000, Rooms: 200})
//	report, err := crowd.Operate(ctx, load.Pace{PerSecond: 5, For: 10 * time.Second})
//
// A client is as lean as it can be, because it shares the machine with the server that it measures. It
// reads what it needs from the text as this server writes it, so it is no client for any other. It
// checks as it goes: an operation out of order, of another room or missing at the end, a refusal, a
// lost connection is a fault, and faults are errors of the run. Only in the phases of an outage,
// which [Crowd.Begin] starts, may operations be queued, refused or shown before they have a place.
//
// Crowds are bounded in size and time, and connect to 127.0.0.1 only.
package load
