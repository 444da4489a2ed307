package commands

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// startPages serves a handler as serve does, until the test ends.
func startPages(t *testing.T, h http.Handler, change func(*http.Server)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := pageServer(h, slog.New(slog.DiscardHandler))
	if change != nil {
		change(server)
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close(); <-done })
	return l.Addr().String()
}

// formPage reads a form. For /large it writes more than a socket's buffers hold, and says over cut
// whether that came to an end before all was written.
type formPage struct{ cut chan bool }

func (p formPage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		if r.ParseForm() != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
	}
	if r.URL.Path == "/large" {
		for range 64 {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				p.cut <- true
				return
			}
		}
		p.cut <- false
	}
	_, _ = io.WriteString(w, "served")
}

// TestSlowClients has clients that never end what they began, and asks how others are served
// meanwhile; and that all of the slow are cut off by and by.
func TestSlowClients(t *testing.T) {
	const each = 200
	page := formPage{make(chan bool, 1)}
	address := startPages(t, page, func(s *http.Server) {
		// As shipped, but in a tenth of the time.
		s.ReadHeaderTimeout, s.ReadTimeout, s.WriteTimeout, s.IdleTimeout = s.ReadHeaderTimeout/10, s.ReadTimeout/10, s.WriteTimeout/10, s.IdleTimeout/10
	})
	var slow []net.Conn
	for _, begin := range []string{
		"",
		"GET / HT",
		"GET / HTTP/1.1\r\nHost: x\r\nX-A: ",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\nList-Unsub",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nList-\r\n",
	} {
		for range each {
			c, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := io.WriteString(c, begin); err != nil {
				t.Fatal(err)
			}
			slow = append(slow, c)
		}
	}
	deaf, err := net.Dial("tcp", address) // asks, and does not read
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	if _, err := io.WriteString(deaf, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}

	var took []time.Duration
	stranger := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // each time a new connection
	for range 200 {
		start := time.Now()
		resp, err := stranger.Post("http://"+address+"/", "application/x-www-form-urlencoded", strings.NewReader("a=b"))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || string(body) != "served" {
			t.Fatalf("got %q, %v", body, err)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	t.Logf("beside %d slow clients: median %s, slowest %s", len(slow), took[len(took)/2], took[len(took)-1])
	if median := took[len(took)/2]; median > 100*time.Millisecond {
		t.Errorf("beside %d slow clients a page takes %s", len(slow), median)
	}
	var wg sync.WaitGroup
	for n, c := range slow {
		wg.Go(func() {
			_ = c.SetReadDeadline(time.Now().Add(patience))
			if _, err := io.Copy(io.Discard, c); err != nil && !strings.Contains(err.Error(), "reset by peer") {
				t.Errorf("slow client %d is still there: %v", n, err)
			}
		})
	}
	wg.Wait()
	select {
	case cut := <-page.cut:
		if !cut {
			t.Error("who does not read was sent everything")
		}
	case <-time.After(patience):
		t.Error("who does not read is waited for")
	}
}

// TestLargeRequests sends headers that no link needs.
func TestLargeRequests(t *testing.T) {
	address := startPages(t, formPage{}, nil)
	ask := func(request string) (status string) {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		go func() { _, _ = io.WriteString(c, request) }() // the server may hang up before the end
		_ = c.SetReadDeadline(time.Now().Add(patience))
		line, err := bufio.NewReader(c).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(line)
	}
	long := strings.Repeat("a", 64<<10)
	for _, c := range []struct{ request, want string }{
		{"GET /l/" + long[:4000] + " HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 OK"},
		{"GET /l/" + long + " HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 431 Request Header Fields Too Large"},
		{"GET / HTTP/1.1\r\nHost: x\r\nCookie: " + long + "\r\n\r\n", "HTTP/1.1 431 Request Header Fields Too Large"},
		{"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 65537\r\n\r\n" + long + "a", "HTTP/1.1 400 Bad Request"},
	} {
		if got := ask(c.request); got != c.want {
			t.Errorf("%.40q: got %s, want %s", c.request, got, c.want)
		}
	}
}
