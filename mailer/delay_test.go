package mailer

import (
	"io"
	"net"
	"strconv"
	"testing"
	"time"

	"broadsheet/mailer/relaytest"
)

// far puts a round trip between us and a relay that is near.
func far(t testing.TB, relay Relay, roundTrip time.Duration) Relay {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	near := net.JoinHostPort(relay.Host, strconv.Itoa(relay.Port))
	go func() {
		for {
			ours, err := ln.Accept()
			if err != nil {
				return
			}
			theirs, err := net.Dial("tcp", near)
			if err != nil {
				_ = ours.Close()
				continue
			}
			go late(theirs, ours, roundTrip/2)
			go late(ours, theirs, roundTrip/2)
		}
	}()
	relay.Port = ln.Addr().(*net.TCPAddr).Port
	return relay
}

// late copies what comes from src to dst, each octet so much later.
func late(dst, src net.Conn, by time.Duration) {
	type part struct {
		b   []byte
		due time.Time
	}
	parts := make(chan part, 10000)
	go func() {
		defer func() { _ = dst.Close() }()
		for p := range parts {
			<-time.After(time.Until(p.due))
			if _, err := dst.Write(p.b); err != nil {
				return
			}
		}
	}()
	defer close(parts)
	for {
		b := make([]byte, 64<<10)
		n, err := src.Read(b)
		if n > 0 {
			parts <- part{b[:n], now().Add(by)}
		}
		if err != nil {
			if err != io.EOF {
				_ = src.Close()
			}
			return
		}
	}
}

// TestFarWindow: a relay that is far away gets the whole window, so that the line is never empty.
func TestFarWindow(t *testing.T) {
	relay := relaytest.Start(t, "EHLO* 250-relay.example|250-PIPELINING|250 CHUNKING")
	c, _, _, err := dial(t.Context(), far(t, settings(relay), 20*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	o := newOffice(t, 20, mails(60)...)
	if err := (chunking{}).Carry(c, o); err != nil {
		t.Fatal(err)
	}
	if o.mostOut != 20 || len(relay.Messages()) != 60 {
		t.Errorf("at most %d letters were on their way, %d arrived", o.mostOut, len(relay.Messages()))
	}
}

// BenchmarkDialogueFar sends over one connection to a relay 20 ms away.
func BenchmarkDialogueFar(b *testing.B) {
	for _, bb := range []struct {
		name   string
		d      Dialogue
		window int
	}{{"plain", plain{}, 1}, {"pipelining", pipelining{}, 1}, {"chunking-1", chunking{}, 1}, {"chunking-2", chunking{}, 2}, {"chunking-4", chunking{}, 4},
		{"chunking-8", chunking{}, 8}} {
		b.Run(bb.name, func(b *testing.B) {
			c, _, _, err := dial(b.Context(), far(b, thinRelay(b, "PIPELINING", "CHUNKING"), 20*time.Millisecond))
			if err != nil {
				b.Fatal(err)
			}
			defer c.close()
			o := newTray(bb.window)
			o.left = b.N
			b.ResetTimer()
			if err := bb.d.Carry(c, o); err != nil || o.taken != b.N {
				b.Fatal(o.taken, err)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
		})
	}
}
