package flow

import (
	"fmt"
	"net/url"
	"strings"
)

// origin is a scheme, host and port, in lower case, with the port always there.
type origin struct {
	scheme, host, port string
	subdomains         bool // the host stands for all its sub-domains, not for itself
}

// parseOrigin reads scheme://host[:port], with "*." before the host for its sub-domains.
func parseOrigin(s string) (origin, error) {
	bad := fmt.Errorf("origin %q must be scheme://host[:port], with \"*.\" before the host for sub-domains", s)
	u, err := url.Parse(strings.Replace(strings.ToLower(s), "://*.", "://", 1))
	if err != nil || u.Host == "" || u.User != nil ||
		strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return origin{}, bad
	}
	o := origin{scheme: u.Scheme, host: u.Hostname(), port: u.Port(), subdomains: strings.Contains(s, "://*.")}
	if o.port == "" {
		o.port = defaultPort(o.scheme)
	}
	if o.port == "" || strings.Contains(o.host, "*") || strings.HasPrefix(o.host, ".") {
		return origin{}, bad
	}
	return o, nil
}

func defaultPort(scheme string) string {
	switch scheme {
	case "http", "ws":
		return "80"
	case "https", "wss":
		return "443"
	default:
		return ""
	}
}

// allows reports whether an entry of the list covers the origin of a request.
func (o origin) allows(other origin) bool {
	if o.scheme != other.scheme || o.port != other.port {
		return false
	}
	if o.subdomains {
		return strings.HasSuffix(other.host, "."+o.host)
	}
	return o.host == other.host
}

// AllowOrigin reports whether a page may connect: origins are all Origin headers of the request, host
// its Host header. A missing Origin passes, as native clients send none, unless Config.RequireOrigin is
// set; "null" and more than one do not.
// Without Config.AllowedOrigins the page must come from the same host, whatever ends the TLS.
func (h *Hub) AllowOrigin(origins []string, host string, secure bool) bool {
	if len(origins) == 0 {
		return !h.cfg.RequireOrigin
	}
	if len(origins) > 1 {
		return false
	}
	from, err := parseOrigin(origins[0])
	if err != nil || from.subdomains {
		return false
	}
	for _, entry := range h.origins {
		if entry.allows(from) {
			return true
		}
	}
	return len(h.origins) == 0 && sameHost(from, host, secure)
}

// sameHost compares with the Host header. A proxy that ends the TLS leaves the scheme unknown, so the
// default port of either scheme stands for a missing one.
func sameHost(from origin, host string, secure bool) bool {
	scheme := "http"
	if secure {
		scheme = "https"
	}
	at, err := parseOrigin(scheme + "://" + host)
	if err != nil || at.host != from.host {
		return false
	}
	hasPort := strings.LastIndexByte(host, ':') > strings.LastIndexByte(host, ']')
	return at.port == from.port || !hasPort && from.port == defaultPort(from.scheme)
}
