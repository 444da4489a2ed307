package web

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"time"

	"broadsheet/subscribers"
)

// Probe does to the address where readers' links lead what mailbox providers and link scanners do
// to it, through whatever stands in front of the program. The link it presses is a one-click link
// that names no reader, which a server answers as that of a reader who is gone, so that nothing
// changes. Not safe for concurrent use.
type Probe struct {
	PublicURL string // as the configuration has it
	Keys      *subscribers.Keys
	Now       func() time.Time
	Roots     *x509.CertPool // whom the certificate must be from; nil = the system's
	Limit     time.Duration  // most time that a POST may take; 0 = a second

	Until time.Time // set by Run: end of the certificate's validity; zero if there is none

	client *http.Client
	link   string // of the one-click request
}

// Run asks, and tells report of each thing it looked at: err is nil if it was as it must be. No
// report holds a token. It ends early if nobody answers.
func (p *Probe) Run(ctx context.Context, report func(what string, err error)) {
	token, err := p.Keys.Token(p.Keys.SigningID(), subscribers.Action{Kind: subscribers.OneClick, Edition: 1, Slot: p.Now().Unix() / 60})
	if err != nil {
		report("link for the test", err)
		return
	}
	p.link = p.PublicURL + "/l/" + token
	if p.Limit == 0 {
		p.Limit = time.Second
	}
	// As a stranger comes: a connection of its own each time, no cookies, no redirects followed.
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: p.Roots}}
	p.client = &http.Client{Transport: transport, Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

	first := p.ask(ctx, http.MethodGet, p.PublicURL+"/healthz", "", nil)
	if first.err != nil {
		report("connection", first.err)
		return
	}
	if first.tls == nil {
		report("connection without TLS, which is for this machine alone", nil)
	} else {
		p.Until = first.tls.PeerCertificates[0].NotAfter
		report(fmt.Sprintf("%s, certificate valid until %s", tls.VersionName(first.tls.Version), first.tls.PeerCertificates[0].NotAfter.UTC().Format(time.DateOnly)), nil)
	}
	err = first.wants(http.StatusOK)
	if err == nil && strings.TrimSpace(string(first.body)) != "ok" {
		err = errors.New("it does not say ok: does something else answer at this address?")
	}
	report("serve answers at /healthz", err)

	page := p.ask(ctx, http.MethodGet, p.link, "", nil)
	style, err := p.button(page)
	report("GET of a leave link shows one button", err)
	report("HEAD of a leave link", p.ask(ctx, http.MethodHead, p.link, "", nil).wants(http.StatusOK))
	report("headers of the page", page.guarded())
	if style != "" {
		report("style of the page", p.ask(ctx, http.MethodGet, style, "", nil).wants(http.StatusOK))
	}
	p.press(ctx, report)

	// What scanners did, and what was pressed, has left the page as it was: nothing is kept of either.
	again := p.ask(ctx, http.MethodGet, p.link, "", nil)
	err = again.wants(http.StatusOK)
	if err == nil && !bytes.Equal(page.body, again.body) {
		err = errors.New("the page is another one: GET changes something")
	}
	report("GET again shows the same", err)

	for _, method := range []string{http.MethodGet, http.MethodPost} {
		kind, body := form(method == http.MethodPost)
		a := p.ask(ctx, method, wrongLink(p.link), kind, body)
		if err = a.err; err == nil && (a.status < 400 || a.status > 499) {
			err = fmt.Errorf("it is answered %s, not 4xx", a.statusText())
		}
		report(method+" of a wrong link is refused", err)
	}
}

// press does what a mailbox provider does when its reader presses unsubscribe, in both encodings
// and more than once (RFC 8058 section 3.1 and 3.2).
func (p *Probe) press(ctx context.Context, report func(what string, err error)) {
	kind, body := form(true)
	report("one-click POST, urlencoded", p.pressed(p.ask(ctx, http.MethodPost, p.link, kind, body)))
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	_ = w.WriteField("List-Unsubscribe", "One-Click") // to memory
	_ = w.Close()
	report("one-click POST, multipart", p.pressed(p.ask(ctx, http.MethodPost, p.link, w.FormDataContentType(), b.Bytes())))
	report("one-click POST, once more", p.pressed(p.ask(ctx, http.MethodPost, p.link, kind, body)))
	bare := p.ask(ctx, http.MethodPost, p.link, kind, []byte("a=b"))
	err := bare.err
	if err == nil && (bare.status < 400 || bare.status > 499) {
		err = fmt.Errorf("it is answered %s, not 4xx: a form without List-Unsubscribe=One-Click asks for nothing", bare.statusText())
	}
	report("POST without the field is refused", err)
}

func (p *Probe) pressed(a answer) error {
	want := http.StatusOK
	if a.status > 200 && a.status < 300 { // as good: RFC 8058 names no status
		want = a.status
	}
	if err := a.wants(want); err != nil {
		return err
	}
	if a.took > p.Limit {
		return fmt.Errorf("it takes %s, more than %s", a.took.Round(time.Millisecond), p.Limit)
	}
	return nil
}

// form is the body of a one-click request, or none.
func form(post bool) (kind string, body []byte) {
	if !post {
		return "", nil
	}
	return "application/x-www-form-urlencoded", []byte("List-Unsubscribe=One-Click")
}

// wrongLink is a link with one sign of its token changed.
func wrongLink(link string) string {
	at, c := len(link)-8, byte('A')
	if link[at] == c {
		c = 'B'
	}
	return link[:at] + string(c) + link[at+1:]
}

// answer is what came back.
type answer struct {
	err    error // nothing came back
	url    *url.URL
	status int
	header http.Header
	body   []byte
	tls    *tls.ConnectionState
	took   time.Duration // to the last octet
}

// mostPage is the most octets of an answer that are read.
const mostPage = 1 << 20

func (p *Probe) ask(ctx context.Context, method, link, kind string, body []byte) (a answer) {
	req, err := http.NewRequestWithContext(ctx, method, link, bytes.NewReader(body))
	if err != nil {
		return answer{err: errors.New("public_url is no address")}
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	start := time.Now()
	resp, err := p.client.Do(req)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // it names the address, and so the token
		}
		return answer{err: err}
	}
	defer resp.Body.Close()
	a = answer{url: req.URL, status: resp.StatusCode, header: resp.Header, tls: resp.TLS}
	if a.body, err = io.ReadAll(io.LimitReader(resp.Body, mostPage)); err != nil {
		a.err = fmt.Errorf("read answer: %w", err)
	}
	a.took = time.Since(start)
	return a
}

func (a answer) statusText() string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", a.status, http.StatusText(a.status)))
}

// wants says what is wrong with an answer that must have a status, no cookie and no redirect.
func (a answer) wants(status int) error {
	switch {
	case a.err != nil:
		return a.err
	case a.header.Get("Location") != "" || a.status >= 300 && a.status < 400:
		return fmt.Errorf("it is answered %s and leads elsewhere; a redirect is not followed", a.statusText())
	case a.status != status:
		return fmt.Errorf("it is answered %s, not %d", a.statusText(), status)
	case len(a.header.Values("Set-Cookie")) > 0:
		return errors.New("it sets a cookie")
	}
	return nil
}
