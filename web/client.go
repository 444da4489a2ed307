package web

import (
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// client is [Client] with the proxies of the configuration.
func (p *Pages) client(r *http.Request) string { return Client(r, p.Config.Pages.Proxies) }

// Client is who asks: an IPv4 address, or the /64 network of an IPv6 one, which one line may use
// freely. X-Forwarded-For counts as far as it was written by these proxies.
func Client(r *http.Request, proxies []netip.Prefix) string {
	addr := address(r, proxies)
	if !addr.IsValid() {
		return r.RemoteAddr
	}
	if addr.Is6() {
		prefix, _ := addr.WithZone("").Prefix(64)
		return prefix.String()
	}
	return addr.String()
}

// address is the address of who asks; the zero Addr if there is none.
func address(r *http.Request, proxies []netip.Prefix) netip.Addr {
	port, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	addr := port.Addr().Unmap()
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for n := len(hops) - 1; n >= 0 && listed(addr, proxies); n-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[n]))
		if err != nil {
			break
		}
		addr = hop.Unmap()
	}
	return addr
}

func listed(a netip.Addr, proxies []netip.Prefix) bool {
	for _, prefix := range proxies {
		if prefix.Contains(a) {
			return true
		}
	}
	return false
}

const (
	guessesAllowed = 20
	guessesWithin  = 10 * time.Minute
	clientsKept    = 100_000 // beyond it all are forgotten: memory has a bound
)

// guesses counts wrong tokens by client.
type guesses struct {
	now func() time.Time
	mu  sync.Mutex
	by  map[string]*guesser
}

type guesser struct {
	n     int
	since time.Time
}

func newGuesses(now func() time.Time) *guesses {
	return &guesses{now: now, by: make(map[string]*guesser)}
}

// allow counts a wrong token; false if the client has had too many.
func (g *guesses) allow(client string) bool {
	now := g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.by[client]
	if c == nil || now.Sub(c.since) > guessesWithin || now.Before(c.since) {
		if len(g.by) >= clientsKept {
			clear(g.by)
		}
		c = &guesser{since: now}
		g.by[client] = c
	}
	c.n++
	return c.n <= guessesAllowed
}
