package flow_test

import (
	"net/netip"
	"testing"
	"testing/synctest"

	"github.com/fiberflow/flow"
)

// An address that a client claims is believed only as far as proxies that are known have added it.
func TestHub_ClientAddress(t *testing.T) {
	h := newHub(t, flow.Config{TrustedProxies: []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:1::/48"),
	}})
	for _, c := range []struct {
		remote    string
		forwarded []string
		want      string
	}{
		{"203.0.113.7", nil, "203.0.113.7"},
		{"203.0.113.7", []string{"198.51.100.1"}, "203.0.113.7"}, // no proxy of ours: a claim
		{"10.0.0.1", nil, "10.0.0.1"},
		{"10.0.0.1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"10.0.0.1", []string{"1.2.3.4, 198.51.100.1"}, "198.51.100.1"}, // the left one is the client's invention
		{"10.0.0.1", []string{"1.2.3.4", "198.51.100.1, 10.1.1.1"}, "198.51.100.1"},
		{"10.0.0.1", []string{"10.9.9.9,10.1.1.1"}, "10.9.9.9"},
		{"10.0.0.1", []string{"1.2.3.4, not an address"}, "10.0.0.1"},
		{"10.0.0.1", []string{""}, "10.0.0.1"},
		{"10.0.0.1", []string{"198.51.100.1:4711"}, "198.51.100.1"},
		{"10.0.0.1", []string{`"[2001:db8::5]:4711"`}, "2001:db8::5"},
		{"10.0.0.1", []string{"[2001:db8::5]"}, "2001:db8::5"},
		{"::ffff:10.0.0.1", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		{"2001:db8:1::9", []string{"2001:db8:2::1"}, "2001:db8:2::1"},
		{"fe80::1%eth0", nil, "fe80::1"},
		{"", nil, "invalid IP"},
	} {
		if got := h.ClientAddress(c.remote, c.forwarded).String(); got != c.want {
			t.Errorf("%q behind %q: %s, want %s", c.remote, c.forwarded, got, c.want)
		}
	}
}

// Requests are counted by public addresses, of version 6 by their networks; neighbours are not counted.
func TestHub_AllowAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, err := flow.New(memory(flow.Config{Quotas: flow.Quotas{AddressRequestsPerSecond: 1}}))
		if err != nil {
			t.Fatal(err)
		}
		allowed := func(addresses ...string) (count int) {
			for _, a := range addresses {
				if err := h.AllowAddress(netip.MustParseAddr(a)); err == nil {
					count++
				} else if flow.ErrorCode(err) != flow.CodeRateLimited || flow.ErrorRetryAfter(err) <= 0 {
					t.Errorf("%s: %v", a, err)
				}
			}
			return count
		}
		for _, c := range []struct {
			from []string
			want int
		}{
			{[]string{"203.0.113.7", "203.0.113.7", "203.0.113.7", "203.0.113.7"}, 2},
			{[]string{"203.0.113.8", "203.0.113.8"}, 2},
			{[]string{"2001:db8::1", "2001:db8::2", "2001:db8::3:4", "2001:db8:0:1::1"}, 3},
			{[]string{"127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.1"}, 4},
			{[]string{"10.0.0.1", "10.0.0.1", "fd00::1", "fd00::1", "fd00::1"}, 5},
		} {
			if got := allowed(c.from...); got != c.want {
				t.Errorf("%v: %d allowed, want %d", c.from, got, c.want)
			}
		}
		if err := h.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func FuzzClientAddress(f *testing.F) {
	h, err := flow.New(memory(flow.Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := h.Close(f.Context()); err != nil {
			f.Error(err)
		}
	})
	f.Add("1.2.3.4, [::1]:80, \"10.0.0.1\"")
	f.Add(",,,10.0.0.1:99999,[")
	f.Fuzz(func(t *testing.T, header string) {
		if got := h.ClientAddress("203.0.113.7", []string{header}); got.String() != "203.0.113.7" {
			t.Errorf("a stranger is believed to be %v", got)
		}
		if got := h.ClientAddress("10.0.0.1", []string{header}); !got.IsValid() || got.Zone() != "" || got.Is4In6() {
			t.Errorf("address %v", got)
		}
	})
}
