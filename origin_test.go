package flow_test

import (
	"context"
	"regexp"
	"testing"

	"github.com/fiberflow/flow"
)

func TestHub_AllowOrigin(t *testing.T) {
	const page = "https://app.example.com"
	sameHost := newHub(t, flow.Config{})
	listed := newHub(t, flow.Config{AllowedOrigins: []string{
		"https://App.Example.com", "http://localhost:3000", "https://*.partner.example", "http://[::1]:8080", "https://one.example:443/",
		"HTTP://*.dev.example:8080",
	}})
	for _, tc := range []struct {
		name    string
		hub     *flow.Hub
		origins []string
		host    string
		secure  bool
		want    bool
	}{
		// Without a list a page must come from the host that it talks to.
		{"same host", sameHost, []string{page}, "app.example.com", true, true},
		{"same host in other letters", sameHost, []string{"HTTPS://App.EXAMPLE.com"}, "aPP.example.COM", true, true},
		{"same host and port", sameHost, []string{"http://localhost:3000"}, "localhost:3000", false, true},
		{"default port written out in the origin", sameHost, []string{page + ":443"}, "app.example.com", true, true},
		{"default port written out in the host", sameHost, []string{page}, "app.example.com:443", true, true},
		{"default port of http", sameHost, []string{"http://a.example"}, "a.example:80", false, true},
		{"other port in the origin", sameHost, []string{page + ":8443"}, "app.example.com", true, false},
		{"other port in the host", sameHost, []string{page}, "app.example.com:8443", true, false},
		{"other port on localhost", sameHost, []string{"http://localhost:3000"}, "localhost:3001", false, false},
		{"other host", sameHost, []string{"https://evil.example"}, "app.example.com", true, false},
		{"sub-domain", sameHost, []string{"https://x.app.example.com"}, "app.example.com", true, false},
		{"parent domain", sameHost, []string{"https://example.com"}, "app.example.com", true, false},
		{"host as a prefix", sameHost, []string{page + ".evil.example"}, "app.example.com", true, false},
		{"host as a user", sameHost, []string{"https://app.example.com@evil.example"}, "app.example.com", true, false},
		{"user of the host", sameHost, []string{"https://evil@app.example.com"}, "app.example.com", true, false},
		{"no host header", sameHost, []string{page}, "", true, false},
		{"garbage in the host header", sameHost, []string{page}, "app example com", true, false},

		// A proxy that ends the TLS hides the scheme: the default port of the page's own counts.
		{"behind a proxy", sameHost, []string{page}, "app.example.com", false, true},
		{"behind a proxy with a port", sameHost, []string{page + ":8443"}, "app.example.com:8443", false, true},
		{"behind a proxy that writes the port", sameHost, []string{page}, "app.example.com:443", false, true},
		{"behind a proxy, other port", sameHost, []string{page + ":8443"}, "app.example.com", false, false},
		{"behind a proxy, port of the inside", sameHost, []string{page}, "app.example.com:8080", false, false},

		// Addresses of IPv6 have colons of their own.
		{"IPv6", sameHost, []string{"http://[::1]:3000"}, "[::1]:3000", false, true},
		{"IPv6 with the default port", sameHost, []string{"http://[::1]"}, "[::1]", false, true},
		{"IPv6 behind a proxy", sameHost, []string{"https://[::1]"}, "[::1]", false, true},
		{"IPv6, other port", sameHost, []string{"http://[::1]:3000"}, "[::1]:3001", false, false},
		{"IPv6, other address", sameHost, []string{"http://[::2]:3000"}, "[::1]:3000", false, false},

		// Native clients send no Origin; an opaque one and more than one are refused.
		{"missing", sameHost, nil, "app.example.com", true, true},
		{"missing with a list", listed, []string{}, "other.example", true, true},
		{"null", sameHost, []string{"null"}, "app.example.com", true, false},
		{"null with a list", listed, []string{"null"}, "app.example.com", true, false},
		{"null as the host", sameHost, []string{"null"}, "null", true, false},
		{"empty", sameHost, []string{""}, "app.example.com", true, false},
		{"twice the same", sameHost, []string{page, page}, "app.example.com", true, false},
		{"two, one of them listed", listed, []string{"https://evil.example", page}, "app.example.com", true, false},
		{"two in one header", sameHost, []string{page + ", " + page}, "app.example.com", true, false},
		{"two with a space", listed, []string{page + " https://evil.example"}, "app.example.com", true, false},

		// What is no origin is refused, whatever the host.
		{"no scheme", sameHost, []string{"app.example.com"}, "app.example.com", true, false},
		{"only a scheme", sameHost, []string{"https://"}, "", true, false},
		{"file", sameHost, []string{"file://"}, "app.example.com", true, false},
		{"path", sameHost, []string{page + "/board"}, "app.example.com", true, false},
		{"query", sameHost, []string{page + "?x=1"}, "app.example.com", true, false},
		{"fragment", sameHost, []string{page + "#x"}, "app.example.com", true, false},
		{"control character", sameHost, []string{page + "\x00"}, "app.example.com", true, false},
		{"letters as a port", sameHost, []string{page + ":https"}, "app.example.com", true, false},
		{"opaque", sameHost, []string{"https:app.example.com"}, "app.example.com", true, false},
		{"wildcard", sameHost, []string{"https://*.example.com"}, "example.com", true, false},
		{"wildcard against a list", listed, []string{"https://*.partner.example"}, "example.com", true, false},

		// A list takes the place of the host: its entries are scheme, host and port.
		{"listed", listed, []string{page}, "api.example.com", true, true},
		{"listed, whatever the host", listed, []string{"http://localhost:3000"}, "10.0.0.7", true, true},
		{"listed in other letters", listed, []string{"https://APP.example.COM:443"}, "x", true, true},
		{"listed IPv6", listed, []string{"http://[::1]:8080"}, "x", true, true},
		{"listed with its default port", listed, []string{"https://one.example"}, "x", true, true},
		{"not listed, same host", listed, []string{"https://api.example.com"}, "api.example.com", true, false},
		{"listed, other scheme", listed, []string{"http://app.example.com"}, "x", true, false},
		{"listed, other scheme at the same port", listed, []string{"http://app.example.com:443"}, "x", true, false},
		{"listed, other port", listed, []string{"http://localhost:3001"}, "x", true, false},
		{"listed, no port", listed, []string{"http://localhost"}, "x", true, false},

		// "*." stands for every sub-domain, and not for the domain itself.
		{"sub-domain of a wildcard", listed, []string{"https://a.partner.example"}, "x", true, true},
		{"deeper sub-domain", listed, []string{"https://a.b.partner.example:443"}, "x", true, true},
		{"sub-domain with a port", listed, []string{"http://a.dev.example:8080"}, "x", true, true},
		{"bare domain", listed, []string{"https://partner.example"}, "x", true, false},
		{"domain with the same end", listed, []string{"https://evilpartner.example"}, "x", true, false},
		{"domain as a prefix", listed, []string{"https://a.partner.example.evil.example"}, "x", true, false},
		{"sub-domain, other scheme", listed, []string{"http://a.partner.example"}, "x", true, false},
		{"sub-domain, other port", listed, []string{"http://a.dev.example"}, "x", true, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := tc.hub.AllowOrigin(tc.origins, tc.host, tc.secure); got != tc.want {
				t.Errorf("origin %q at host %q (secure %v): allowed is %v", tc.origins, tc.host, tc.secure, got)
			}
		})
	}
}

// No spelling gets a page of another domain past a wildcard.
func FuzzAllowOrigin(f *testing.F) {
	for _, seed := range []string{
		"https://a.partner.example", "https://A.B.partner.example:443/", "https://evil.example", "null", "https://partner.example",
		"https://a.partner.example.evil.example", "https://a.partner.example@evil.example", "https://evil.example/.partner.example",
		"https://evil.example#.partner.example", "https:\\\\a.partner.example", "https://[::1].partner.example", "https://%2e.partner.example",
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
