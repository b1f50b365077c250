package flow

import (
	"net/netip"
	"strings"
	"time"
)

// ClientAddress returns the address of a client: remote is that of its connection, forwarded are the lines
// of X-Forwarded-For. The addresses in there are believed from the right, as long as a proxy of
// Config.TrustedProxies has added them. The zero address stands for one that cannot be read.
func (h *Hub) ClientAddress(remote string, forwarded []string) netip.Addr {
	at := parseAddress(remote)
	hops := strings.Split(strings.Join(forwarded, ","), ",")
	for i := len(hops) - 1; i >= 0 && h.isProxy(at); i-- {
		before := parseAddress(hops[i])
		if !before.IsValid() {
			break
		}
		at = before
	}
	return at
}

func (h *Hub) isProxy(a netip.Addr) bool {
	for _, network := range h.cfg.TrustedProxies {
		if network.Contains(a) {
			return true
		}
	}
	return false
}

// parseAddress reads an address, with or without a port.
func parseAddress(s string) netip.Addr {
	s = strings.Trim(strings.TrimSpace(s), `"`)
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		with, err := netip.ParseAddrPort(s)
		if err != nil {
			return netip.Addr{}
		}
		a = with.Addr()
	}
	return a.Unmap().WithZone("")
}

// countedAs returns what an address is counted as: itself, of version 6 its network of 64 bits, which is
// what one customer has. ok is false for those that are not counted; see [Quotas].
func countedAs(a netip.Addr) (key netip.Addr, ok bool) {
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return netip.Addr{}, false
	}
	if a.Is6() {
		network, err := a.Prefix(64)
		return network.Addr(), err == nil
	}
	return a, true
}

// address is what one address uses. The hub's lock guards it.
type address struct {
	sockets  int
	requests bucket
}

// addressLocked returns the account of a counted address.
func (h *Hub) addressLocked(key netip.Addr) *address {
	a := h.addresses[key]
	if a == nil {
		a = &address{}
		h.addresses[key] = a
	}
	return a
}

// AllowAddress takes one request, of whatever kind, from what an address may make; [CodeRateLimited] when
// that is too much.
func (h *Hub) AllowAddress(from netip.Addr) error {
	key, counted := countedAs(from)
	if !counted {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	wait := h.addressLocked(key).requests.take(time.Now(), h.cfg.Quotas.AddressRequestsPerSecond)
	return overLimit("too many requests from this address, slow down", wait)
}

// overLimit returns the refusal of who has to wait; nil for who has not.
func overLimit(message string, wait time.Duration) error {
	if wait <= 0 {
		return nil
	}
	return &Error{Code: CodeRateLimited, Message: message, RetryAfter: wait}
}
