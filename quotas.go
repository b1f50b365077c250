package flow

// Quotas bounds what users, addresses, rooms and this instance may have and do, beside what [Limits]
// says of one client. Zero fields take the default. Rates are token buckets with a burst of twice the
// rate. Whoever is over one gets [CodeRateLimited] with a time to wait; who is over one of his own for
// ten seconds loses the socket. What the instance has no room for is [CodeUnavailable].
//
// A user is counted by its id. Anonymous users, who get a new id with every socket, are counted together
// by their address, if that is a public one. Addresses of a private network and of this machine are not
// counted: behind those is a proxy that Config.TrustedProxies does not name, or a neighbour.
type Quotas struct {
	Sockets        int // sockets and streams of this instance; default 100,000
	UserSockets    int // of one user here; default 10,000
	AddressSockets int // from one address here; default 1,000
	// Unauthenticated is how many sockets of this instance may not have said yet who they are; with one
	// more the oldest of them is closed. Default 10,000.
	Unauthenticated int
	OpenRooms       int // of this instance; default 100,000

	// SocketBytesPerSecond bounds what one socket sends. Default: 1 MiB, or 1 KiB for each operation,
	// event and presence message that one session may send a second, if that is more.
	SocketBytesPerSecond int
	// UserMessagesPerSecond bounds the messages of all sockets of a user, on all instances where there
	// is a Meter. Default: 32 times what one session may send.
	UserMessagesPerSecond int
	UserBytesPerSecond    int // likewise; default four times SocketBytesPerSecond
	UserJoinsPerSecond    int // joins and resumes, likewise; default 1,000
	UserRequestsPerSecond int // over REST, likewise; default 100

	AddressRequestsPerSecond int // HTTP requests and upgrades from one address; default 500
	// RoomMessagesPerSecond bounds the operations and events of all members of a room here. Default: 100
	// times the operations that one session may send.
	RoomMessagesPerSecond int
	RoomJoinsPerSecond    int // joins of a room here; default 1,000
}

// withDefaults fills in what is unset.
func (q Quotas) withDefaults(l Limits) Quotas {
	session := l.OpsPerSecond + l.EventsPerSecond + l.PresencePerSecond
	q.Sockets = or(q.Sockets, 100_000)
	q.UserSockets = or(q.UserSockets, 10_000)
	q.AddressSockets = or(q.AddressSockets, 1000)
	q.Unauthenticated = or(q.Unauthenticated, 10_000)
	q.OpenRooms = or(q.OpenRooms, 100_000)
	q.SocketBytesPerSecond = or(q.SocketBytesPerSecond, max(1<<20, session<<10))
	q.UserMessagesPerSecond = or(q.UserMessagesPerSecond, 32*session)
	q.UserBytesPerSecond = or(q.UserBytesPerSecond, 4*q.SocketBytesPerSecond)
	q.UserJoinsPerSecond = or(q.UserJoinsPerSecond, 1000)
	q.UserRequestsPerSecond = or(q.UserRequestsPerSecond, 100)
	q.AddressRequestsPerSecond = or(q.AddressRequestsPerSecond, 500)
	q.RoomMessagesPerSecond = or(q.RoomMessagesPerSecond, 100*l.OpsPerSecond)
	q.RoomJoinsPerSecond = or(q.RoomJoinsPerSecond, 1000)
	return q
}

func (q Quotas) validate() error {
	return atLeastOne("Config.Quotas", map[string]int{
		"Sockets": q.Sockets, "UserSockets": q.UserSockets, "AddressSockets": q.AddressSockets,
		"Unauthenticated": q.Unauthenticated, "OpenRooms": q.OpenRooms,
		"SocketBytesPerSecond": q.SocketBytesPerSecond, "UserMessagesPerSecond": q.UserMessagesPerSecond,
		"UserBytesPerSecond": q.UserBytesPerSecond, "UserJoinsPerSecond": q.UserJoinsPerSecond,
		"UserRequestsPerSecond": q.UserRequestsPerSecond, "AddressRequestsPerSecond": q.AddressRequestsPerSecond,
		"RoomMessagesPerSecond": q.RoomMessagesPerSecond, "RoomJoinsPerSecond": q.RoomJoinsPerSecond,
	})
}
