package mailer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"slices"
	"strconv"
	"strings"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

// dial connects, greets, goes over to TLS and proves who we are: go-mail's work up to here. What
// stops it is said as the verb, the relay's reply if there was one, and the error.
func dial(ctx context.Context, r Relay) (*Conn, Verb, Reply, error) {
	t := r.Timeouts.withDefaults()
	outer := ctx
	var g *guard
	stop := func() bool { return true }
	dialer := func(ctx context.Context, network, addr string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, t.Connect)
		defer cancel()
		raw, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		if tcp, ok := raw.RemoteAddr().(*net.TCPAddr); r.TLS == "none" && !(ok && tcp.IP.IsLoopback()) {
			_ = raw.Close()
			return nil, fmt.Errorf("%s is not on loopback: without tls nothing goes there", addr)
		}
		g = &guard{Conn: raw, room: dialRoom, verb: Connect}
		// go-mail looks at its context while it connects only; a greeting is cut short by closing.
		stop = context.AfterFunc(outer, func() { _ = raw.Close() })
		if r.TLS != "implicit" {
			return g, nil
		}
		secure := tls.Client(g, tlsConfig(r))
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = raw.Close()
			return nil, err
		}
		return secure, nil
	}
	opts := []gomail.Option{
		gomail.WithPort(r.Port), gomail.WithHELO(r.HELO), gomail.WithTimeout(t.Command),
		gomail.WithTLSConfig(tlsConfig(r)), gomail.WithTLSPolicy(gomail.NoTLS),
		gomail.WithDialContextFunc(dialer), gomail.WithoutNoop(), gomail.WithoutSMTPUTF8(),
	}
	if r.TLS == "starttls" {
		opts = append(opts, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	client, err := gomail.NewClient(r.Host, opts...)
	if err != nil {
		return nil, Connect, Reply{}, err
	}
	sc, err := client.DialToSMTPClientWithContext(ctx)
	if err == nil {
		if err = authenticate(sc, g, r, t); err != nil {
			g.setVerb(Auth)
		}
	}
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		verb := Connect
		if g != nil {
			verb = g.verbNow()
			_ = g.Conn.Close() // go-mail leaves it open on most errors
		}
		reply, err := replyOf(err)
		return nil, verb, reply, err
	}
	g.unlimit()
	c := newConn(sc, g, t, r.TLS != "none")
	if state, err := sc.GetTLSConnectionState(); err == nil && len(state.PeerCertificates) > 0 {
		c.expires = state.PeerCertificates[0].NotAfter
	}
	return c, "", Reply{}, nil
}

func tlsConfig(r Relay) *tls.Config {
	return &tls.Config{ServerName: r.Host, RootCAs: r.RootCAs, MinVersion: tls.VersionTLS12,
		DynamicRecordSizingDisabled: true} // small records help who reads a page as it comes
}

// replyOf finds the relay's reply in an error of go-mail. The error is nil then: a reply is data.
func replyOf(err error) (Reply, error) {
	if e, ok := errors.AsType[*textproto.Error](err); ok && e.Code >= 200 && e.Code <= 599 {
		return newReply(e.Code, strings.Split(e.Msg, "\n")), nil
	}
	if e, ok := errors.AsType[textproto.ProtocolError](err); ok {
		// A code without a text is a reply (RFC 5321 section 4.2), which textproto does not know.
		line, _ := strings.CutPrefix(string(e), "short response: ")
		line = strings.Trim(line, `"`)
		if code, err := strconv.Atoi(line); err == nil && len(line) == 3 && code >= 200 && code <= 599 {
			return Reply{Code: code}, nil
		}
		return Reply{}, fmt.Errorf("%w: %w", ErrProtocol, err)
	}
	return Reply{}, err
}

// authMechanisms are those we speak, best first. All run under TLS, and go-mail's own choice is
// not used: it puts NTLM before PLAIN and does not see TLS on a connection that we dialled.
var authMechanisms = []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1", "PLAIN", "LOGIN"}

// errNoAuth says that both sides know no common way to prove who we are.
var errNoAuth = errors.New("relay offers no AUTH mechanism of ours (" + strings.Join(authMechanisms, ", ") + ")")

// authenticate runs AUTH (RFC 4954) under TLS.
func authenticate(sc *smtp.Client, g *guard, r Relay, t Timeouts) error {
	if r.Auth != "auto" {
		return nil
	}
	state, err := sc.GetTLSConnectionState()
	if err != nil {
		return fmt.Errorf("authenticate: %w", err)
	}
	_, offered := sc.Extension("AUTH")
	words := strings.Fields(strings.ToUpper(offered))
	i := slices.IndexFunc(authMechanisms, func(m string) bool { return slices.Contains(words, m) })
	if i < 0 {
		return errNoAuth
	}
	var auth smtp.Auth
	switch authMechanisms[i] {
	case "SCRAM-SHA-256-PLUS":
		auth = smtp.ScramSHA256PlusAuth(r.User, r.Password, state)
	case "SCRAM-SHA-256":
		auth = smtp.ScramSHA256Auth(r.User, r.Password)
	case "SCRAM-SHA-1-PLUS":
		auth = smtp.ScramSHA1PlusAuth(r.User, r.Password, state)
	case "SCRAM-SHA-1":
		auth = smtp.ScramSHA1Auth(r.User, r.Password)
	case "PLAIN":
		auth = smtp.PlainAuth("", r.User, r.Password, r.Host, false)
	case "LOGIN":
		auth = smtp.LoginAuth(r.User, r.Password, r.Host, false)
	}
	g.within(t.Command, false)
	if err := sc.Auth(auth); err != nil {
		return fmt.Errorf("authenticate: %w", err)
	}
	return nil
}

// capabilities reads what EHLO told (RFC 5321 section 4.1.1.1).
func (c *Conn) capabilities(sc *smtp.Client) {
	c.eightBit, _ = sc.Extension("8BITMIME")
	c.utf8, _ = sc.Extension("SMTPUTF8")
	c.pipelining, _ = sc.Extension("PIPELINING")
	c.chunking, _ = sc.Extension("CHUNKING")
	c.dsn, _ = sc.Extension("DSN")
	var param string
	if c.hasSize, param = sc.Extension("SIZE"); c.hasSize {
		n, err := strconv.ParseInt(strings.TrimSpace(param), 10, 64)
		if err == nil {
			c.maxSize = n // RFC 1870: 0 or nothing means that no limit is told
		}
	}
	_, param = sc.Extension("LIMITS")
	for limit := range strings.FieldsSeq(strings.ToUpper(param)) {
		// RFC 9422 section 4. RCPTMAX and RCPTDOMAINMAX bind nobody who names one recipient at a time.
		if n, ok := strings.CutPrefix(limit, "MAILMAX="); ok {
			c.mailMax, _ = strconv.Atoi(n) // what is no number limits nothing
		}
	}
}
