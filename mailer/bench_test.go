package mailer

import (
	"bufio"
	"bytes"
	"net"
	"testing"
	"time"
)

// thinRelay takes everything and looks at nothing.
func thinRelay(b *testing.B) Relay {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go thinSession(c)
		}
	}()
	return Relay{Name: "thin", Host: "127.0.0.1", Port: ln.Addr().(*net.TCPAddr).Port, TLS: "none", HELO: "lantern.example", Connections: 8}
}

func thinSession(c net.Conn) {
	defer func() { _ = c.Close() }()
	in, data, tail := bufio.NewReaderSize(c, 64<<10), false, []byte{}
	_, _ = c.Write([]byte("220 thin\r\n"))
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		switch {
		case data && bytes.Equal(line, []byte(".\r\n")):
			data = false
			tail = append(tail[:0], "250 2.0.0 taken\r\n"...)
		case data:
			continue
		case bytes.HasPrefix(line, []byte("DATA")):
			data = true
			tail = append(tail[:0], "354 go\r\n"...)
		default:
			tail = append(tail[:0], "250 fine\r\n"...)
		}
		if _, err := c.Write(tail); err != nil {
			return
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
