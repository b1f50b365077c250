package flow

import "time"

// The rules by which a log forgets stand here, once, so that two backends cannot drift apart. They
// run after each append that wrote something, other than a restore, and never elsewhere.
const (
	// SweepEvery is how many operations lie between two sweeps of a room's sessions.
	SweepEvery = 1024
	// SweepAbove is the number of sessions up to which a room forgets none.
	SweepAbove = 512
	// SettleWindow is how long nothing new is written to a log after a restore began or lengthened it.
	SettleWindow = 500 * time.Millisecond
)

// TrimSlack returns by how many operations a log may pass its limit before it is trimmed, so that
// the work is paid once for many appends: an eighth of the limit, at most 64.
func TrimSlack(limit int) int { return min(limit/8, 64) }

// HardLimit returns how many operations may follow the newest snapshot of a room before a log of that
// limit is trimmed all the same: four times as many as it keeps, and at least 4,096.
func HardLimit(limit int) int { return max(4*limit, 4096) }

// TrimFirst returns the seq of the first operation to keep, in a log that now holds first to top and
// has its newest snapshot at seq snapshot (0: none). A log that passed limit and slack goes back to
// exactly limit operations, but loses none after the snapshot, since without those the snapshot could
// not be brought to the head; beyond the [HardLimit] it does, and the snapshot is void.
func TrimFirst(first, top, snapshot uint64, limit int) uint64 {
	if top < first+uint64(limit)+uint64(TrimSlack(limit)) {
		return first
	}
	keep := top - uint64(limit) + 1
	if snapshot > 0 && top <= snapshot+uint64(HardLimit(limit)) {
		keep = min(keep, snapshot+1)
	}
	return max(first, keep)
}

// SweepDue reports whether the append that moved the head from one seq to another has to forget
// sessions, of which the room now knows so many.
func SweepDue(from, to uint64, sessions int) bool {
	return sessions > SweepAbove && to/SweepEvery > from/SweepEvery
}

// SweepHorizon returns the age at which a session's last N is forgotten by a sweep: the time of its
// last operation is more than that before the time of the operation at the head. The times are those
// of the operations, not of a clock, so that every copy of a log decides alike.
func SweepHorizon(sessionTTL time.Duration) time.Duration { return max(24*time.Hour, sessionTTL) }
