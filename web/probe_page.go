package web

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// button says what is wrong with the page that GET of a leave link shows: it must have a form whose
// button does what a one-click request does, and nothing that acts by itself. style is the address
// of its stylesheet.
func (p *Probe) button(a answer) (style string, err error) {
	if err := a.wants(http.StatusOK); err != nil {
		return "", err
	}
	if kind, _, _ := mime.ParseMediaType(a.header.Get("Content-Type")); kind != "text/html" {
		return "", fmt.Errorf("it is %q, not a page", a.header.Get("Content-Type"))
	}
	root, err := html.Parse(bytes.NewReader(a.body))
	if err != nil {
		return "", fmt.Errorf("read page: %w", err)
	}
	var wrong problems
	found := false
	for n := range root.Descendants() {
		switch {
		case n.DataAtom == atom.Meta && strings.EqualFold(attribute(n, "http-equiv"), "refresh"):
			wrong.add("the page leads on by itself (meta refresh)")
		case n.DataAtom == atom.Script && attribute(n, "src") == "":
			wrong.add("the page has a script in it, which may act by itself")
		case n.DataAtom == atom.Link && strings.EqualFold(attribute(n, "rel"), "stylesheet"), n.DataAtom == atom.Script, n.DataAtom == atom.Img:
			ref := attribute(n, "href") + attribute(n, "src")
			address, outside := resolve(a.url, ref)
			if outside {
				wrong.add("the page loads %.80q from elsewhere, which learns that it was opened", ref)
			} else if n.DataAtom == atom.Link {
				style = address
			}
		case n.DataAtom == atom.Form:
			found = found || leaves(n, a.url)
		}
	}
	if !found {
		wrong.add("the page has no form that posts List-Unsubscribe=One-Click to the same address: does GET do it already?")
	}
	return style, wrong.err()
}

// leaves reports whether a form does what a one-click request does.
func leaves(form *html.Node, at *url.URL) bool {
	address, _ := resolve(at, attribute(form, "action"))
	if !strings.EqualFold(attribute(form, "method"), http.MethodPost) || address != at.String() {
		return false
	}
	for n := range form.Descendants() {
		if (n.DataAtom == atom.Input || n.DataAtom == atom.Button) && attribute(n, "name") == "List-Unsubscribe" && attribute(n, "value") == "One-Click" {
			return true
		}
	}
	return false
}

// resolve is where a reference on a page leads, and whether that is another server.
func resolve(base *url.URL, ref string) (address string, outside bool) {
	u, err := base.Parse(ref)
	if err != nil {
		return "", true
	}
	return u.String(), u.Scheme != base.Scheme || u.Host != base.Host
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// lasting is HSTS with a life: max-age=0 takes it back.
var lasting = regexp.MustCompile(`(?i)\bmax-age="?[1-9]`)

// guarded says which headers a page with a capability in its address lacks.
func (a answer) guarded() error {
	if a.err != nil {
		return a.err
	}
	var wrong problems
	lacks := func(ok bool, name, want string) {
		if !ok {
			wrong.add("%s is %.80q, not %s", name, strings.Join(a.header.Values(name), ", "), want)
		}
	}
	is := func(name, want string) { lacks(a.header.Get(name) == want, name, want) }
	policy := strings.Join(a.header.Values("Content-Security-Policy"), "; ")
	lacks(strings.Contains(policy, "default-src 'none'") && strings.Contains(policy, "frame-ancestors 'none'") && !strings.Contains(policy, "unsafe-inline"),
		"Content-Security-Policy", "default-src 'none' with frame-ancestors 'none' and without unsafe-inline")
	is("Referrer-Policy", "no-referrer")
	is("X-Content-Type-Options", "nosniff")
	is("Cache-Control", "no-store")
	if a.url.Scheme == "https" {
		lacks(lasting.MatchString(a.header.Get("Strict-Transport-Security")), "Strict-Transport-Security", "max-age=…")
	}
	return wrong.err()
}

// problems are what is wrong with one thing, told in one line.
type problems []string

func (p *problems) add(format string, args ...any) { *p = append(*p, fmt.Sprintf(format, args...)) }

func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return errors.New(strings.Join(p, "; "))
}
