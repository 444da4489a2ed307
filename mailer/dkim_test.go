package mailer

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"
)

// dkimMade are keys for the tests: making RSA keys takes a while.
var dkimMade = sync.OnceValue(func() *DKIMKeys {
	dir, err := os.MkdirTemp("", "dkim")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "keys")
	for _, name := range []string{"pair", "alone"} {
		e, err := NewDKIMEntry(name, name == "pair")
		if err == nil {
			err = AddDKIM(path, "", e)
		}
		if err != nil {
			panic(err)
		}
	}
	k, err := ReadDKIMFile(path)
	if err != nil {
		panic(err)
	}
	return k
})

func dkimSigner(t testing.TB, profile string) *DKIM {
	t.Helper()
	s, err := NewDKIM(dkimMade(), "Lantern.example", profile)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var dkimDate = time.Date(2026, 11, 26, 7, 0, 0, 0, time.UTC)

const dkimHeader = "From: The Daily Lantern <news@lantern.example>\r\n" +
	"Reply-To: desk@lantern.example\r\n" +
	"To: ada@reader.example\r\n" +
	"Subject: Ferries sail again\r\n\t and  \t more \r\n" +
	"Date: Thu, 26 Nov 2026 07:00:00 +0000\r\n" +
	"Message-ID: <1.2@lantern.example>\r\n" +
	"MIME-Version: 1.0\r\n" +
	"Content-Type: text/plain; charset=utf-8\r\n" +
	"Content-Transfer-Encoding: quoted-printable\r\n" +
	"List-Id: \"The Morning\" <morning.lantern.example>\r\n" +
	"List-Unsubscribe: <https://lantern.example/l/token>\r\n" +
	"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" +
	"Precedence: bulk\r\n" +
	"Feedback-ID: morning:digest:lantern\r\n"

const dkimMail = dkimHeader + "\r\nGood morning.\r\n.a line with a dot\r\n\r\n  two blanks  \r\n\r\n\r\n"

// dkimLookup is a DNS that knows the keys' records.
func dkimLookup(t testing.TB) func(string) ([]string, error) {
	records, err := dkimMade().Records("lantern.example")
	if err != nil {
		t.Fatal(err)
	}
	return func(name string) ([]string, error) {
		for _, r := range records {
			if r.Name == name {
				return []string{r.Value}, nil
			}
		}
		return nil, fmt.Errorf("no record %s", name)
	}
}

func sign(t testing.TB, s Signer, mail, selector string) string {
	t.Helper()
	m, err := Signed(nil, Message{Body: []byte(mail)}, s, selector, dkimDate)
	if err != nil {
		t.Fatalf("%v in\n%q", err, mail)
	}
	return string(m.Body)
}

// verify returns the number of signatures that hold, and the first error.
func verify(t testing.TB, mail string) (good int, first error) {
	t.Helper()
	found, err := dkim.VerifyWithOptions(strings.NewReader(mail), &dkim.VerifyOptions{LookupTXT: dkimLookup(t)})
	if err != nil {
		return 0, err
	}
	for _, v := range found {
		if v.Err == nil {
			good++
		} else if first == nil {
			first = v.Err
		}
	}
	return good, first
}

func TestDKIMVerifies(t *testing.T) {
	for _, tt := range []struct {
		profile, selector string
		want              int
	}{{"plain", "pair", 2}, {"plain", "alone", 1}, {"ses", "pair", 1}} {
		mail := sign(t, dkimSigner(t, tt.profile), dkimMail, tt.selector)
		if good, err := verify(t, mail); good != tt.want || err != nil {
			t.Errorf("%v: %d signatures hold, %v\n%s", tt, good, err, mail)
		}
	}
}

func TestDKIMField(t *testing.T) {
	mail := sign(t, dkimSigner(t, "plain"), dkimMail, "pair")
	fields := mail[:strings.Index(mail, "From: ")]
	for line := range strings.SplitSeq(strings.TrimSuffix(fields, "\r\n"), "\r\n") {
		if len(line) > 76 || line == "" || strings.TrimRight(line, " \t") != line {
			t.Errorf("line of %d octets: %q", len(line), line)
		}
	}
	flat := strings.NewReplacer(":\r\n ", ":", "\r\n", "").Replace(fields)
	for _, want := range []string{"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=lantern.example; s=pair; t=1795676400;",
		"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=lantern.example; s=pair-ed; t=1795676400;",
		" h=From:From:Reply-To:To:Subject:Subject:Date:Message-ID:MIME-Version:Content-Type:Content-Transfer-Encoding:" +
			"List-Id:List-Unsubscribe:List-Unsubscribe-Post:Feedback-ID; bh="} {
		if !strings.Contains(flat, want) {
			t.Errorf("no %q in\n%s", want, fields)
		}
	}
	for _, bad := range []string{" l=", " x="} {
		if strings.Contains(flat, bad) {
			t.Errorf("%q in\n%s", bad, fields)
		}
	}
	flat = strings.ReplaceAll(sign(t, dkimSigner(t, "ses"), dkimMail, "pair"), ":\r\n ", ":")
	if want := "Subject:Subject:MIME-Version:"; !strings.Contains(flat, want) {
		t.Errorf("no %q in\n%s", want, flat)
	}
}

func TestDKIMCopyIsTheSame(t *testing.T) {
	a := sign(t, dkimSigner(t, "plain"), dkimMail, "pair")
	k := *dkimMade()
	k.entries = slices.Clone(k.entries)
	slices.Reverse(k.entries)
	s, err := NewDKIM(&k, "lantern.example", "plain")
	if err != nil || s.Selector() != "alone" {
		t.Fatal(s, err)
	}
	if b := sign(t, s, dkimMail, "pair"); a != b {
		t.Errorf("under another first key the copy is\n%s\nnot\n%s", b, a)
	}
	if c := sign(t, s, dkimMail, s.Selector()); a == c {
		t.Error("two selectors sign the same")
	}
	if d, err := s.Sign([]byte("kept"), []byte(dkimMail), "pair", dkimDate); err != nil || "kept"+a != string(d)+dkimMail {
		t.Errorf("behind other octets: %v\n%s", err, d)
	}
}

// Every signed field and the body break the signature when they change, and a second From or
// Subject does when it is added.
func TestDKIMBreaks(t *testing.T) {
	for _, profile := range []string{"plain", "ses"} {
		mail := sign(t, dkimSigner(t, profile), dkimMail, "pair")
		holds := func(what, changed string, want bool) {
			t.Helper()
			if changed == mail {
				t.Fatalf("%s: nothing changed", what)
			}
			if good, err := verify(t, changed); (good > 0) != want {
				t.Errorf("%s, %s: %d signatures hold, %v", profile, what, good, err)
			}
		}
		start := strings.Index(mail, "From: ")
		for line := range strings.Lines(mail[start : start+len(dkimHeader)]) {
			name, _, ok := strings.Cut(line, ":")
			if !ok || line[0] == '\t' {
				continue
			}
			free := name == "Precedence" || profile == "ses" && (name == "Date" || name == "Message-ID")
			holds(name, strings.Replace(mail, line, strings.TrimRight(line, "\r\n")+"x\r\n", 1), free)
			holds("no "+name, strings.Replace(mail, line, "", 1), free && name != "Subject")
		}
		for _, name := range []string{"From", "Subject"} {
			for _, at := range []int{0, start, start + len(dkimHeader)} {
				holds("second "+name, mail[:at]+name+": added@evil.example\r\n"+mail[at:], false)
			}
		}
		holds("body", strings.Replace(mail, "Good", "Bad", 1), false)
		holds("more body", mail+"x\r\n", false)
		holds("folding", strings.Replace(mail, "Ferries sail", "Ferries\r\n   sail", 1), true)
		holds("empty lines at the end", mail+"\r\n\r\n", true)
		holds("blanks", strings.Replace(mail, "  two blanks  \r\n", "\ttwo  blanks\r\n", 1), true)
	}
}

func TestDKIMRefuses(t *testing.T) {
	s := dkimSigner(t, "plain")
	for name, mail := range map[string]string{
		"no From":         "To: a@b.example\r\n\r\nx\r\n",
		"two From":        "From: a@b.example\r\nFrom: a@c.example\r\n\r\nx\r\n",
		"no header's end": "From: a@b.example\r\n",
		"empty":           "",
		"no name":         "From: a@b.example\r\nSubject\r\n\r\nx\r\n",
		"empty name":      ": x\r\nFrom: a@b.example\r\n\r\nx\r\n",
		"fold first":      " From: a@b.example\r\n\r\nx\r\n",
		"LF in header":    "From: a@b.example\nSubject: x\r\n\r\nx\r\n",
		"CR in header":    "From: a@b.example\r\nSubject: x\ry\r\n\r\nx\r\n",
		"LF in body":      "From: a@b.example\r\n\r\nx\ny\r\n",
		"LF first":        "From: a@b.example\r\n\r\n\ny\r\n",
		"CR in body":      "From: a@b.example\r\n\r\nxxxxxxxxxxxxxxxxxxxx\ry\r\n",
		"LF after blanks": "From: a@b.example\r\n\r\nx \ny\r\n",
		"LF at the end":   "From: a@b.example\r\n\r\nx\n",
		"CR at the end":   "From: a@b.example\r\n\r\nx\r\n\r",
	} {
		if got, err := s.Sign([]byte("kept"), []byte(mail), "pair", dkimDate); err == nil || string(got) != "kept" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for _, selector := range []string{"gone", "pair-ed", ""} {
		_, err := s.Sign(nil, []byte(dkimMail), selector, dkimDate)
		if !errors.Is(err, ErrNoSelector) || !strings.Contains(err.Error(), fmt.Sprintf("%q", selector)) {
			t.Errorf("selector %q: %v", selector, err)
		}
	}
	if _, err := s.Sign(nil, []byte(dkimMail), "pair", time.Time{}); err == nil {
		t.Error("signed without a date")
	}
	m := Message{Body: []byte(dkimMail)}
	if _, err := Signed(nil, m, nil, "pair", dkimDate); !errors.Is(err, ErrNoSelector) {
		t.Errorf("no signer: %v", err)
	}
	if got, err := Signed(nil, m, s, "", dkimDate); err != nil || string(got.Body) != dkimMail {
		t.Errorf("the relay signs: %v\n%s", err, got.Body)
	}
	for _, domain := range []string{"", "lantern..example", "lan tern.example", strings.Repeat("a.", 125) + "example"} {
		if _, err := NewDKIM(dkimMade(), domain, "plain"); err == nil {
			t.Errorf("domain %q is taken", domain)
		}
	}
	if _, err := NewDKIM(dkimMade(), "lantern.example", "gmail"); err == nil {
		t.Error("profile gmail is taken")
	}
	if _, err := NewDKIM(nil, "lantern.example", "plain"); err == nil {
		t.Error("no keys are taken")
	}
}

func TestDKIMManyAtOnce(t *testing.T) {
	s := dkimSigner(t, "plain")
	want := sign(t, s, dkimMail, "pair")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				if m, err := Signed(nil, Message{Body: []byte(dkimMail)}, s, "pair", dkimDate); err != nil || string(m.Body) != want {
					t.Errorf("%v", err)
				}
			}
		})
	}
	wg.Wait()
}

