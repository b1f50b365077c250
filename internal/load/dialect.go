//go:build linux

package load

// Dialect is what a kind of server understands.
type Dialect int

const (
	// Flow is flow.v1, which this module's server speaks.
	Flow Dialect = iota
	// Centrifuge is the JSON protocol of the Centrifuge library. A room is a channel; one whose name
	// begins with "kept:" has a history.
	Centrifuge
)

// voice is a user in one dialect: it says what a user does, and hears what the server says.
type voice interface {
	ear
	operate()
	say()
	move()
}

// voice returns the user itself for our own dialect, so that nothing stands between them.
func (d Dialect) voice(u *User) voice {
	if d == Centrifuge {
		return newCentrifuge(u)
	}
	return u
}

func (d Dialect) path() string {
	if d == Centrifuge {
		return "/connection/websocket"
	}
	return "/collab/ws"
}
