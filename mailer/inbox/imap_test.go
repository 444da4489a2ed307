package inbox

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"
	"github.com/google/go-cmp/cmp"
)

// imapServer is a server with the mailbox INBOX of the user "desk", password "pass word".
type imapServer struct {
	t        *testing.T
	user     *imapmemserver.User
	listener *cutter
	server   *imapserver.Server
}

// cutter counts connections and can cut them all.
type cutter struct {
	net.Listener
	count atomic.Int32
	last  atomic.Pointer[net.Conn]
}

func (l *cutter) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.count.Add(1)
		l.last.Store(&c)
	}
	return c, err
}

func (l *cutter) cut() { (*l.last.Load()).Close() }

// certificate makes a certificate for localhost and the pool that trusts it.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"localhost"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// startIMAP starts one and returns a source for it. how is implicit, starttls or none.
func startIMAP(t *testing.T, how string, caps ...imap.Cap) (*imapServer, *IMAP) {
	t.Helper()
	cert, pool := certificate(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &imapServer{t: t, user: imapmemserver.NewUser("desk", "pass word"), listener: &cutter{Listener: l}}
	s.create("INBOX")
	memory := imapmemserver.New()
	memory.AddUser(s.user)
	set := imap.CapSet{imap.CapIMAP4rev1: {}}
	for _, c := range caps {
		set[c] = struct{}{}
	}
	options := &imapserver.Options{Caps: set, InsecureAuth: how == "none", Logger: log.New(io.Discard, "", 0),
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return memory.NewSession(), nil, nil
		}}
	var listener net.Listener = s.listener
	config := &tls.Config{Certificates: []tls.Certificate{cert}}
	switch how {
	case "implicit":
		listener = tls.NewListener(listener, config)
	case "starttls":
		options.TLSConfig = config
	}
	s.server = imapserver.New(options)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.server.Serve(listener)
	}()
	m := &IMAP{Host: "localhost", Port: l.Addr().(*net.TCPAddr).Port, TLS: how, Mailbox: "INBOX", User: "desk", Password: "pass word", RootCAs: pool, Timeout: 20 * time.Second}
	t.Cleanup(func() {
		m.Close()
		s.server.Close()
		<-done
	})
	return s, m
}

func (s *imapServer) create(name string) {
	s.t.Helper()
	if err := s.user.Create(name, nil); err != nil {
		s.t.Fatal(err)
	}
}

// mail is a message with that subject.
func mail(subject string) string { return "Subject: " + subject + "\r\n\r\nText.\r\n.\r\n" }

// put appends a message.
func (s *imapServer) put(subject string, flags ...imap.Flag) {
	s.t.Helper()
	text := mail(subject)
	_, err := s.user.Append("INBOX", literal{bytes.NewReader([]byte(text)), int64(len(text))}, &imap.AppendOptions{Flags: flags, Time: time.Unix(1700000000, 0)})
	if err != nil {
		s.t.Fatal(err)
	}
}

type literal struct {
	*bytes.Reader
	size int64
}

func (l literal) Size() int64 { return l.size }

// has is how many messages a mailbox holds, -1 if there is none.
func (s *imapServer) has(name string) int {
	data, err := s.user.Status(name, &imap.StatusOptions{NumMessages: true})
	if err != nil {
		return -1
	}
	return int(*data.NumMessages)
}

// subjects lists them; a message that did not come as it was put is itself.
func subjects(mails []Mail) (list []string) {
	for _, m := range mails {
		subject, _, _ := strings.Cut(strings.TrimPrefix(string(m.Raw), "Subject: "), "\r\n")
		if string(m.Raw) != mail(subject) {
			subject = string(m.Raw)
		}
		list = append(list, subject)
	}
	return list
}

