package flow

// Snapshot is a room's state at a position. With it the log before the position may be trimmed.
type Snapshot struct {
	Position Position
	Data     []byte // one JSON text; immutable
}
