package flow

// Access is what a user may do in a room. Each level includes those before it.
type Access uint8

// The levels of access.
const (
	None   Access = iota // the room does not exist for this user
	Viewer               // read, presence
	Editor               // and operations, events, snapshots
	Owner                // and kick, delete, restore
)

// String returns the name on the wire: none, viewer, editor or owner.
func (a Access) String() string {
	switch a {
	case Viewer:
		return "viewer"
	case Editor:
		return "editor"
	case Owner:
		return "owner"
	default:
		return "none"
	}
}

// ParseAccess reads the name of a level; ok is false for anything else.
func ParseAccess(s string) (a Access, ok bool) {
	for a := None; a <= Owner; a++ {
		if a.String() == s {
			return a, true
		}
	}
	return None, false
}