func TestIMAP(t *testing.T) {
	for _, c := range []struct {
		how  string
		caps []imap.Cap
	}{{"implicit", nil}, {"starttls", []imap.Cap{imap.CapMove}}, {"none", []imap.Cap{imap.CapIMAP4rev2}}} {
		t.Run(c.how, func(t *testing.T) {
			t.Parallel()
			s, m := startIMAP(t, c.how, c.caps...)
			s.put("one")
			s.put("looked at", imap.FlagSeen)
			s.put("deleted", imap.FlagDeleted)
			s.put("settled", imap.FlagSeen, keyword)
			s.put("two")
			s.put("three")
			s.put("four")
			got := round(t, m, 2)
			if diff := cmp.Diff([]string{"one", "looked at", "two", "three", "four"}, subjects(got)); diff != "" {
				t.Fatal(diff)
			}
			if !got[0].At.Equal(time.Unix(1700000000, 0)) || got[0].Size != int64(len(mail("one"))) || got[0].Key != "1/1" {
				t.Errorf("got %+v", got[0])
			}
			if err := m.Settle(t.Context(), got[:3], false); err != nil {
				t.Fatal(err)
			}
			if err := m.Settle(t.Context(), got[3:4], true); err != nil {
				t.Fatal(err)
			}
			s.put("five")
			if diff := cmp.Diff([]string{"four", "five"}, subjects(round(t, m, 10))); diff != "" {
				t.Error(diff)
			}
			inInbox := 8 // without MOVE a copy is made, for the program deletes nothing
			if c.caps != nil {
				inInbox = 7
			}
			if s.has("Aside") != 1 || s.has("INBOX") != inInbox {
				t.Errorf("%d aside, %d in the mailbox", s.has("Aside"), s.has("INBOX"))
			}
			if n := s.listener.count.Load(); n != 1 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

// TestIMAPTrouble: a connection that was lost is made anew; what a server refuses is said and does
// no harm; no password goes over a line that anybody can read.
func TestIMAPTrouble(t *testing.T) {
	s, m := startIMAP(t, "implicit")
	s.put("one")
	s.put("two")
	first := fetch(t, m, 1)
	s.listener.cut()
	if rest := fetch(t, m, 9); len(rest) != 1 || subjects(rest)[0] != "two" {
		t.Errorf("after a cut: %q", subjects(rest))
	}
	s.listener.cut()
	if err := m.Settle(t.Context(), first, false); err != nil {
		t.Errorf("settle after a cut: %v", err)
	}
	fetch(t, m, 9) // ends the round
	if got := subjects(round(t, m, 9)); !slices.Equal(got, []string{"two"}) {
		t.Errorf("the next round: %q", got)
	}
	if n := s.listener.count.Load(); n != 3 {
		t.Errorf("%d connections", n)
	}

	refused := func(name, want string, change func(m *IMAP)) {
		t.Helper()
		other := &IMAP{Host: m.Host, Port: m.Port, TLS: m.TLS, Mailbox: m.Mailbox, User: m.User, Password: m.Password, RootCAs: m.RootCAs, Timeout: m.Timeout}
		change(other)
		defer other.Close()
		_, err := other.Fetch(t.Context(), 9)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
	}
	refused("wrong password", "log in: ", func(m *IMAP) { m.Password = "secret" })
	refused("no such mailbox", "open mailbox: ", func(m *IMAP) { m.Mailbox = "Nowhere" })
	refused("unknown authority", "start TLS: ", func(m *IMAP) { m.RootCAs = x509.NewCertPool() })
	refused("another name", "start TLS: ", func(m *IMAP) { m.Host = "127.0.0.1" })
	plain, _ := startIMAP(t, "none")
	refused("no TLS to be had", "start TLS: ", func(m *IMAP) { m.TLS, m.Port = "starttls", port(plain.listener) })
	refused("nobody there", "connect", func(m *IMAP) { m.Port = closedPort(t) })
}

func port(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

func closedPort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return port(l)
}

// TestIMAPSilence: a server that says nothing does not hold the program up.
func TestIMAPSilence(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
		}
	}()
	for _, how := range []string{"implicit", "starttls", "none"} {
		m := &IMAP{Host: "localhost", Port: port(l), TLS: how, Mailbox: "INBOX", Timeout: 50 * time.Millisecond}
		if _, err := m.Fetch(t.Context(), 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %v", how, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m := &IMAP{Host: "localhost", Port: port(l), TLS: "none", Mailbox: "INBOX"}
	if _, err := m.Fetch(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("at the end of the program: %v", err)
	}
}

// TestIMAPAnew: when a mailbox was made anew, numbers of the old one settle nothing in it.
func TestIMAPAnew(t *testing.T) {
	s, m := startIMAP(t, "implicit")
	s.put("one")
	s.put("two")
	old := fetch(t, m, 1)
	if err := s.user.Delete("INBOX"); err != nil {
		t.Fatal(err)
	}
	s.create("INBOX")
	s.put("three")
	s.put("four")
	s.listener.cut()
	if got := fetch(t, m, 9); len(got) > 0 {
		t.Errorf("with numbers of the old mailbox: %q", subjects(got))
	}
	if err := m.Settle(t.Context(), old, false); err != nil {
		t.Error(err)
	}
	if got := subjects(round(t, m, 9)); !slices.Equal(got, []string{"three", "four"}) {
		t.Errorf("got %q", got)
	}
}

// TestIMAPLarge bounds how much of large messages is taken, each and together.
func TestIMAPLarge(t *testing.T) {
	s, m := startIMAP(t, "none")
	for range 5 {
		s.put(strings.Repeat("x", MaxSize+1000))
	}
	s.put("small")
	var sizes []int
	for {
		mails := fetch(t, m, 100)
		if len(mails) == 0 {
			break
		}
		sizes = append(sizes, len(mails))
		for _, mail := range mails[:1] {
			if len(mail.Raw) != min(MaxSize, int(mail.Size)) {
				t.Errorf("%d octets of %d", len(mail.Raw), mail.Size)
			}
		}
	}
	if !slices.Equal(sizes, []int{4, 2}) {
		t.Errorf("fetched %v at a time", sizes)
	}
}

// TestIMAPBadMessage: a message that a server cannot give, and that takes the connection down, is an
// outcome of its own once it was tried alone.
func TestIMAPBadMessage(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go badServer(c)
		}
	}()
	m := &IMAP{Host: "localhost", Port: port(l), TLS: "none", Mailbox: "INBOX", User: "u", Password: "p", Timeout: 10 * time.Second}
	defer m.Close()
	got := map[string]string{}
	for tries := 0; tries < 20 && len(got) < 3; tries++ {
		mails, _ := m.Fetch(t.Context(), 9)
		for _, mail := range mails {
			text := string(mail.Raw)
			if mail.Err != nil {
				text = "bad"
			}
			got[mail.Key] = text
		}
	}
	if diff := cmp.Diff(map[string]string{"7/1": "m1", "7/2": "bad", "7/3": "m3"}, got); diff != "" {
		t.Error(diff)
	}
}

// badServer has three messages and breaks off in the second.
func badServer(c net.Conn) {
	defer c.Close()
	fmt.Fprint(c, "* OK [CAPABILITY IMAP4rev1] here\r\n")
	for lines := bufio.NewScanner(c); lines.Scan(); {
		tag, line, _ := strings.Cut(lines.Text(), " ")
		switch {
		case strings.HasPrefix(line, "CAPABILITY"):
			fmt.Fprint(c, "* CAPABILITY IMAP4rev1\r\n")
		case strings.HasPrefix(line, "SELECT"):
			fmt.Fprint(c, "* 3 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n* OK [PERMANENTFLAGS (\\Seen)] ok\r\n")
		case strings.HasPrefix(line, "UID SEARCH"):
			fmt.Fprint(c, "* SEARCH 3 1 2\r\n")
		case strings.HasPrefix(line, "UID FETCH"):
			for uid := 1; uid <= 3; uid++ {
				set := strings.Fields(line)[2]
				if set != "1:3" && set != "2:3" && set != fmt.Sprint(uid) || set == "2:3" && uid == 1 {
					continue
				}
				switch {
				case !strings.Contains(line, "BODY"):
					fmt.Fprintf(c, "* %d FETCH (UID %[1]d RFC822.SIZE 2 INTERNALDATE \"02-Apr-2026 07:00:00 +0000\")\r\n", uid)
				case uid == 2:
					fmt.Fprintf(c, "* 2 FETCH (UID 2 BODY[]<0> {20}\r\nhalf")
					return
				default:
					fmt.Fprintf(c, "* %d FETCH (UID %[1]d BODY[]<0> {2}\r\nm%[1]d)\r\n", uid)
				}
			}
		}
		fmt.Fprintf(c, "%s OK done\r\n", tag)
	}
}
