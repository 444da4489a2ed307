package web

import (
	"net/http"
	"net/netip"
	"testing"

	"broadsheet/schedule"
)

// TestClient says who asks: X-Forwarded-For counts only as far as listed proxies wrote it.
func TestClient(t *testing.T) {
	listed := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:1::/48")}
	for _, c := range []struct {
		name    string
		proxies []netip.Prefix
		remote  string
		headers []string // X-Forwarded-For
		want    string
	}{
		{"no proxy", listed, "192.0.2.7:4711", nil, "192.0.2.7"},
		{"not a proxy, and claims another", listed, "192.0.2.7:4711", []string{"198.51.100.1"}, "192.0.2.7"},
		{"nobody is listed", nil, "127.0.0.1:4711", []string{"198.51.100.1"}, "127.0.0.1"},
		{"a proxy", listed, "127.0.0.1:4711", []string{"198.51.100.1"}, "198.51.100.1"},
		{"a proxy that added to a claim", listed, "127.0.0.1:4711", []string{"203.0.113.9, 198.51.100.1"}, "198.51.100.1"},
		{"two headers", listed, "127.0.0.1:4711", []string{"203.0.113.9", "198.51.100.1"}, "198.51.100.1"},
		{"two proxies", listed, "127.0.0.1:4711", []string{"203.0.113.9, 198.51.100.1, 10.1.2.3"}, "198.51.100.1"},
		{"claims to come from a proxy", listed, "127.0.0.1:4711", []string{"127.0.0.1, 198.51.100.1"}, "198.51.100.1"},
		{"all are proxies", listed, "127.0.0.1:4711", []string{"10.1.2.3"}, "10.1.2.3"},
		{"nonsense", listed, "127.0.0.1:4711", []string{"198.51.100.1, unknown"}, "127.0.0.1"},
		{"empty", listed, "127.0.0.1:4711", []string{""}, "127.0.0.1"},
		{"mapped", listed, "[::ffff:127.0.0.1]:4711", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		{"a line's network", listed, "[2001:db8:2:3:4::5]:4711", nil, "2001:db8:2:3::/64"},
		{"behind a proxy too", listed, "[2001:db8:1::5]:4711", []string{"2001:db8:9:8:7::6"}, "2001:db8:9:8::/64"},
		{"with a zone", listed, "[fe80::1%eth0]:4711", nil, "fe80::/64"},
	} {
		p := &Pages{Config: &schedule.Config{Pages: schedule.Pages{Proxies: c.proxies}}}
		r := &http.Request{RemoteAddr: c.remote, Header: http.Header{"X-Forwarded-For": c.headers}}
		if got := p.client(r); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}
