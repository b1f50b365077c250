// Package conformance holds every backend to the contracts of flow's interfaces: one suite for each of
// [flow.Log], [flow.Leases], [flow.Cursors], [flow.Bus] and [flow.SessionStore]. A backend hands in a
// factory and gets subtests; one that does not pass them is none.
//
// Each case asks the factory for storage of its own, fresh and empty, with the settings that the case
// needs, and gets two handles on it, as two instances would hold them. A backend that lives in one
// process returns the same handle twice. What the factory opens it closes with t.Cleanup.
//
// # Readings
//
// Where a contract leaves a choice, the suite leaves it too. Where it can be read in two ways, these
// hold.
//
// The log. A room has no log until an operation is confirmed in it, and again after its TTL; every
// Append and SaveSnapshot that wrote something renews that, and every Read with [flow.Query.Renew],
// whatever else it asks for and is told. Append looks at the tombstone first, then at
// the key, the fence, whether the log is settling, and last at the operations. What the fence asks is
// asked of an empty batch too. A fence that was trimmed away is not in the log: [flow.ErrFork]; the one
// right before the first operation kept is. A fence beyond the head is [flow.ErrBehind]. A keyed batch
// is remembered with whatever answer it got, but not with an error, and is forgotten with the room when
// that is deleted. N = 0 is a Duplicate.
//
// A restore with operations that does not fit is [flow.ErrMoved] for whatever reason, once the room is
// not deleted: also when its fence is beyond the head, or when its operations are not linked to the
// fence by seq and hash. One without operations asks for its fence as any other batch does, settling or
// not; what it says of sessions is dropped where there is no log. Sessions are noted before the
// operations: [flow.Appended] tells their last N, above which an operation need not be. A restore
// neither trims nor sweeps, so that a log can be restored from its end in several batches; the next
// append does. Once that has trimmed, nothing can be put in front any more. A restore of which anything
// was news renews the TTL. [flow.Page.Restored] and the settling end with the log.
//
// Read judges the position also when Limit is 0, and below the first operation kept it is
// [flow.CodeTrimmed], whatever the hash and also unchecked. Seq 0 with another hash than 0 is not in any
// log.
//
// SaveSnapshot drops what is older than the stored snapshot without looking at its hash, and anything at
// the zero position, where every room starts with nothing. At the stored snapshot's position it
// replaces it. Below the first operation kept a position is not in the log. A snapshot does not trim,
// the next append does. When that leaves a hole behind the snapshot, beyond [flow.HardLimit], there is none
// any more, and an older one than it may be stored.
//
// Everything about a deleted room is [flow.CodeRoomDeleted], Delete too, and that does not renew the
// tombstone; a room that never was leaves one as well.
//
// Leases. Acquire looks at the tombstone first, then at the fence, whether the log is settling, and last at
// who has the lease. A restore without operations begins no settling. Leases do not need a log: one that
// ends by its TTL, or is not there yet, takes none with it, and a lease keeps none alive. [flow.Lease.TTL],
// where a lease is told, is what is left of it, above zero. Names and owners are any bytes. In a deleted
// room Release and Leases are [flow.CodeRoomDeleted] as well, and nothing of the leases comes back with a
// new room.
//
// Cursors. Advance looks at the tombstone first, then at the lease, and last at the position, which may be
// before the one that is set; zero is one in a log that nothing was trimmed from. To set a cursor does not
// keep the log alive. What it was set to may be trimmed away, and it stays. A log that is restored from
// nothing has none. Marks are taken for any room and instance, and know nothing of logs. Their times are
// of the backend's clock, and tell a mark from the same one set again. A page begins after a mark also when
// that was removed meanwhile.
//
// Sessions. Put is a sign of life of its instance, as Touch is. A session without an instance is not
// listed, and no instance's: Touch calls it lost.
package conformance
