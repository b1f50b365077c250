package flow

import (
	"context"
	"time"
)

// Mark tells that an instance has, or had, a room open, so that the room may have operations that not all
// groups of consumers have seen.
type Mark struct {
	Room     string
	Instance string
	At       time.Time // when the instance last set it
}

// MarkTTL is how long a mark lasts at least: a hub sets those of its open rooms again every five minutes, and takes
// one that is ten minutes old for left.
const MarkTTL = 2 * markStale

// Cursors keeps how far each group of consumers has come in the log of each room, and which rooms may have
// something left for them. It is a part of the subsystem "ordering", and lives where the [Log] does: what is
// true of the log's methods, being away and deleted rooms, is true of these. Group names are taken as valid.
type Cursors interface {
	// Cursor returns how far a group has come; the zero Position when it has not begun. Cursors end
	// with their log.
	Cursor(ctx context.Context, group, room string) (Position, error)

	// Advance sets how far a group has come, if the owner has the lease of the name at this moment, else
	// it is [CodeLocked]. A room without a log, or whose log does not contain the position, is
	// [CodeDiverged].
	Advance(ctx context.Context, group, room string, to Position, lease, owner string) error

	// Mark sets the marks of an instance on rooms, with the present time. They last for [MarkTTL] at least.
	Mark(ctx context.Context, instance string, rooms ...string) error

	// Unmark removes marks as they were told by Marked. One that was set again since then has another time,
	// and stays; neither that nor one that is not there is an error.
	Unmark(ctx context.Context, marks ...Mark) error

	// Marked returns marks in a fixed order, after the given one, at most limit; after the zero Mark
	// comes the first. Marks that are set and removed meanwhile may be seen or not.
	Marked(ctx context.Context, after Mark, limit int) ([]Mark, error)
}
