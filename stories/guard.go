package stories

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"
)

// ErrRefused is wrapped by every error that says an address is not for us to fetch.
var ErrRefused = errors.New("address refused")

const maxRedirects = 5

// closed lists networks that are no part of the public Internet (IANA special-purpose registries,
// RFC 6890 and its successors). Of IPv6, nothing outside 2000::/3 is public anyway.
var closed = prefixes("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
	"192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")

var (
	global6 = netip.MustParsePrefix("2000::/3")
	nat64   = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052: the last 32 bits are an IPv4 address
)

func prefixes(list ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range list {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

// public says whether an address lies in the public unicast Internet.
func public(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsValid() || a.Zone() != "" {
		return false
	}
	if nat64.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
	}
	if a.Is6() && !global6.Contains(a) {
		return false
	}
	return !slices.ContainsFunc(closed, func(p netip.Prefix) bool { return p.Contains(a) })
}

// client returns an HTTP client that reaches public addresses on ports 80 and 443, and those allowed.
// It knows no proxy, no cookies and no compression but ours.
func (f *Fetcher) client() *http.Client {
	t := &http.Transport{
		Proxy:                  nil, // the environment's proxy would connect for us, and not look where
		DialContext:            f.dial,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    10 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConnsPerHost:    2,
		IdleConnTimeout:        5 * time.Second,
	}
	return &http.Client{Transport: t, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if len(via) > maxRedirects {
			return fmt.Errorf("more than %d redirects", maxRedirects)
		}
		return f.check(r.URL)
	}}
}

// Get fetches a short document of the public Internet, over https alone. It follows no redirects; any
// answer but 200, or one of more than limit octets, is an error. Of f it uses Allow, Timeout and Resolver.
func (f *Fetcher) Get(ctx context.Context, address string, limit int64) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if err := f.check(req.URL); err != nil {
		return nil, err
	}
	if req.URL.Scheme != "https" {
		return nil, fmt.Errorf("%w: it is fetched over https alone", ErrRefused)
	}
	client := f.client()
	defer client.CloseIdleConnections()
	client.Timeout = f.Timeout
	if client.Timeout <= 0 {
		client.Timeout = defaultTimeout
	}
	return get(client, req, limit)
}

// Post posts a body to an address of the public Internet and returns the answer's status. It follows no
// redirects. Of f it uses Allow, Timeout and Resolver.
func (f *Fetcher) Post(ctx context.Context, address string, header http.Header, body []byte) (status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if err := f.check(req.URL); err != nil {
		return 0, err
	}
	req.Header = header
	client := f.client()
	defer client.CloseIdleConnections()
	client.Timeout = cmp.Or(max(f.Timeout, 0), defaultTimeout)
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // it says nothing that counts
	return resp.StatusCode, nil
}

func get(client *http.Client, req *http.Request, limit int64) ([]byte, error) {
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the server answered %s", resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("it is larger than %d octets", limit)
	}
	return body, nil
}

// check refuses by the look of an address what needs no connection to be refused.
func (f *Fetcher) check(u *url.URL) error {
	if u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("%w: only http and https are fetched, not %q", ErrRefused, u.Scheme)
	}
	if u.Hostname() == "" {
		return fmt.Errorf("%w: it names no host", ErrRefused)
	}
	return nil
}

// dial connects. The check is made in Control, on the address that is about to be connected to, so that
// a name which resolves differently from one moment to the next gains nothing.
func (f *Fetcher) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: 10 * time.Second, Resolver: f.Resolver}
	if !slices.ContainsFunc(f.Allow, func(a string) bool { return strings.EqualFold(a, addr) }) {
		d.Control = control
	}
	return d.DialContext(ctx, network, addr)
}

func control(network, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s", ErrRefused, address)
	}
	if !public(ap.Addr()) {
		return fmt.Errorf("%w: %s is not a public address (fetch.allow can except a host:port)", ErrRefused, ap.Addr())
	}
	if ap.Port() != 80 && ap.Port() != 443 {
		return fmt.Errorf("%w: port %d is neither 80 nor 443 (fetch.allow can except a host:port)", ErrRefused, ap.Port())
	}
	if network != "tcp4" && network != "tcp6" && network != "tcp" {
		return fmt.Errorf("%w: network %s", ErrRefused, network)
	}
	return nil
}
