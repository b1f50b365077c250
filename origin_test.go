package flow_test

import (
	"context"
	"regexp"
	"testing"

	"github.com/fiberflow/flow"
)

// fromPage is a request of a page to a host, over TLS or not, and whether it may connect.
type fromPage struct {
	name    string
	origins []string
	host    string
	secure  bool
	want    bool
}

// allowOrigins checks what a hub says to requests of pages.
func allowOrigins(t *testing.T, h *flow.Hub, cases []fromPage) {
	t.Helper()
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			if got := h.AllowOrigin(tc.origins, tc.host, tc.secure); got != tc.want {
				t.Errorf("origin %q at host %q (secure %v): allowed is %v", tc.origins, tc.host, tc.secure, got)
			}
		})
	}
}

const page = "https://app.example.com"

// listedHub allows some origins.
func listedHub(t *testing.T) *flow.Hub {
	t.Helper()
	return newHub(t, flow.Config{AllowedOrigins: []string{
		"https://App.Example.com", "http://localhost:3000", "https://*.partner.example", "http://[::1]:8080",
		"https://one.example:443/", "HTTP://*.dev.example:8080",
	}})
}

// Without a list a page must come from the host that it talks to.
func TestHub_AllowOrigin(t *testing.T) {
	allowOrigins(t, newHub(t, flow.Config{}), []fromPage{
		{"same host", []string{page}, "app.example.com", true, true},
		{"same host in other letters", []string{"HTTPS://App.EXAMPLE.com"}, "aPP.example.COM", true, true},
		{"same host and port", []string{"http://localhost:3000"}, "localhost:3000", false, true},
		{"default port written out in the origin", []string{page + ":443"}, "app.example.com", true, true},
		{"default port written out in the host", []string{page}, "app.example.com:443", true, true},
		{"default port of http", []string{"http://a.example"}, "a.example:80", false, true},
		{"other port in the origin", []string{page + ":8443"}, "app.example.com", true, false},
		{"other port in the host", []string{page}, "app.example.com:8443", true, false},
		{"other port on localhost", []string{"http://localhost:3000"}, "localhost:3001", false, false},
		{"other host", []string{"https://evil.example"}, "app.example.com", true, false},
		{"sub-domain", []string{"https://x.app.example.com"}, "app.example.com", true, false},
		{"parent domain", []string{"https://example.com"}, "app.example.com", true, false},
		{"host as a prefix", []string{page + ".evil.example"}, "app.example.com", true, false},
		{"host as a user", []string{"https://app.example.com@evil.example"}, "app.example.com", true, false},
		{"user of the host", []string{"https://evil@app.example.com"}, "app.example.com", true, false},
		{"no host header", []string{page}, "", true, false},
		{"garbage in the host header", []string{page}, "app example com", true, false},
	})
}

// A proxy that ends the TLS hides the scheme: the default port of the page's own counts.
func TestHub_AllowOriginProxy(t *testing.T) {
	allowOrigins(t, newHub(t, flow.Config{}), []fromPage{
		{"behind a proxy", []string{page}, "app.example.com", false, true},
		{"behind a proxy with a port", []string{page + ":8443"}, "app.example.com:8443", false, true},
		{"behind a proxy that writes the port", []string{page}, "app.example.com:443", false, true},
		{"behind a proxy, other port", []string{page + ":8443"}, "app.example.com", false, false},
		{"behind a proxy, port of the inside", []string{page}, "app.example.com:8080", false, false},
	})
}

// Addresses of IPv6 have colons of their own.
func TestHub_AllowOriginIPv6(t *testing.T) {
	allowOrigins(t, newHub(t, flow.Config{}), []fromPage{
		{"IPv6", []string{"http://[::1]:3000"}, "[::1]:3000", false, true},
		{"IPv6 with the default port", []string{"http://[::1]"}, "[::1]", false, true},
		{"IPv6 behind a proxy", []string{"https://[::1]"}, "[::1]", false, true},
		{"IPv6, other port", []string{"http://[::1]:3000"}, "[::1]:3001", false, false},
		{"IPv6, other address", []string{"http://[::2]:3000"}, "[::1]:3000", false, false},
	})
}

// Native clients send no Origin; an opaque one and more than one are refused.
func TestHub_AllowOriginMany(t *testing.T) {
	allowOrigins(t, newHub(t, flow.Config{}), []fromPage{
		{"missing", nil, "app.example.com", true, true},
		{"null", []string{"null"}, "app.example.com", true, false},
		{"null as the host", []string{"null"}, "null", true, false},
		{"empty", []string{""}, "app.example.com", true, false},
		{"twice the same", []string{page, page}, "app.example.com", true, false},
		{"two in one header", []string{page + ", " + page}, "app.example.com", true, false},
	})
	allowOrigins(t, listedHub(t), []fromPage{
		{"missing with a list", []string{}, "other.example", true, true},
		{"null with a list", []string{"null"}, "app.example.com", true, false},
		{"two, one of them listed", []string{"https://evil.example", page}, "app.example.com", true, false},
		{"two with a space", []string{page + " https://evil.example"}, "app.example.com", true, false},
	})
}

