package middleware

import (
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

func host(field *string) value {
	return value{want: "a host name or an IP address, without a port", read: func(text string) bool {
		*field = strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
		return isHost(*field)
	}}
}

func isHost(text string) bool {
	if net.ParseIP(text) != nil {
		return true
	}
	return text != "" && len(text) <= 253 && strings.Trim(text, alphanumeric+"._-") == ""
}

func isPort(text string) bool {
	n, err := strconv.Atoi(text)
	return err == nil && 1 <= n && n <= 65535
}

func addresses(field *[]string) value {
	return value{want: "host:port addresses, separated by commas", read: func(text string) bool {
		for part := range strings.SplitSeq(text, ",") {
			host, port, err := net.SplitHostPort(strings.TrimSpace(part))
			if err != nil || !isHost(host) || !isPort(port) {
				return false
			}
			*field = append(*field, net.JoinHostPort(host, port))
		}
		return true
	}}
}

// origins checks what flow.New would refuse, to name the key.
func origins(field *[]string) value {
	want := `origins such as https://app.example.com or https://*.example.com, separated by commas ("*" is none)`
	return value{want: want, read: func(text string) bool {
		for part := range strings.SplitSeq(text, ",") {
			part = strings.TrimSpace(part)
			u, err := url.Parse(strings.Replace(part, "://*.", "://", 1))
			if err != nil || u.Scheme != "http" && u.Scheme != "https" {
				return false
			}
			if !isHost(u.Hostname()) || u.String() != u.Scheme+"://"+u.Host || u.Port() != "" && !isPort(u.Port()) {
				return false
			}
			*field = append(*field, part)
		}
		return true
	}}
}

// networks takes single addresses, too. The address of a client is compared in its plain form, so one
// of IPv4 in the clothes of IPv6 would never be met.
func networks(field *[]netip.Prefix) value {
	want := "addresses and networks such as 10.0.0.7, 10.0.0.0/8 or fd00::/8, separated by commas"
	return value{want: want, read: func(text string) bool {
		for part := range strings.SplitSeq(text, ",") {
			network, ok := parseNetwork(strings.TrimSpace(part))
			if !ok {
				return false
			}
			*field = append(*field, network)
		}
		return true
	}}
}

func parseNetwork(text string) (netip.Prefix, bool) {
	if strings.Contains(text, "/") {
		network, err := netip.ParsePrefix(text)
		return network.Masked(), err == nil && !network.Addr().Is4In6()
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		return netip.Prefix{}, false
	}
	addr = addr.Unmap()
	return netip.PrefixFrom(addr, addr.BitLen()), true
}
