package stories

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const smallFeed = `<?xml version="1.0"?><rss version="2.0"><channel><title>Harbour News</title><link>https://harbour.example/</link>
<item><title>Tide turns</title><link>/tide</link><guid isPermaLink="false">h1</guid><category>World</category></item>
<item><title>Quay opens</title><link>/quay</link><guid isPermaLink="false">h2</guid></item></channel></rss>`

// serve starts a server and returns a fetcher that may reach it, and only it.
func serve(t *testing.T, h http.HandlerFunc) (*Fetcher, *memory, *httptest.Server) {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	shelf := newMemory()
	at := time.Date(2030, 5, 1, 6, 0, 0, 0, time.UTC)
	return &Fetcher{Shelf: shelf, Allow: []string{srv.Listener.Addr().String()}, Now: func() time.Time { return at },
		Sections: map[string]string{"world": "World", "city": "City"}}, shelf, srv
}

func fetchOne(t *testing.T, f *Fetcher, u string) FeedResult {
	t.Helper()
	r, err := f.FetchAll(t.Context(), []Feed{{URL: u, Section: "city"}}, true)
	if err != nil {
		t.Fatal(err)
	}
	return r[0]
}

func TestConditionalGet(t *testing.T) {
	var hits, unchanged atomic.Int32
	f, shelf, srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		if ua := r.Header.Get("User-Agent"); ua != "Broadsheet" {
			t.Errorf("User-Agent %q", ua)
		}
		if r.Header.Get("If-None-Match") == `"v1"` && r.Header.Get("If-Modified-Since") == "Wed, 01 May 2030 05:00:00 GMT" {
			unchanged.Add(1)
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("ETag", `"v1"`)
		w.Header().Set("Last-Modified", "Wed, 01 May 2030 05:00:00 GMT")
		io.WriteString(w, smallFeed)
	})
	if r := fetchOne(t, f, srv.URL); r.Status != Fetched || r.Added.New != 2 {
		t.Fatalf("first fetch: %+v", r)
	}
	if got := shelf.list; fmt.Sprint(got[0].Sections, got[1].Sections) != "[world] [city]" || got[0].URL != "https://harbour.example/tide" {
		t.Errorf("stories are placed in %v and %v, link %s", got[0].Sections, got[1].Sections, got[0].URL)
	}
	if r := fetchOne(t, f, srv.URL); r.Status != Unchanged || r.Err != nil || r.Items != 2 || unchanged.Load() != 1 {
		t.Fatalf("second fetch: %+v", r)
	}
	r, _ := f.FetchAll(t.Context(), []Feed{{URL: srv.URL}}, false)
	if r[0].Status != NotDue || hits.Load() != 2 {
		t.Errorf("a feed that is not due was fetched: %+v", r[0])
	}
}

func TestFailuresAreCountedAndKeptApart(t *testing.T) {
	broken := true
	f, shelf, srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/busy":
			w.Header().Set("Retry-After", "7200")
			w.WriteHeader(http.StatusTooManyRequests)
		case r.URL.Path == "/page":
			io.WriteString(w, "<!doctype html><html><body>Not here</body></html>")
		case r.URL.Path == "/bad" && broken:
			w.Header().Set("ETag", `"bad"`)
			io.WriteString(w, "nonsense")
		default:
			if r.Header.Get("If-None-Match") == `"bad"` {
				t.Error("the ETag of a document that could not be read was sent")
			}
			io.WriteString(w, smallFeed)
		}
	})
	feeds := []Feed{{URL: srv.URL + "/busy"}, {URL: srv.URL + "/bad"}, {URL: srv.URL + "/page"}, {URL: srv.URL + "/good"}, {URL: "::not an address"}}
	for n := 1; n <= 3; n++ {
		rs, err := f.FetchAll(t.Context(), feeds, true)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range []int{0, 1, 2, 4} {
			st := shelf.feeds[feeds[i].URL]
			if rs[i].Status != Failed || rs[i].Failures != n || st.Failures != n || st.Error == "" || !st.Due.After(f.Now()) {
				t.Errorf("round %d: %+v, state %+v", n, rs[i], st)
			}
		}
		if rs[3].Err != nil {
			t.Errorf("a good feed suffered: %v", rs[3].Err)
		}
	}
	if d := shelf.feeds[feeds[0].URL].Due.Sub(f.Now()); d != 2*time.Hour {
		t.Errorf("Retry-After 7200 waits %v", d)
	}
	if d := shelf.feeds[feeds[1].URL].Due.Sub(f.Now()); d != time.Hour {
		t.Errorf("the third failure in a row waits %v, want 1h", d)
	}
	if e := shelf.feeds[feeds[2].URL].Error; !strings.Contains(e, "web page") {
		t.Errorf("a web page is reported as %q", e)
	}
	broken = false
	fetchOne(t, f, feeds[1].URL)
	if st := shelf.feeds[feeds[1].URL]; st.Failures != 0 || st.Error != "" || st.OK.IsZero() {
		t.Errorf("a success does not clear the failures: %+v", st)
	}
}

