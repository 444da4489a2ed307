package demo

import (
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/smtp"
	"slices"
	"strings"
	"testing"
)

// delivered sends the mails to a relay over a socket and gives the page that shows them.
func delivered(t *testing.T, inbox *Inbox, mails ...[2]string) string {
	t.Helper()
	_, addr := startRelay(t, inbox, nil)
	for _, m := range mails {
		if err := smtp.SendMail(addr, nil, "bounce@meridian-courier.example", []string{m[0]}, []byte(m[1])); err != nil {
			t.Fatal(err)
		}
	}
	page := &Page{Inbox: inbox, Readers: Readers(end, ShippedEditions()), Title: "The Meridian Courier", Pictures: Pictures(shipped(t))}
	srv := httptest.NewServer(page.Handler())
	t.Cleanup(srv.Close)
	return srv.URL
}

func mustContain(t *testing.T, body []byte, want ...string) {
	t.Helper()
	text := html.UnescapeString(string(body))
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("%q is not in\n%s", w, body)
		}
	}
}

func TestPageShowsMail(t *testing.T) {
	const amal = "amal.haddad@post.example"
	page := `<html><head><title>x</title><style>@media (prefers-color-scheme: dark) {p{color:#eee}}</style></head><body><p>One & only</p>` +
		`<img src="` + PictureSite + `flood-maps-shared.png" alt=""></body></html>`
	mail := string(demoMail(amal, "=?utf-8?q?Caf=C3=A9_+_11_more?=", page, "نص عربي\nline two"))
	base := delivered(t, &Inbox{}, [2]string{amal, mail}, [2]string{"b@other.example", string(demoMail("b@other.example", "second", "", "t"))})

	_, list := get(t, base+"/inbox")
	mustContain(t, list, "Café + 11 more", "Amal Haddad", "Mon 23 Nov, 07:00", "Dubai", "Politics", "Sport (less)", "2 mails", "b@other.example", `href="/signup"`)
	if _, one := get(t, base+"/inbox?to="+amal); strings.Contains(string(one), "second") || !strings.Contains(string(one), "Café") {
		t.Errorf("one reader's mail:\n%s", one)
	}
	_, shown := get(t, base+"/inbox/1")
	mustContain(t, shown, "Café + 11 more", `src="/inbox/1/body?scheme=auto"`, `sandbox="allow-popups`)
	_, text := get(t, base+"/inbox/1?part=text")
	mustContain(t, text, "نص عربي\nline two")
	_, source := get(t, base+"/inbox/1?part=source")
	mustContain(t, source, "=?utf-8?q?Caf=C3=A9_+_11_more?=", "One & only")
	_, headers := get(t, base+"/inbox/1?part=headers")
	mustContain(t, headers, "Envelope sender", "bounce@meridian-courier.example", "Message-ID", "multipart/alternative")
	resp, eml := get(t, base+"/inbox/1/source")
	if !strings.HasSuffix(string(eml), mail) || resp.Header.Get("Content-Type") != "message/rfc822" {
		t.Errorf("%s: not the mail as it was sent:\n%q", resp.Header.Get("Content-Type"), eml)
	}

	resp, body := get(t, base+"/inbox/1/body")
	mustContain(t, body, "One & only", `<base target="_blank">`, `src="/pictures/flood-maps-shared.png"`, "prefers-color-scheme: dark")
	if csp := resp.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "sandbox allow-popups") || strings.Contains(csp, "script-src") {
		t.Errorf("policy of the frame: %s", csp)
	}
	_, dark := get(t, base+"/inbox/1/body?scheme=dark")
	mustContain(t, dark, "@media (min-width: 0px)")
	_, light := get(t, base+"/inbox/1/body?scheme=light")
	mustContain(t, light, "@media (max-width: 0px)")
	if resp, _ := get(t, base+"/pictures/flood-maps-shared.png"); resp.StatusCode != http.StatusOK {
		t.Errorf("picture: %s", resp.Status)
	}
	for _, path := range []string{"/inbox/3", "/inbox/0", "/inbox/x", "/inbox/3/body", "/inbox-files/list.tmpl", "/nothing"} {
		if resp, _ := get(t, base+path); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
	for _, path := range []string{"/inbox", "/inbox/1", "/inbox/1/body", "/inbox-files/style.css"} {
		resp, _ := get(t, base+path)
		for _, name := range []string{"Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "Content-Type"} {
			if resp.Header.Get(name) == "" {
				t.Errorf("%s has no %s", path, name)
			}
		}
	}
	if resp, err := http.Post(base+"/inbox", "text/plain", nil); err != nil || resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %v %v", resp, err)
	}
}

