package mailer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// certificate makes one for name, and the pool that trusts it.
func certificate(t testing.TB, name string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// server is go-smtp with accounts and a box of what it took.
type server struct {
	mechanisms []string
	mu         sync.Mutex
	mails      []string
	users      []string // who authenticated, by which mechanism
	options    []smtp.MailOptions
}

type serverSession struct {
	*server
	authenticated bool
}

func (s *serverSession) Reset()                                   {}
func (s *serverSession) Logout() error                            { return nil }
func (s *serverSession) Rcpt(_ string, _ *smtp.RcptOptions) error { return nil }
func (s *serverSession) AuthMechanisms() []string                 { return s.mechanisms }

func (s *serverSession) Mail(_ string, o *smtp.MailOptions) error {
	if len(s.mechanisms) > 0 && !s.authenticated {
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "authenticate first"}
	}
	s.mu.Lock()
	s.options = append(s.options, *o)
	s.mu.Unlock()
	return nil
}

func (s *serverSession) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	s.mu.Lock()
	s.mails = append(s.mails, string(b))
	s.mu.Unlock()
	return err
}

func (s *serverSession) Auth(mech string) (sasl.Server, error) {
	check := func(user, password string) error {
		if user != "digest" || password != "secret" {
			return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "wrong user or password"}
		}
		s.mu.Lock()
		s.users = append(s.users, user+" "+mech)
		s.mu.Unlock()
		s.authenticated = true
		return nil
	}
	switch mech {
	case "PLAIN":
		return sasl.NewPlainServer(func(_, user, password string) error { return check(user, password) }), nil
	case "SCRAM-SHA-256":
		return &scramServer{password: "secret", done: func(user string) error { return check(user, "secret") }}, nil
	}
	return nil, errors.New("no such mechanism")
}

// scramServer is the server's side of RFC 5802 with SHA-256 (RFC 7677).
type scramServer struct {
	password    string
	done        func(user string) error
	step        int
	user, first string
	nonce       string
}

func (s *scramServer) Next(response []byte) (challenge []byte, done bool, err error) {
	wrong := &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "wrong user or password"}
	s.step++
	switch {
	case response == nil:
		s.step = 0
		return []byte{}, false, nil
	case s.step == 1: // n,,n=user,r=nonce
		bare := strings.TrimPrefix(string(response), "n,,")
		parts := strings.Split(bare, ",")
		s.user, s.nonce = strings.TrimPrefix(parts[0], "n="), strings.TrimPrefix(parts[1], "r=")+"server"
		s.first = bare + ",r=" + s.nonce + ",s=" + base64.StdEncoding.EncodeToString([]byte("salt")) + ",i=4096"
		return []byte(s.first[len(bare)+1:]), false, nil
	case s.step == 2: // c=biws,r=nonce,p=proof
		without, proof64, _ := strings.Cut(string(response), ",p=")
		proof, _ := base64.StdEncoding.DecodeString(proof64)
		salted, err := pbkdf2.Key(sha256.New, s.password, []byte("salt"), 4096, 32)
		if err != nil {
			return nil, false, err
		}
		mac := func(key []byte, text string) []byte {
			m := hmac.New(sha256.New, key)
			m.Write([]byte(text))
			return m.Sum(nil)
		}
		message := s.first + "," + without
		key := mac(salted, "Client Key")
		stored := sha256.Sum256(key)
		for i, b := range mac(stored[:], message) {
			key[i] ^= b
		}
		if !hmac.Equal(key, proof) {
			return nil, false, wrong
		}
		return []byte("v=" + base64.StdEncoding.EncodeToString(mac(mac(salted, "Server Key"), message))), false, nil
	default:
		return nil, true, s.done(s.user)
	}
}

// startServer runs go-smtp with tls "implicit", "starttls" or "none" and returns how to reach it.
func startServer(t *testing.T, s *server, mode string, change ...func(*smtp.Server)) Relay {
	t.Helper()
	cert, pool := certificate(t, "localhost")
	srv := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &serverSession{server: s}, nil }))
	srv.Domain, srv.MaxMessageBytes = "relay.example", 1<<20
	srv.ErrorLog = discard{}
	conf := &tls.Config{Certificates: []tls.Certificate{cert}}
	if mode == "starttls" {
		srv.TLSConfig = conf
	}
	for _, c := range change {
		c(srv)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := ln.Addr().(*net.TCPAddr).Port
	if mode == "implicit" {
		ln = tls.NewListener(ln, conf)
	}
	var wg sync.WaitGroup
	wg.Go(func() { _ = srv.Serve(ln) })
	t.Cleanup(func() { _ = srv.Close(); wg.Wait() })
	return Relay{Name: "main", Host: "localhost", Port: port, TLS: mode, HELO: "lantern.example", RootCAs: pool, Connections: 2,
		Timeouts: Timeouts{Command: 5 * time.Second, Data: 5 * time.Second, Dot: 5 * time.Second}}
}

type discard struct{}

func (discard) Printf(string, ...any) {}
func (discard) Println(...any)        {}
