package flow

import (
	"container/list"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// The bounds of what may wait for a client that does not read.
const (
	sendBudget = 256 << 10 // above it operations stay in the log and presence is left out
	sendLimit  = 8 << 20   // above it even answers do not fit: the client is closed as slow
	idleQueue  = 16        // frames that an idle connection keeps room for
)

// Conn is one client's connection, a socket or a stream. The transport calls Receive from one
// goroutine and Done at the end; the other methods may be called from anywhere.
type Conn struct {
	hub    *Hub
	t      Transport
	pusher Pusher // t, if it can push
	id     string
	stream bool // a reader of one room that is no participant

	address  netip.Addr
	payer    *payer        // set with the hub's lock; the reader's
	stranger *list.Element // the hub's lock; nil for a client that has said who it is

	other   bucket        // messages without a limit of their own; the reader's
	traffic bucket        // bytes; the reader's
	due     time.Duration // until the text at hand may come; the reader's
	now     time.Time     // when what is at hand came; the reader's
	idle    bool          // the text at hand has had no message; the reader's
	over    excess        // the reader's

	flusher *flusher
	writers sync.WaitGroup // at most one at a time writes

	mu       sync.Mutex // guards what follows; taken after a room's lock, never before
	user     *User      // changed by the reader only
	renewals uint64     // how often that was
	members  []*member
	queue    []*Frame
	spare    []*Frame // the writer's last slice, for reuse
	bytes    int      // of queue
	lagging  []*member
	writing  bool // somebody writes, or will
	wake     bool // the transport asked for a Write
	ending   bool // bye is queued; nothing more is taken
	closed   bool // Transport.Close was called
	ended    bool // the transport is gone
	why      Bye
	deadline *time.Timer // of the first auth, then of the token
}

// Connect takes a client's connection and sends it welcome. While nobody knows who the client is, an auth
// message must come within Config.AuthTimeout. Errors as of [Hub.Admit].
func (h *Hub) Connect(t Transport, client Client) (*Conn, error) {
	c := newConn(h, t, client)
	state := h.told()
	f := c.welcome(state)
	c.queue, c.bytes = append(c.queue, f), len(f.JSON) // ahead of what others may send once they see it
	if err := h.addConn(c); err != nil {
		return nil, err
	}
	if now := h.told(); now != state { // it changed before c was among those who are told
		c.send(stateFrame("", now, time.Now()))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if client.User == nil {
		c.deadline = time.AfterFunc(h.cfg.AuthTimeout, func() { c.Close(ByeUnauthenticated) })
	} else {
		c.watchExpiryLocked()
	}
	c.startLocked()
	return c, nil
}

func newConn(h *Hub, t Transport, client Client) *Conn {
	c := &Conn{hub: h, t: t, id: newID(), user: client.User, address: client.Address}
	c.pusher, _ = t.(Pusher)
	c.flusher = h.anyFlusher()
	return c
}

// client returns who is at the other end.
func (c *Conn) client() Client { return Client{User: c.user, Address: c.address} }

// welcome encodes the first message of a socket.
func (c *Conn) welcome(state State) *Frame {
	h := c.hub
	buf := appendField(roomyFrame("welcome", 256+len(h.limits)), "protocol", Protocol)
	buf = appendField(buf, "connection", c.id)
	buf = appendField(buf, "instance", h.cfg.Instance)
	if c.user == nil {
		buf = appendRaw(buf, "user", []byte("null"))
	} else {
		buf = appendField(buf, "user", c.user.ID)
		buf = appendExpires(buf, *c.user)
	}
	buf = appendField(buf, "state", string(state))
	buf = appendRaw(buf, "limits", h.limits)
	return seal("welcome", appendNumber(buf, "heartbeat", h.cfg.Heartbeat.Milliseconds()))
}

func appendExpires(buf []byte, u User) []byte {
	if u.Expires.IsZero() {
		return buf
	}
	return appendNumber(buf, "expires", u.Expires.UnixMilli())
}

// farAway is longer than any connection lasts, and nothing is too much to add to it.
const farAway = 100 * 365 * 24 * time.Hour

// watchExpiryLocked ends the connection when its user's authentication ends.
func (c *Conn) watchExpiryLocked() {
	if c.deadline != nil {
		c.deadline.Stop()
		c.deadline = nil
	}
	if c.user != nil && !c.user.Expires.IsZero() && !c.ended {
		left := min(time.Until(c.user.Expires), farAway) + tokenLeeway - time.Second
		c.deadline = time.AfterFunc(left, func() { c.Close(ByeTokenExpired) })
	}
}

// Wake makes the hub call Transport.Write soon, if need be without frames: for what the transport
// itself wants to send.
func (c *Conn) Wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return // the transport may be at its last word, which a flusher must not wait for
	}
	c.wake = true
	c.startLocked()
}

// Close sends bye behind what is queued, and ends the connection. It does not block; only the first
// call counts.
func (c *Conn) Close(why Bye) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closeLocked(why)
}

func (c *Conn) closeLocked(why Bye) {
	if c.ending || c.ended {
		return
	}
	c.ending, c.why = true, why
	c.queue = append(c.queue, byeFrame(why, c.hub.reconnectDelay(why)))
	c.startLocked()
}

// reconnectDelay spreads the return of many clients over time.
func (h *Hub) reconnectDelay(why Bye) time.Duration {
	switch why {
	case ByeShutdown:
		spread := min(5*time.Second, 200*time.Millisecond+time.Duration(h.stats.connections.Load())*2*time.Millisecond)
		return rand.N(spread)
	case ByeRateLimited, ByeOverloaded:
		return 2*time.Second + rand.N(3*time.Second)
	default:
		return 0
	}
}

// cut ends a connection whose client does not take its bye.
func (c *Conn) cut() {
	c.mu.Lock()
	why := c.why
	c.mu.Unlock()
	c.abort(why)
}

// abort ends a connection at once, without what is queued.
func (c *Conn) abort(why Bye) {
	c.mu.Lock()
	again := c.closed
	c.closed, c.ended = true, true
	c.mu.Unlock()
	if !again {
		c.t.Close(why.CloseCode())
	}
}

// Done tells that the transport has ended. Its sessions leave their rooms after the grace. It returns
// after the last use of the Transport.
func (c *Conn) Done() {
	c.mu.Lock()
	c.ended = true
	c.queue, c.spare, c.lagging, c.bytes = nil, nil, nil, 0
	if c.deadline != nil {
		c.deadline.Stop()
	}
	members := c.members
	c.members = nil
	c.mu.Unlock()
	for _, m := range members {
		m.lose(c)
	}
	c.writers.Wait()
	c.hub.removeConn(c)
}

// member returns the connection's membership of a room.
func (c *Conn) member(room string) *member {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.members {
		if m.room.id == room {
			return m
		}
	}
	return nil
}

// addMember notes a membership; false when the connection has ended meanwhile.
func (c *Conn) addMember(m *member) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || c.ending {
		return false
	}
	if !slices.Contains(c.members, m) {
		c.members = append(c.members, m)
	}
	return true
}

// dropMember forgets a membership and returns how many are left.
func (c *Conn) dropMember(m *member) (left int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, known := range c.members {
		if known == m {
			c.members = append(c.members[:i:i], c.members[i+1:]...)
			break
		}
	}
	return len(c.members)
}