func dkimBenchMail() []byte {
	var b strings.Builder
	b.WriteString(dkimHeader + "\r\n")
	for n := 0; b.Len() < 48<<10; n++ {
		fmt.Fprintf(&b, "<td style=3D\"padding:0 12px\">%d words and blanks as they stand in a mail =\r\n", n)
	}
	return []byte(b.String())
}

// BenchmarkDKIM signs a mail of 48 KB and prints how it compares with RSA's operation alone.
func BenchmarkDKIM(b *testing.B) {
	mail := dkimBenchMail()
	sum := make([]byte, 32)
	k := dkimMade().found["alone"].keys[0]
	for _, selector := range []string{"alone", "pair"} {
		b.Run(selector, func(b *testing.B) {
			s := dkimSigner(b, "plain")
			var alone time.Duration
			buf := make([]byte, 0, 4096)
			b.ReportAllocs()
			b.ResetTimer()
			for b.Loop() {
				start := time.Now()
				if _, err := k.key.Sign(nil, sum, k.options); err != nil {
					b.Fatal(err)
				}
				alone += time.Since(start)
				if _, err := s.Sign(buf, mail, selector, dkimDate); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed()-alone)/float64(alone), "xRSA")
		})
	}
}

func BenchmarkDKIMBody(b *testing.B) {
	mail := dkimBenchMail()
	b.SetBytes(int64(len(mail)))
	for b.Loop() {
		_ = writeRelaxed(io.Discard, mail)
	}
}
