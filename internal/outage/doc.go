// Package outage holds the tests of the whole product against a Redis that fails for real: instances
// with sockets and REST, one redis-server of their own a test, and clients that do what the protocol
// asks of them. There is nothing to import.
//
// Every scenario has the same shape: clients write all the time, Redis is broken in one way, everybody
// has to be served meanwhile, Redis is mended, and at the end a ledger of what was sent, queued and
// confirmed is held against the log and against what each client has seen. -count repeats them, -run
// picks one.
package outage