func TestFeedListedTwiceGoesIntoBothSections(t *testing.T) {
	var hits atomic.Int32
	f, shelf, srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		io.WriteString(w, smallFeed)
	})
	rs, err := f.FetchAll(t.Context(), []Feed{{URL: srv.URL, Section: "city"}, {URL: srv.URL, Section: "port"}}, true)
	if err != nil || hits.Load() != 1 || rs[0].Added.New != 2 || rs[1].Added.New != 0 || rs[1].Status != Fetched {
		t.Errorf("%d requests, %+v, %v", hits.Load(), rs, err)
	}
	if got := fmt.Sprint(shelf.list[1].Sections); got != "[city port]" {
		t.Errorf("sections %s", got)
	}
}

func TestShelfErrorKeepsETag(t *testing.T) {
	f, shelf, srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		io.WriteString(w, smallFeed)
	})
	shelf.err = errors.New("disk full")
	if r := fetchOne(t, f, srv.URL); r.Err == nil || shelf.feeds[srv.URL].ETag != "" {
		t.Errorf("stories that were not recorded would never be asked for again: %+v", shelf.feeds[srv.URL])
	}
}

func TestSizeLimits(t *testing.T) {
	// A gigabyte of spaces: gzip files may be strung together.
	var member bytes.Buffer
	z := gzip.NewWriter(&member)
	z.Write(bytes.Repeat([]byte(" "), 16<<20))
	z.Close()
	gib := bytes.Repeat(member.Bytes(), 64)
	f, _, srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/long":
			w.Header().Set("Content-Length", "20000000")
			w.WriteHeader(200)
		case "/endless":
			chunk := bytes.Repeat([]byte("<!-- -->"), 1<<13)
			for {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		case "/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			w.Write(gib)
		case "/bombfile":
			w.Write(gib)
		case "/br":
			w.Header().Set("Content-Encoding", "br")
			w.Write([]byte("x"))
		case "/gz":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			io.WriteString(z, smallFeed)
			z.Close()
		}
	})
	for path, want := range map[string]string{"/long": "larger than 10 MB", "/endless": "larger than 10 MB", "/bomb": "100 times its size",
		"/bombfile": "100 times its size", "/br": "encoding"} {
		bounded(t, path, func() {
			if r := fetchOne(t, f, srv.URL+path); r.Err == nil || !strings.Contains(r.Err.Error(), want) {
				t.Errorf("%s: %v, want %q", path, r.Err, want)
			}
		})
	}
	if r := fetchOne(t, f, srv.URL+"/gz"); r.Err != nil || r.Items != 2 {
		t.Errorf("gzip: %+v", r)
	}
}

func TestRedirectsAndSlowServers(t *testing.T) {
	f, _, srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var n int
		switch {
		case r.URL.Path == "/slow":
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		case r.URL.Path == "/file":
			http.Redirect(w, r, "file:///etc/hostname", http.StatusFound)
		case strings.HasPrefix(r.URL.Path, "/inside"):
			http.Redirect(w, r, "http://127.0.0.1:9/", http.StatusFound)
		case strings.HasPrefix(r.URL.Path, "/n"):
			fmt.Sscanf(r.URL.Path, "/n%d", &n)
			if n == 0 {
				io.WriteString(w, smallFeed)
				return
			}
			http.Redirect(w, r, fmt.Sprintf("/n%d", n-1), http.StatusFound)
		}
	})
	if r := fetchOne(t, f, srv.URL+"/n5"); r.Err != nil {
		t.Errorf("five redirects: %v", r.Err)
	}
	if r := fetchOne(t, f, srv.URL+"/n6"); r.Err == nil {
		t.Error("six redirects were followed")
	}
	for _, p := range []string{"/file", "/inside"} {
		if r := fetchOne(t, f, srv.URL+p); !errors.Is(r.Err, ErrRefused) {
			t.Errorf("%s: %v", p, r.Err)
		}
	}
	f.Timeout = 50 * time.Millisecond
	if r := fetchOne(t, f, srv.URL+"/slow"); r.Err == nil || !strings.Contains(r.Err.Error(), "50ms") {
		t.Errorf("a slow server: %v", r.Err)
	}
}

