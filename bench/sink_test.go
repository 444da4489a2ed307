package bench

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func start(t *testing.T, s *Sink) string {
	l := listen(t)
	go s.Serve(l)
	return l.Addr().String()
}

// TestSink gives a sink whole dialogues, in one piece and octet by octet. Whatever they are cut
// into, the replies are the same.
func TestSink(t *testing.T) {
	for _, test := range []struct {
		name, say string
		codes     string // of the last line of each reply
		messages  int64
	}{
		{"plain", "EHLO a\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nSubject: x\r\n\r\nHello\r\n.\r\nQUIT\r\n", "220 250 250 250 354 250 221", 1},
		{"pipelined", strings.Repeat("MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\nHello\r\n.\r\n", 3) + "QUIT\r\n", "220" + strings.Repeat(" 250 250 354 250", 3) + " 221", 3},
		{"stuffed dots end nothing", "DATA\r\n..\r\n...\r\nx.\r\n.y\r\n\r.\r\n\n.\r\n\r\n..\r\n.\r\nQUIT\r\n", "220 354 250 221", 1},
		{"empty message", "DATA\r\n.\r\nDATA\r\n\r\n.\r\nQUIT\r\n", "220 354 250 354 250 221", 2},
		{"chunks", "BDAT 7\r\n\r\n.\r\nabBDAT 3 LAST\r\nxyzBDAT 0 LAST\r\nBDAT 5 last\r\n\r\n.\r\nQUIT\r\n", "220 250 250 250 250 221", 3},
		{"empty chunk before the last", "BDAT 0\r\nBDAT 1 LAST\r\nxRSET\r\nNOOP\r\nQUIT\r\n", "220 250 250 250 250 221", 1},
		{"unknown command", "XYZZY\r\n\r\nQUIT\r\n", "220 500 500 221", 0},
		{"chunk without a size", "BDAT LAST\r\nMAIL\r\n", "220 501", 0},
		{"large", "DATA\r\n" + strings.Repeat("A line of a body that is long.\r\n..\r\n", 20_000) + ".\r\nQUIT\r\n", "220 354 250 221", 1},
	} {
		for _, cut := range []bool{false, true} {
			if cut && len(test.say) > 10_000 {
				continue
			}
			t.Run(fmt.Sprintf("%s cut=%v", test.name, cut), func(t *testing.T) {
				s := &Sink{Chunking: true}
				near, far := net.Pipe()
				done := make(chan struct{})
				go func() {
					defer close(done)
					defer far.Close()
					(&sinkSession{sink: s, conn: far, in: make([]byte, sinkBuffer)}).run()
				}()
				go func() {
					var from io.Reader
					if from = strings.NewReader(test.say); cut {
						from = iotest.OneByteReader(from)
					}
					b := make([]byte, 100_000)
					for {
						n, err := from.Read(b)
						if err != nil {
							return
						}
						if _, err := near.Write(b[:n]); err != nil {
							return
						}
					}
				}()
				var codes []string
				replies := bufio.NewScanner(near)
				for replies.Scan() {
					if line := replies.Text(); len(line) > 3 && line[3] == ' ' {
						codes = append(codes, line[:3])
					}
				}
				<-done
				if got := strings.Join(codes, " "); got != test.codes {
					t.Errorf("replies %s, not %s", got, test.codes)
				}
				c := s.Counts()
				if c.Messages != test.messages {
					t.Errorf("%d messages, not %d", c.Messages, test.messages)
				}
				if test.codes[len(test.codes)-3:] == "221" && c.Octets != int64(len(test.say)) {
					t.Errorf("%d octets, not %d", c.Octets, len(test.say))
				}
			})
		}
	}
}

func TestSinkWithoutChunking(t *testing.T) {
	c, err := net.Dial("tcp", start(t, &Sink{}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "EHLO a\r\nBDAT 1 LAST\r\n")
	var all strings.Builder
	for lines := bufio.NewScanner(c); lines.Scan(); {
		all.WriteString(lines.Text() + "\n")
	}
	if got := all.String(); strings.Contains(got, "CHUNKING") || !strings.Contains(got, "250-PIPELINING\n") || !strings.Contains(got, "\n501 ") {
		t.Errorf("%s", got)
	}
}

// TestPlain sends through a line with a delay, with and without TLS.
func TestPlain(t *testing.T) {
	cert, pem, err := Certificate()
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(pem)) {
		t.Fatal("the certificate is none")
	}
	const delay = 4 * time.Millisecond
	for _, secure := range []bool{false, true} {
		s := &Sink{}
		p := &Plain{Host: "127.0.0.1", Connections: 3, Messages: 20, Sent: func(int) {}}
		if secure {
			s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}}
			p.TLS = &tls.Config{ServerName: "127.0.0.1", RootCAs: roots}
		}
		l := listen(t)
		go (&Delay{Target: start(t, s), RoundTrip: delay}).Serve(l)
		p.Port = l.Addr().(*net.TCPAddr).Port
		m := StartMeter()
		if err := p.Send(context.Background()); err != nil {
			t.Fatal(err)
		}
		w := m.Stop()
		c := s.Counts()
		if c.Messages != 20 || c.Connections != 3 {
			t.Errorf("tls %v: %+v", secure, c)
		}
		if size := c.Octets / c.Messages; size < 43_000 || size > 55_000 {
			t.Errorf("tls %v: %d octets a message", secure, size)
		}
		if w.Time < 6*4*delay { // at least six messages on one connection, four round trips each
			t.Errorf("tls %v: %v: the delay is none", secure, w.Time)
		}
		if w.CPU <= 0 || w.Allocs == 0 || w.Octets == 0 {
			t.Errorf("tls %v: measured %+v", secure, w)
		}
	}
}

func TestPlainSaysWhatIsWrong(t *testing.T) {
	l := listen(t)
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	p := &Plain{Host: "127.0.0.1", Port: port, Connections: 2, Messages: 3, Sent: func(int) {}}
	if err := p.Send(context.Background()); err == nil || !strings.Contains(err.Error(), "send with go-mail: ") {
		t.Errorf("%v", err)
	}
}
