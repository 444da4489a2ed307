package bench

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// Plain is a sender such as one writes with a mail library and a list of addresses: each message
// is built (text and HTML, quoted-printable, links of its own) and given to go-mail's Send, over
// connections that are kept. It knows no digests, no ledger and no second try.
type Plain struct {
	Host        string
	Port        int
	TLS         *tls.Config // nil = none
	Connections int
	Messages    int
	Sent        func(sent int) // called after each message, from many goroutines
}

const (
	plainLinks = 30     // links of a message that are the reader's own
	plainSize  = 50_400 // octets of its parts, so that it weighs on the wire what bench's digests do
)

// Send sends all messages. The first error ends it.
func (p *Plain) Send(ctx context.Context) error {
	html, text := bodies()
	var begun, sent atomic.Int64
	var wg sync.WaitGroup
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	for range p.Connections {
		wg.Go(func() {
			err := p.connection(ctx, func() (*gomail.Msg, error) {
				if n := begun.Add(1); n <= int64(p.Messages) && ctx.Err() == nil {
					return plainMessage(int(n), html, text)
				}
				return nil, nil
			}, func() { p.Sent(int(sent.Add(1))) })
			if err != nil {
				stop(err)
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("send with go-mail: %w", err)
	}
	return nil
}

// connection sends over one connection what next gives, until that is nil.
func (p *Plain) connection(ctx context.Context, next func() (*gomail.Msg, error), sent func()) (err error) {
	opts := []gomail.Option{gomail.WithPort(p.Port), gomail.WithHELO("lantern.example"), gomail.WithTimeout(time.Minute),
		gomail.WithTLSPolicy(gomail.NoTLS)}
	if p.TLS != nil {
		opts = append(opts, gomail.WithSSL(), gomail.WithTLSConfig(p.TLS))
	}
	client, err := gomail.NewClient(p.Host, opts...)
	if err != nil {
		return err
	}
	conn, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.CloseWithSMTPClient(conn)) }()
	for {
		m, err := next()
		if m == nil || err != nil {
			return err
		}
		if err := client.SendWithSMTPClient(conn, m); err != nil {
			return err
		}
		sent()
	}
}

// bodies are the two parts, cut where a link's token goes.
func bodies() (html, text []string) {
	rnd := rand.New(rand.NewPCG(5, 6))
	share := plainSize / plainLinks // of a link, over both parts
	var h, t strings.Builder
	h.WriteString("<!DOCTYPE html><html><body><table>\n")
	for i := range plainLinks {
		begin := fmt.Sprintf("<tr><td class=\"story\" style=\"padding:8px 0\">\n<h2><a href=\"https://news.lantern.example/l/\x00\">%s</a></h2>\n<p>", sentence(rnd, 9))
		h.WriteString(begin)
		for room := share*78/100 - len(begin) - 40; room > 0; {
			line := sentence(rnd, 11) + "\n"
			h.WriteString(line)
			room -= len(line)
		}
		h.WriteString("</p></td></tr>\n")
		fmt.Fprintf(&t, "%d. ", i+1)
		for room := share*12/100 - 50; room > 0; {
			line := sentence(rnd, 9) + "\n"
			t.WriteString(line)
			room -= len(line)
		}
	}
	h.WriteString("</table></body></html>\n")
	return strings.Split(h.String(), "\x00"), strings.Split(t.String(), "\x00")
}

func plainMessage(n int, html, text []string) (*gomail.Msg, error) {
	m := gomail.NewMsg()
	err := errors.Join(m.EnvelopeFrom(fmt.Sprintf("bounce-%d@lantern.example", n)),
		m.FromFormat("The Lantern", "news@lantern.example"),
		m.To(fmt.Sprintf("reader%07d@%s", n, domains[n%len(domains)])))
	m.Subject("A subject of the reader's own")
	m.SetDateWithValue(time.Now())
	m.SetMessageIDWithValue(fmt.Sprintf("%d@lantern.example", n))
	m.SetGenHeader("List-Unsubscribe", fmt.Sprintf("<https://news.lantern.example/l/%s>", token(n, 99)))
	m.SetGenHeader("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
	m.SetBodyString(gomail.TypeTextPlain, fill(text, n))
	m.AddAlternativeString(gomail.TypeTextHTML, fill(html, n))
	return m, err
}

// fill puts the reader's own links into a part.
func fill(pieces []string, n int) string {
	var b strings.Builder
	size := len(pieces) * 32
	for _, p := range pieces {
		size += len(p)
	}
	b.Grow(size)
	for i, p := range pieces {
		if i > 0 {
			b.WriteString(token(n, i))
		}
		b.WriteString(p)
	}
	return b.String()
}

// token has the length of a link's token, which a real sender would sign.
func token(n, link int) string { return fmt.Sprintf("Aqc%08xNuNDukHA%04xHWHkvmYaYW8lu9", n, link) }