func TestCancelledFetchIsNoFailure(t *testing.T) {
	f, shelf, srv := serve(t, func(w http.ResponseWriter, r *http.Request) {})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.FetchAll(ctx, []Feed{{URL: srv.URL}}, true); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if len(shelf.feeds) != 0 {
		t.Error("a stop was counted as the feed's failure")
	}
}

func TestPublic(t *testing.T) {
	for _, s := range []string{"8.8.8.8", "1.1.1.1", "172.15.0.1", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"} {
		if !public(netip.MustParseAddr(s)) {
			t.Errorf("%s is refused", s)
		}
	}
	for _, s := range []string{"0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1", "172.31.255.255",
		"192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.9", "224.0.0.1", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::7f00:1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1",
		"2002:7f00:1::", "2002:808:808::", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1"} {
		if public(netip.MustParseAddr(s)) {
			t.Errorf("%s is let through", s)
		}
	}
}

// dnsServer answers every name with the addresses that answer gives for the n-th question.
func dnsServer(t *testing.T, answer func(n int) [4]byte) *net.Resolver {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	go func() {
		buf := make([]byte, 1500)
		for n := 0; ; {
			l, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(buf[:l]) != nil || len(m.Questions) == 0 {
				continue
			}
			m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
			if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
				m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class}, Body: &dnsmessage.AResource{A: answer(n)}}}
				n++
			}
			out, _ := m.Pack()
			pc.WriteTo(out, from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
}

// TestChangingName is the attack in which a name first shows an innocent address and then ours.
func TestChangingName(t *testing.T) {
	var hits atomic.Int32
	f, _, srv := serve(t, func(http.ResponseWriter, *http.Request) { hits.Add(1) })
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	for _, first := range [][4]byte{{127, 0, 0, 1}, {10, 0, 0, 1}, {169, 254, 169, 254}} {
		f.Resolver = dnsServer(t, func(n int) [4]byte {
			if n == 0 {
				return first
			}
			return [4]byte{127, 0, 0, 1}
		})
		for range 3 {
			for _, u := range []string{"http://rebind.example/feed", "http://rebind.example:" + port + "/feed"} {
				if r := fetchOne(t, f, u); !errors.Is(r.Err, ErrRefused) {
					t.Errorf("%s: %v", u, r.Err)
				}
			}
		}
	}
	if hits.Load() != 0 {
		t.Errorf("%d requests came through", hits.Load())
	}
}

func TestPortsOtherThanTheWebs(t *testing.T) {
	for _, addr := range []string{"8.8.8.8:22", "8.8.8.8:8080", "[2606:4700::1]:25"} {
		if err := control("tcp", addr, nil); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", addr, err)
		}
	}
	if err := control("tcp", "8.8.8.8:443", nil); err != nil {
		t.Error(err)
	}
}

func TestProxyEnvironmentIsIgnored(t *testing.T) {
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:9")
	if p := (&Fetcher{}).client().Transport.(*http.Transport).Proxy; p != nil {
		t.Error("a proxy would connect in our place")
	}
}

// TestForbiddenAddresses gives every address of the corpus to the fetcher, with a name server that
// answers what it knows of the inside; nothing may be connected to.
func TestForbiddenAddresses(t *testing.T) {
	list := bufio.NewScanner(bytes.NewReader(read(t, data(t, "ssrf", "urls.txt"))))
	f, _, srv := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("connected") })
	f.Allow = nil
	f.Resolver = dnsServer(t, func(int) [4]byte { return [4]byte{127, 0, 0, 1} })
	n := 0
	for list.Scan() {
		u := strings.TrimSpace(list.Text())
		if u == "" {
			continue
		}
		n++
		if r := fetchOne(t, f, u); r.Err == nil {
			t.Errorf("%s was fetched", u)
		} else if !errors.Is(r.Err, ErrRefused) {
			if p, err := url.Parse(u); err == nil && p.Host != "" {
				t.Logf("%s: %v", u, r.Err)
			}
		}
	}
	t.Logf("%d addresses, all refused; %s was never reached", n, srv.URL)
}
