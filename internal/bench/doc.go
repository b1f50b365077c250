// Package bench is the work that the server is measured by: scenarios against the example in a process
// of its own, one core for the server and one for the load. The test of this package plays each of them
// in small, and asserts that nothing was lost; `make bench` plays them in full and prints one table.
//
// The load comes from package load. Nothing is asserted about time. With `make bench-peers` other servers
// play the same scenarios in the same run; their programs are a module of their own, below peers, so that
// nothing else needs what they are made of.
package bench
