package mailer

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// thinRelay takes everything, looks at nothing and offers what is named; "TLS" is implicit.
func thinRelay(b testing.TB, offers ...string) Relay {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = ln.Close() })
	relay := Relay{Name: "thin", Host: "127.0.0.1", Port: ln.Addr().(*net.TCPAddr).Port, TLS: "none", HELO: "lantern.example", Connections: 8}
	if slices.Contains(offers, "TLS") {
		cert, pool := certificate(b, "localhost")
		ln = tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{cert}})
		relay.Host, relay.TLS, relay.RootCAs = "localhost", "implicit", pool
	}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go thinSession(c, offers)
		}
	}()
	return relay
}

func thinSession(c net.Conn, offers []string) {
	defer func() { _ = c.Close() }()
	in := bufio.NewReaderSize(c, 64<<10)
	tail := []byte("220 thin\r\n")
	for {
		if in.Buffered() == 0 {
			if _, err := c.Write(tail); err != nil {
				return
			}
			tail = tail[:0]
		}
		line, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		switch {
		case bytes.HasPrefix(line, []byte("EHLO")):
			for _, o := range offers {
				tail = append(append(append(tail, "250-"...), o...), "\r\n"...)
			}
			tail = append(tail, "250 thin\r\n"...)
		case bytes.HasPrefix(line, []byte("MAIL")):
			tail = append(tail, "250 2.1.0 Ok\r\n"...)
		case bytes.HasPrefix(line, []byte("RCPT")):
			tail = append(tail, "250 2.1.5 Ok\r\n"...)
		case bytes.HasPrefix(line, []byte("BDAT")):
			n := 0
			for _, d := range line[len("BDAT "):] {
				if d < '0' || d > '9' {
					break
				}
				n = 10*n + int(d-'0')
			}
			if _, err := in.Discard(n); err != nil {
				return
			}
			tail = append(tail, "250 2.0.0 Ok: taken\r\n"...)
		case bytes.HasPrefix(line, []byte("DATA")):
			if _, err := c.Write(append(tail, "354 go\r\n"...)); err != nil {
				return
			}
			for more := true; more; {
				b, err := in.Peek(max(5, in.Buffered()))
				if err != nil {
					return
				}
				i := bytes.Index(b, []byte("\r\n.\r\n"))
				if more = i < 0; more {
					i = len(b) - 4 - 5
				}
				_, _ = in.Discard(max(i+5, 1))
			}
			tail = append(tail[:0], "250 2.0.0 Ok: taken\r\n"...)
		default:
			tail = append(tail, "250 2.0.0 Ok\r\n"...)
		}
	}
}

// BenchmarkDialogue sends messages of 48 KB over one connection to a relay in the same process.
func BenchmarkDialogue(b *testing.B) {
	for _, bb := range []struct {
		name   string
		d      Dialogue
		window int
		tls    string
	}{{"plain", plain{}, 1, "-"}, {"pipelining", pipelining{}, 1, "-"}, {"chunking-1", chunking{}, 1, "-"}, {"chunking-4", chunking{}, 4, "-"},
		{"chunking-50", chunking{}, 50, "-"}, {"pipelining-tls", pipelining{}, 1, "TLS"}, {"chunking-4-tls", chunking{}, 4, "TLS"}} {
		b.Run(bb.name, func(b *testing.B) {
			c, _, _, err := dial(b.Context(), thinRelay(b, "SIZE 1000000", "PIPELINING", "CHUNKING", bb.tls))
			if err != nil {
				b.Fatal(err)
			}
			defer c.close()
			b.ReportAllocs()
			o := newTray(bb.window)
			b.SetBytes(int64(len(o.letter.Message.Body)))
			if err := bb.d.Carry(c, o); err != nil { // buffers grow
				b.Fatal(err)
			}
			o.left, o.taken = b.N, 0
			writes, trips := c.guard.writes, c.trips
			b.ResetTimer()
			if err := bb.d.Carry(c, o); err != nil || o.taken != b.N {
				b.Fatal(o.taken, err)
			}
			b.ReportMetric(float64(c.guard.writes-writes)/float64(b.N), "writes/op")
			b.ReportMetric(float64(c.trips-trips)/float64(b.N), "trips/op")
		})
	}
}

