// Package redistest starts real Redis servers for tests: each a process of its own on a free port of
// 127.0.0.1, with a directory of its own, stopped by its process id when the test ends.
//
// A machine without redis-server fails the test and says what to install; nothing is ever skipped or
// faked. One server serves all tests of a package:
//
//	var shared redistest.Shared
//
//	func TestMain(m *testing.M) { os.Exit(shared.Main(m)) }
//
//	func TestThing(t *testing.T) {
//		addr, prefix := shared.Server(t).Addr(), redistest.Prefix(t)
//		...
//	}
//
// A test that stops, pauses or fills its server starts one for itself with [Start]: a [Server] can lose
// its process, its memory or a part of its files, and a [Proxy] before it does what networks do.
package redistest
