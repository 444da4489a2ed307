package inbox

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"github.com/emersion/go-sasl"
)

// do runs a conversation and words what went wrong for people.
func (m *IMAP) do(ctx context.Context, talk func(*imapclient.Client) error) error {
	err := m.converse(ctx, talk)
	switch {
	case err == nil:
		return nil
	case ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded):
		return &worded{"the server did not answer in time", err}
	}
	return &worded{strings.Map(func(r rune) rune { // a server's words go to terminals
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, err.Error()), err}
}

// worded is an error in other words.
type worded struct {
	words string
	err   error
}

func (w *worded) Error() string { return w.words }

func (w *worded) Unwrap() error { return w.err }

// converse runs a conversation on the connection, within the time for it. A connection that was there
// already may have been lost meanwhile: then it is tried once more on a new one. A server's NO is
// an answer, and no reason to.
func (m *IMAP) converse(ctx context.Context, talk func(*imapclient.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(m.Timeout, 2*time.Minute))
	defer cancel()
	for {
		fresh := m.client == nil
		if fresh {
			if err := m.connect(ctx); err != nil {
				return cmp.Or(ctx.Err(), err)
			}
		}
		c := m.client
		stop := context.AfterFunc(ctx, func() { c.Close() })
		err := talk(c)
		stop()
		if _, refused := errors.AsType[*imap.Error](err); err == nil || refused {
			return err
		}
		c.Close()
		m.client = nil
		if fresh || ctx.Err() != nil {
			return cmp.Or(ctx.Err(), err)
		}
	}
}

// connect dials, logs in and opens the mailbox.
func (m *IMAP) connect(ctx context.Context) error {
	dialer := net.Dialer{Timeout: 30 * time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(m.Host, strconv.Itoa(m.Port)))
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	c, err := m.greet(ctx, conn)
	if err != nil {
		conn.Close()
		return err
	}
	if err := m.logIn(c); err != nil {
		c.Close()
		return fmt.Errorf("log in: %w", err)
	}
	box, err := c.Select(m.Mailbox, nil).Wait()
	if err != nil {
		c.Close()
		return fmt.Errorf("open mailbox: %w", err)
	}
	m.client, m.validity = c, box.UIDValidity
	m.keeps = slices.Contains(box.PermanentFlags, imap.FlagWildcard) || slices.Contains(box.PermanentFlags, keyword)
	return nil
}

// greet begins a session, over TLS but on this machine.
func (m *IMAP) greet(ctx context.Context, conn net.Conn) (*imapclient.Client, error) {
	config := &tls.Config{ServerName: m.Host, RootCAs: m.RootCAs, MinVersion: tls.VersionTLS12} // RFC 8996
	options := &imapclient.Options{TLSConfig: config}
	switch m.TLS {
	case "starttls":
		c, err := imapclient.NewStartTLS(conn, options)
		if err != nil {
			return nil, fmt.Errorf("start TLS: %w", err)
		}
		return c, nil
	case "none":
	default:
		t := tls.Client(conn, config)
		if err := t.HandshakeContext(ctx); err != nil {
			return nil, fmt.Errorf("start TLS: %w", err)
		}
		conn = t
	}
	c := imapclient.New(conn, options)
	if err := c.WaitGreeting(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// logIn says who we are: by PLAIN where it is offered, which takes any character, else by LOGIN.
func (m *IMAP) logIn(c *imapclient.Client) error {
	if c.Caps().Has(imap.AuthCap(sasl.Plain)) {
		return c.Authenticate(sasl.NewPlainClient("", m.User, m.Password))
	}
	return c.Login(m.User, m.Password).Wait()
}