// tray is an office that gives the same letter again and again.
type tray struct {
	letter              Letter
	left, taken, window int
}

// newTray holds ten letters of 48 KB.
func newTray(window int) *tray {
	body := []byte("Subject: x\r\n\r\n" + strings.Repeat(strings.Repeat("x", 76)+"\r\n", 630))
	m := Message{ReturnPath: "b@lantern.example", Recipient: "reader@example.org", Body: body, Clean: true, ID: "7.1234"}
	return &tray{letter: Letter{Message: m}, left: 10, window: window}
}

func (o *tray) Next(bool) *Letter {
	if o.left == 0 {
		return nil
	}
	o.left--
	return &o.letter
}
func (o *tray) Hand(*Letter) error { return nil }
func (o *tray) Window() int        { return o.window }
func (o *tray) Done(_ *Letter, verb Verb, reply Reply, err error) {
	if verb == Dot && reply.Code == 250 && err == nil {
		o.taken++
	}
}

// TestDialogueCosts: a message takes no memory once the buffers are there, one write for each
// group and one round trip for each group that waits for an answer, through TLS as well.
func TestDialogueCosts(t *testing.T) {
	const n = 400
	for _, tt := range []struct {
		d             Dialogue
		window        int
		writes, trips float64
	}{{plain{}, 1, 5, 4}, {pipelining{}, 1, 1, 1}, {chunking{}, 1, 1, 1}, {chunking{}, 4, 0.5, 1}} {
		for _, secure := range []string{"-", "TLS"} {
			c, _, _, err := dial(t.Context(), thinRelay(t, "PIPELINING", "CHUNKING", "DSN", secure))
			if err != nil {
				t.Fatal(err)
			}
			o := newTray(tt.window)
			o.letter.Message.Clean = tt.window == 1
			carry := func() {
				o.left, o.taken = n, 0
				if err := tt.d.Carry(c, o); err != nil || o.taken != n {
					t.Fatalf("%T: %d taken, %v", tt.d, o.taken, err)
				}
			}
			carry()
			writes, trips := c.guard.writes, c.trips
			allocs := testing.AllocsPerRun(2, carry) / n
			if secure == "-" && allocs > 0.02 { // TLS takes some for its records
				t.Errorf("%T, window %d: %.2f allocations a message", tt.d, tt.window, allocs)
			}
			const all = 3 * n // AllocsPerRun has one run more
			if got := float64(c.guard.writes-writes) / all; got > tt.writes*1.02 {
				t.Errorf("%T, window %d, %s: %.2f writes a message", tt.d, tt.window, secure, got)
			}
			if got := float64(c.trips-trips) / all; got > tt.trips*1.2 && secure == "-" { // records come one by one
				t.Errorf("%T, window %d: %.2f round trips a message", tt.d, tt.window, got)
			}
			c.close()
		}
	}
}

// BenchmarkSender is one delivery of 47 KB from lease to outcome over eight connections, with a
// queue in memory and the relay in the same process.
func BenchmarkSender(b *testing.B) {
	relay := thinRelay(b)
	const n = 5000
	start := time.Now()
	runs := 0
	for b.Loop() {
		b.StopTimer()
		q := newQueue(b, n)
		q.size = 500
		s := &Sender{Queue: q, Composer: large{lines: 600}, Worker: "w", Relay: relay, Now: func() time.Time { return noon }}
		b.StartTimer()
		if stats, err := s.Run(b.Context(), true); err != nil || stats.Outcomes[Accepted] != n {
			b.Fatal(stats, err)
		}
		runs++
	}
	b.ReportMetric(float64(runs*n)/time.Since(start).Seconds(), "msg/s")
}
