package scale

// Costs are what things cost: CPU in microseconds, memory in bytes. Where they come from stands in
// docs/scaling.md.
type Costs struct {
	// Of an instance.
	Operation float64 // to read, check and place an operation or an event of a client
	Move      float64 // to read a change of presence
	Write     float64 // to write what waits for one socket
	Published float64 // to tell Redis of an operation, an event or a frame of presence, and hear it oneself
	Heard     float64 // to hear of it from another instance
	Beat      float64 // to ask a socket whether it lives, and hear the answer
	Return    float64 // to let a client in again
	Keep      float64 // to have the session stored of somebody who has moved
	Socket    float64 // bytes of an idle socket, those of the kernel too

	// Of Redis.
	Batch    float64 // an operation that is alone in its batch, which is the worst case
	Message  float64 // an event or a frame of presence
	Listener float64 // each connection that hears of one of these
	Session  float64 // a return: to read the session and write it
	Kept     float64 // a session of somebody who has moved
	Send     float64 // a message to each other node of a Cluster
	Other    float64 // a message that another node has sent
	BusBytes float64 // of a message between two nodes
}

// Measured returns the costs as they were measured on the machine of docs/scaling.md.
func Measured() Costs {
	return Costs{
		Operation: 40, Move: 30, Write: 9, Published: 25, Heard: 45, Beat: 40, Return: 130, Keep: 25, Socket: 20 << 10,
		Batch: 45, Message: 25, Listener: 10, Session: 30, Kept: 15, Send: 0.8, Other: 2, BusBytes: 2600,
	}
}

// Load is what sockets do, each of them in one room.
type Load struct {
	Sockets, Members          float64 // in all; in a room
	Operations, Events, Moves float64 // of a member, a second
	Returns                   float64 // of a socket, a second
}

// Work is what a load asks for, a second.
type Work struct {
	Hearing    float64 // instances that have a room open
	Messages   float64 // through Redis: batches, events and frames of presence
	Deliveries float64 // frames to sockets
	Cores      float64 // of all instances
	Redis      float64 // cores of Redis, were it a single one
}

const (
	framesPerSecond = 33 // of presence, of a room and an instance, at most
	beatEvery       = 25 // seconds
	keepEvery       = 5  // seconds between writes of a session whose presence changes
	micro           = 1e-6
)

// Work returns what the load costs where a room is open on so many instances. Alone is for a bus that stays in
// memory, because rooms are on one instance each.
func (l Load) Work(c Costs, hearing float64, alone bool) Work {
	rooms := l.Sockets / l.Members
	operations, events := l.Sockets*l.Operations, l.Sockets*l.Events
	moving := l.Members * l.Moves / hearing
	frames := rooms * hearing * moving / (1 + moving/framesPerSecond)
	w := Work{Hearing: hearing, Messages: operations + events + frames}
	shared := events + frames
	if alone {
		w.Messages, shared = operations, 0
	}
	kept := l.Sockets * l.Moves / (1 + keepEvery*l.Moves)
	w.Deliveries = (operations + events + frames) * l.Members
	w.Cores = micro * ((operations+events)*c.Operation + l.Sockets*l.Moves*c.Move + w.Deliveries*c.Write +
		w.Messages*(c.Published+(hearing-1)*c.Heard) + l.Sockets/beatEvery*c.Beat +
		l.Sockets*l.Returns*c.Return + kept*c.Keep)
	w.Redis = micro * (operations*c.Batch + shared*c.Message + w.Messages*hearing*c.Listener +
		l.Sockets*l.Returns*c.Session + kept*c.Kept)
	return w
}
