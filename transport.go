package flow

// Transport is one client's connection as the hub sees it: a pipe for frames. The hub calls Write from
// one goroutine at a time, and Close at most once.
type Transport interface {
	// Write sends the frames, whole and in order, and blocks until the connection has taken them. It
	// fails when the client has not taken a byte for 10 seconds, or the connection is gone. With no
	// frames it sends only what the transport itself has pending (see [Conn.Wake]). Neither the slice
	// nor the frames may be kept or changed.
	Write(frames []*Frame) error

	// Close ends the connection with a close code of the contract, and makes the transport's own
	// reader return soon. It does not block for longer than a second. It comes after the last Write,
	// unless that one is stuck, at shutdown: then it makes the Write fail.
	Close(code int)
}

// Pusher is a [Transport] that can write without waiting, which saves a goroutine for each write. The hub
// calls Push as it calls Write, of which it takes the place.
type Pusher interface {
	Transport

	// Push sends as much as the connection takes at once, and never waits: many connections share the
	// goroutine that calls it. What is left it keeps, and says so: then Write follows, with or without
	// frames, and sends that first. With no frames it sends only what the transport itself has pending. It
	// fails when the connection is gone. Neither the slice nor the frames may be kept or changed.
	Push(frames []*Frame) (left bool, err error)
}

// Frame is one encoded message to clients, shared by every connection that it goes to. It is immutable.
type Frame struct {
	Type     string   // the message's type, for transports that name it
	Position Position // with type op: where it stands in the log
	JSON     []byte   // the message object
}

// Bye is why the server ends a connection.
type Bye string

// The reasons of the contract.
const (
	ByeShutdown        Bye = "shutdown"
	ByeTooLarge        Bye = "too_large"
	ByeSlow            Bye = "slow"
	ByeTimeout         Bye = "timeout"
	ByeOverloaded      Bye = "overloaded"
	ByeUnauthenticated Bye = "unauthenticated"
	ByeTokenExpired    Bye = "token_expired"
	ByeKicked          Bye = "kicked"
	ByeForbidden       Bye = "forbidden"
	ByeProtocol        Bye = "protocol"
	ByeReplaced        Bye = "replaced"
	ByeRateLimited     Bye = "rate_limited"
)

// Byes returns every reason of the contract, in the order of its table.
func Byes() []Bye {
	return []Bye{
		ByeShutdown, ByeTooLarge, ByeSlow, ByeTimeout, ByeOverloaded, ByeUnauthenticated,
		ByeTokenExpired, ByeKicked, ByeForbidden, ByeProtocol, ByeReplaced, ByeRateLimited,
	}
}

// CloseCode returns the WebSocket close code; 1011, internal error, for an unknown reason.
func (b Bye) CloseCode() int {
	switch b {
	case ByeShutdown:
		return 1012
	case ByeTooLarge:
		return 1009
	case ByeSlow:
		return 4001
	case ByeTimeout:
		return 4002
	case ByeOverloaded:
		return 4003
	case ByeUnauthenticated:
		return 4100
	case ByeTokenExpired:
		return 4101
	case ByeKicked:
		return 4102
	case ByeForbidden:
		return 4103
	case ByeProtocol:
		return 4104
	case ByeReplaced:
		return 4105
	case ByeRateLimited:
		return 4106
	default:
		return 1011
	}
}

// Reconnect reports whether the client should come back.
func (b Bye) Reconnect() bool {
	switch b {
	case ByeUnauthenticated, ByeKicked, ByeForbidden, ByeProtocol, ByeReplaced:
		return false
	default:
		return true
	}
}