// What is no origin is refused, whatever the host.
func TestHub_AllowOriginGarbage(t *testing.T) {
	allowOrigins(t, newHub(t, flow.Config{}), []fromPage{
		{"no scheme", []string{"app.example.com"}, "app.example.com", true, false},
		{"only a scheme", []string{"https://"}, "", true, false},
		{"file", []string{"file://"}, "app.example.com", true, false},
		{"path", []string{page + "/board"}, "app.example.com", true, false},
		{"query", []string{page + "?x=1"}, "app.example.com", true, false},
		{"fragment", []string{page + "#x"}, "app.example.com", true, false},
		{"control character", []string{page + "\x00"}, "app.example.com", true, false},
		{"letters as a port", []string{page + ":https"}, "app.example.com", true, false},
		{"opaque", []string{"https:app.example.com"}, "app.example.com", true, false},
		{"wildcard", []string{"https://*.example.com"}, "example.com", true, false},
	})
	allowOrigins(t, listedHub(t), []fromPage{
		{"wildcard against a list", []string{"https://*.partner.example"}, "example.com", true, false},
	})
}

// A list takes the place of the host: its entries are scheme, host and port.
func TestHub_AllowOriginList(t *testing.T) {
	allowOrigins(t, listedHub(t), []fromPage{
		{"listed", []string{page}, "api.example.com", true, true},
		{"listed, whatever the host", []string{"http://localhost:3000"}, "10.0.0.7", true, true},
		{"listed in other letters", []string{"https://APP.example.COM:443"}, "x", true, true},
		{"listed IPv6", []string{"http://[::1]:8080"}, "x", true, true},
		{"listed with its default port", []string{"https://one.example"}, "x", true, true},
		{"not listed, same host", []string{"https://api.example.com"}, "api.example.com", true, false},
		{"listed, other scheme", []string{"http://app.example.com"}, "x", true, false},
		{"listed, other scheme at the same port", []string{"http://app.example.com:443"}, "x", true, false},
		{"listed, other port", []string{"http://localhost:3001"}, "x", true, false},
		{"listed, no port", []string{"http://localhost"}, "x", true, false},
	})
}

// "*." stands for every sub-domain, and not for the domain itself.
func TestHub_AllowOriginWildcard(t *testing.T) {
	allowOrigins(t, listedHub(t), []fromPage{
		{"sub-domain of a wildcard", []string{"https://a.partner.example"}, "x", true, true},
		{"deeper sub-domain", []string{"https://a.b.partner.example:443"}, "x", true, true},
		{"sub-domain with a port", []string{"http://a.dev.example:8080"}, "x", true, true},
		{"bare domain", []string{"https://partner.example"}, "x", true, false},
		{"domain with the same end", []string{"https://evilpartner.example"}, "x", true, false},
		{"domain as a prefix", []string{"https://a.partner.example.evil.example"}, "x", true, false},
		{"sub-domain, other scheme", []string{"http://a.partner.example"}, "x", true, false},
		{"sub-domain, other port", []string{"http://a.dev.example"}, "x", true, false},
	})
}

// No spelling gets a page of another domain past a wildcard.
func FuzzAllowOrigin(f *testing.F) {
	for _, seed := range []string{
		"https://a.partner.example", "https://A.B.partner.example:443/", "https://evil.example", "null",
		"https://partner.example", "https://a.partner.example.evil.example", "https://a.partner.example@evil.example",
		"https://evil.example/.partner.example", "https://evil.example#.partner.example",
		"https:\\\\a.partner.example", "https://[::1].partner.example", "https://%2e.partner.example",
		"https://.pArtner.eXAmple",
	} {
		f.Add([]byte(seed))
	}
	hub, err := flow.New(memory(flow.Config{AllowedOrigins: []string{"https://*.partner.example"}}))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = hub.Close(context.Background()) })
	partner := regexp.MustCompile(`(?i)\Ahttps://[^/?#@\\]+\.partner\.example(:|:443)?/*[?#]?\z`)
	f.Fuzz(func(t *testing.T, origin []byte) {
		if hub.AllowOrigin([]string{string(origin)}, "x", true) && !partner.Match(origin) {
			t.Fatalf("%q is allowed", origin)
		}
	})
}
