package flow

import (
	"net/netip"
	"time"
)

// busyWait is when a client may try again that found no place.
const busyWait = 5 * time.Second

// Client is who is at the other end of a transport or a request.
type Client struct {
	User    *User      // nil while nobody knows who it is
	Address netip.Addr // see [Hub.ClientAddress]; the zero address is not counted
}

// payerKey returns whom a client's sockets are counted for; "" for one that is counted alone.
func (c Client) payerKey() string {
	if c.User != nil && !c.User.Anonymous {
		return "user " + c.User.ID
	}
	if key, counted := countedAs(c.Address); counted {
		return "address " + key.String()
	}
	return ""
}

// Admit reports whether one more socket or stream of a client may come: for transports, before an upgrade.
// [CodeRateLimited] when the user or the address has as many as it may, [CodeUnavailable] when the
// instance has or is shutting down.
func (h *Hub) Admit(c Client) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.admitLocked(c)
}

func (h *Hub) admitLocked(c Client) error {
	q := h.cfg.Quotas
	if h.draining {
		return errDraining()
	}
	if len(h.conns) >= q.Sockets {
		return errBusy("the server has as many connections as it may")
	}
	if key, counted := countedAs(c.Address); counted {
		if a := h.addresses[key]; a != nil && a.sockets >= q.AddressSockets {
			return overLimit("this address has as many connections as it may", busyWait)
		}
	}
	return h.payerAdmitsLocked(c.payerKey())
}

func (h *Hub) payerAdmitsLocked(key string) error {
	if p := h.payers[key]; p != nil && p.sockets >= h.cfg.Quotas.UserSockets {
		return overLimit("this user has as many connections as it may", busyWait)
	}
	return nil
}

// errBusy is for what the instance has no room for.
func errBusy(message string) *Error {
	return &Error{Code: CodeUnavailable, Message: message, RetryAfter: busyWait}
}

// payerLocked returns the payer with a key; one of its own without.
func (h *Hub) payerLocked(key string) *payer {
	p := h.payers[key]
	if p == nil {
		p = &payer{hub: h, key: key}
		if key != "" {
			h.payers[key] = p
		}
	}
	return p
}

// countLocked notes a connection that was admitted.
func (h *Hub) countLocked(c *Conn) {
	c.payer = h.payerLocked(c.client().payerKey())
	c.payer.sockets++
	if key, counted := countedAs(c.address); counted {
		h.addressLocked(key).sockets++
	}
	if c.user != nil {
		return
	}
	c.stranger = h.strangers.PushBack(c)
	if h.strangers.Len() > h.cfg.Quotas.Unauthenticated {
		oldest := h.strangers.Front()
		h.strangers.Remove(oldest).(*Conn).Close(ByeOverloaded)
	}
}

// uncountLocked forgets a connection that has ended.
func (h *Hub) uncountLocked(c *Conn) {
	c.payer.sockets--
	if key, counted := countedAs(c.address); counted {
		h.addressLocked(key).sockets--
	}
	h.knownLocked(c)
}

// knownLocked takes a connection off the list of those that have not said who they are.
func (h *Hub) knownLocked(c *Conn) {
	if c.stranger != nil {
		h.strangers.Remove(c.stranger) // does nothing if it was the oldest, and was closed
		c.stranger = nil
	}
}

// identify notes whose connection it is, which has said so by its first message. [CodeRateLimited] when
// that user has as many connections as it may.
func (h *Hub) identify(c *Conn, user *User) error {
	key := Client{User: user, Address: c.address}.payerKey()
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.payerAdmitsLocked(key); err != nil {
		return err
	}
	h.knownLocked(c)
	c.payer.sockets--
	c.payer = h.payerLocked(key)
	c.payer.sockets++
	h.indexLocked(c, user.ID)
	return nil
}

// AllowRequest takes one request over REST from what a client's user may make; [CodeRateLimited] when
// that is too much. An anonymous user is a new one with every request, so the address stands for them,
// also one that is not counted otherwise.
func (h *Hub) AllowRequest(c Client) error {
	return overLimit("too many requests, slow down", h.requester(c).take(payRequests, 1, time.Now()))
}

// AllowMessages takes what comes over REST, n operations or events of so many bytes together, from what a
// client's user may send and a room may take, as if a socket had sent them; [CodeRateLimited] when that is
// too much.
func (h *Hub) AllowMessages(c Client, room string, n, bytes int) error {
	now, p := time.Now(), h.requester(c)
	if wait := max(p.take(payBytes, bytes, now), p.take(payMessages, n, now)); wait > 0 {
		return overLimit("too many messages, slow down", wait)
	}
	r := h.peek(room)
	if r == nil {
		return nil // nobody is there who could be harmed
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	wait := r.messages.takeMany(now, h.cfg.Quotas.RoomMessagesPerSecond, n)
	return overLimit("too many messages in this room, slow down", wait)
}

// requester returns who pays for a client's requests.
func (h *Hub) requester(c Client) *payer {
	if c.User != nil && c.User.Admin {
		return nil // a user with the id "admin" must not use up what the operator may ask
	}
	key := c.payerKey()
	if key == "" {
		key = "address " + c.Address.String()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.payerLocked(key)
}

// reapAccountsLocked forgets the payers and the addresses that nothing is known of any more.
func (h *Hub) reapAccountsLocked(now time.Time) {
	for key, p := range h.payers {
		if p.idle(now) {
			delete(h.payers, key)
		}
	}
	for key, a := range h.addresses {
		if a.sockets == 0 && a.requests.idle(now) {
			delete(h.addresses, key)
		}
	}
}
