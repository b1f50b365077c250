// Package memx adapts process memory to flow's three interfaces: [Log], [Bus] and [SessionStore]. The
// log keeps leases and cursors too.
//
// It serves one instance, with nothing installed. It gives the answers that package redisx gives to the
// same calls, and loses everything with the process. No call waits for anything, so contexts are not looked
// at. It is never away; but a log that has used up [LogConfig.MaxBytes] takes nothing more, as a Redis
// without memory, and answers [flow.CodeUnavailable] to whoever wants to add to it.
//
// Rooms share no lock but the one of a map lookup. Nothing runs in the background: what has expired is
// invisible at once, and its memory is freed a little at a time by the calls that follow. A goroutine
// lives only while a subscription has something to deliver; the stop function of the subscription
// waits for it. So nothing here needs to be closed.
package memx
