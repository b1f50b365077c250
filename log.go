package flow

import (
	"context"
	"errors"
)

// What a log answers when it does not match what the caller knows. They are for the hub, which
// reconciles; a client only ever sees [CodeUnavailable].
var (
	// ErrNoLog: the caller's fence is not zero, and there is no log.
	ErrNoLog = errors.New("log is missing")
	// ErrCorrupt: parts of the log are missing or do not match each other.
	ErrCorrupt = errors.New("log is corrupt")
	// ErrBehind: the log is shorter than the caller's fence: a tail was lost.
	ErrBehind = errors.New("log is behind")
	// ErrFork: the log has another operation at the caller's fence.
	ErrFork = errors.New("log has forked")
	// ErrMoved: a batch to restore does not fit to what the log has by now. Nothing was written.
	ErrMoved = errors.New("log has moved on")
	// ErrSettling: what the log had lost was restored a moment ago, and others may have more of it.
	// Nothing was written; ask again within the [SettleWindow].
	ErrSettling = errors.New("log is settling")
)

// Log keeps each room's operations in one total order, on which all instances that share the log
// agree. It is the subsystem "ordering".
//
// All methods are safe for concurrent use. Room ids are taken as valid (see [ValidRoom]). Byte slices
// that go in are not modified, and may be kept: the caller must not change them afterwards. Byte slices
// that come out are immutable and may be shared.
//
// A backend that is away answers with code [CodeUnavailable] within its own timeout, also when ctx has
// no deadline. A room that was deleted answers [CodeRoomDeleted] until its tombstone ends (10 minutes);
// then the id is a new, empty room.
type Log interface {
	// Append adds the batch to the room's log, atomically, and answers for each operation in order.
	// Operations of one session must stand in the order of N in the batch. Those that are refused
	// ([Duplicate], [Gap]) do not stop the others. Followers hear of what was appended.
	//
	// Errors, with nothing written: ErrNoLog, ErrCorrupt, ErrBehind, ErrFork when the log does not
	// contain the batch's fence, ErrSettling, [CodeRoomDeleted], [CodeRejected] when the batch's key was
	// used with other content; of a batch to restore ErrMoved, see [Batch.Restore].
	// [CodeUnavailable] leaves open whether the batch was written: append it again.
	Append(ctx context.Context, room string, b Batch) ([]Appended, error)

	// Read returns a page of operations in order of seq, and the facts of [Page]. A room that was
	// never written reads as an empty log.
	//
	// [CodeTrimmed] when operations after q.After were trimmed away, [CodeDiverged] when q.After is
	// not in the log (a hash that differs, or, checked, a seq beyond the head). With either of them the
	// page is complete but for Operations.
	Read(ctx context.Context, room string, q Query) (Page, error)

	// Follow calls f with what is appended to the room by anybody, until stop is called. It returns at
	// once; the first call of f tells that the subscription stands (Gap). Feeds may repeat, overlap,
	// arrive out of order or be lost: seq tells, and a Gap says that something may have been lost.
	// f must not block. After stop returns, f is not called again; stop must not be called from f.
	Follow(room string, f func(Feed)) (stop func())

	// Snapshot returns the room's newest snapshot, [CodeNotFound] when it has none, or when the stored one
	// turns out to be damaged.
	Snapshot(ctx context.Context, room string) (Snapshot, error)

	// SaveSnapshot stores s as the room's snapshot; one older than the stored one is dropped without an
	// error. [CodeDiverged] when the position is not in the log. The stored one stays until the new one
	// has been read back whole: one that was cut short or changed on its way never takes its place.
	SaveSnapshot(ctx context.Context, room string, s Snapshot) error

	// Delete removes the room's log and snapshot, and leaves a tombstone. Followers get Deleted.
	Delete(ctx context.Context, room string) error

	// Health reports whether the backend serves the room, or with "" as a whole. It does not block and
	// does no I/O.
	Health(room string) Health
}

// ImmediateLog is a [Log] whose Append and Read never wait, for a network or a disk. The hub calls them where
// an operation or a client comes in, and saves the goroutine that would wait in its place.
type ImmediateLog interface {
	Log

	// Immediate does nothing: that it is there says it.
	Immediate()
}

// Batch is what one Append adds.
type Batch struct {
	// Fence is the newest position that the caller knows; zero when it knows none. A log that does not
	// contain it refuses the batch, so that nobody writes over lost history.
	Fence Position
	// Restore writes operations again that were confirmed before and that the log has lost, at the seq
	// and hash they had: one after the other behind Fence. There are three places for them:
	//
	//   - the log is missing: it begins at Fence, which becomes [Page.Base];
	//   - Fence is the head: they are appended;
	//   - the last of them is at Base, which is where a restore began the log: they are put in front of
	//     it, and Fence becomes Base, unless the log has any of them, sent again by its author.
	//
	// Anything else is ErrMoved. Without Operations, Fence must be in the log. As after Jump, an N need
	// not follow the one before. Followers hear of a gap. For the [SettleWindow] after the log began or
	// grew by a restore, batches that are none get ErrSettling, so that every instance can restore what
	// it has before anything new is written. Key must not be set.
	Restore bool
	// Sessions goes with Restore: the last N of sessions that are in the log, at Fence or before. What
	// the log knows of a session only ever grows.
	Sessions map[string]uint64
	// Jump lets an N leave out others of its session, which are lost: no operation is a [Gap].
	Jump bool
	// Key, if set, makes the batch idempotent for 24 hours: the same key with the same data (of all
	// operations, in order) answers what the first call answered and writes nothing, whatever the
	// sessions; with other data it is CodeRejected. At most 200 bytes.
	Key string
	// Operations to add. Seq and Hash are ignored, but for Restore.
	Operations []Operation
}

// AppendStatus says what became of one operation of a batch.
type AppendStatus uint8

// The answers for one operation.
const (
	// Confirmed: it is in the log, at Seq and Hash.
	Confirmed AppendStatus = iota
	// Duplicate: N is not above the session's last in the log.
	Duplicate
	// Gap: N is more than one above the session's last in the log.
	Gap
)

// Appended is the answer for one operation of a batch.
type Appended struct {
	Status AppendStatus
	Seq    uint64 // with Confirmed
	Hash   Hash   // with Confirmed
	Last   uint64 // the session's last N in the log, after this operation
}

// Query selects a page of a log.
type Query struct {
	// After is the position before the first operation wanted.
	After Position
	// Unchecked ignores After.Hash, and takes a seq beyond the head as an empty page.
	Unchecked bool
	// Limit is the most operations returned; 0 asks for none, only for the facts of the page. A backend
	// may return fewer operations than both Limit and the log allow, but not none.
	Limit int
	// Sessions asks for Page.Last.
	Sessions []string
	// Renew has the log live on for its whole TTL, as an append does: the room is in use.
	Renew bool
}

// Page is a stretch of a log and what is known about the whole.
type Page struct {
	Operations []Operation
	Head       Position // the end of the log
	// Base is the position before the first operation kept: zero until something is trimmed.
	Base Position
	// Last has the last N in the log of each of Query.Sessions that has one.
	Last map[string]uint64
	// Snapshot is the position of the newest snapshot; zero when there is none in the log.
	Snapshot Position
	// Restored names the last time when the log began or grew by [Batch.Restore], in Unix
	// milliseconds; 0: never. Restores within one [SettleWindow] are one time.
	Restored int64
}

// Feed is one notification of a log.
type Feed struct {
	Operations []Operation // in order of seq, without holes within one feed
	Gap        bool        // notifications may have been lost before this one: read the log
	Deleted    bool        // the room was deleted
}