func TestPageStandsHostileMail(t *testing.T) {
	const evil = `</pre></title><script>alert(1)</script><img src=x onerror=alert(2)>`
	raw := []string{
		string(demoMail("a@x.example", evil, "<script>alert(3)</script>"+evil, evil)),
		"",
		"\r\n",
		"Subject: only a header",
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b",
		"Content-Type: text/html; charset=nonsense\r\n\r\n\xff\xfe\x00",
		"Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!",
		"Content-Type: /;=\r\nDate: yesterday\r\nSubject: \xff =?x?y?z?=\r\n\r\nx",
	}
	var inbox Inbox
	for _, r := range raw {
		inbox.Add("s@x.example"+evil, "r@x.example"+evil, []byte(r))
	}
	srv := httptest.NewServer((&Page{Inbox: &inbox}).Handler())
	defer srv.Close()
	paths := []string{"/inbox", "/inbox?to=" + "%3Cscript%3Ealert(1)%3C/script%3E"}
	for i := range raw {
		for _, part := range []string{"html", "text", "source", "headers"} {
			paths = append(paths, fmt.Sprintf("/inbox/%d?part=%s", i+1, part))
		}
	}
	for _, path := range paths {
		resp, body := get(t, srv.URL+path)
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, resp.Status)
		}
		if low := strings.ToLower(string(body)); strings.Contains(low, "<script>alert") || strings.Contains(low, "<img src=x") {
			t.Errorf("%s lets the mail speak:\n%s", path, body)
		}
	}
}

func TestParseMail(t *testing.T) {
	m := ParseMail([]byte("Subject: a\r\n folded =?iso-8859-1?q?caf=E9?=\r\nDate: Mon, 23 Nov 2026 07:00:00 +0400\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n" +
		"--i\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\ncaf=E9=\r\n!\r\n" +
		"--i\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nPHA+aGk8L3A+\r\n--i--\r\n--o--\r\n"))
	if m.Subject != "a folded café" || m.Text != "café!" || m.HTML != "<p>hi</p>" || len(m.Problems) != 0 || !m.Date.Equal(end.Add(-9*60*60*1e9)) {
		t.Errorf("%+v", m)
	}
}

func TestInboxLimit(t *testing.T) {
	inbox := Inbox{Limit: 3}
	for i := range 5 {
		if id := inbox.Add("", fmt.Sprintf("%d@x.example", i), nil); id != i+1 {
			t.Errorf("number %d, want %d", id, i+1)
		}
	}
	var to []string
	for _, m := range inbox.Mails() {
		to = append(to, m.Recipient)
	}
	if want := []string{"4@x.example", "3@x.example", "2@x.example"}; !slices.Equal(to, want) || inbox.Dropped() != 2 {
		t.Errorf("%v, %d dropped", to, inbox.Dropped())
	}
	if _, ok := inbox.Get(2); ok {
		t.Error("a mail that had to go is still there")
	}
}

func FuzzParseMail(f *testing.F) {
	f.Add(demoMail("a@x.example", "s", "<p>h</p>", "t"))
	f.Add([]byte("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b--"))
	f.Add([]byte("Content-Type: text/html; charset=utf-16\r\nContent-Transfer-Encoding: base64\r\n\r\nPAA="))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m := ParseMail(raw)
		if string(m.Raw) != string(raw) {
			t.Error("the source was changed")
		}
		if len(m.HTML) > 4*maxText || len(m.Text) > 4*maxText || len(m.Problems) > 20 {
			t.Errorf("html %d, text %d, problems %d", len(m.HTML), len(m.Text), len(m.Problems))
		}
		preview(m.HTML, "dark")
	})
}
