package mailer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
	for _, want := range []string{"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=lantern.example;\r\n s=pair; t=1795676400;",
		"a=ed25519-sha256;", "s=pair-ed;", "List-Unsubscribe:List-Unsubscribe-Post:Feedback-ID;"} {
		if flat := strings.ReplaceAll(fields, "\r\n  ", ""); !strings.Contains(fields, want) && !strings.Contains(strings.ReplaceAll(flat, "\r\n ", ""), want) {
			t.Errorf("no %q in\n%s", want, fields)
		}
	}
	for _, bad := range []string{"l=", "x=", "Precedence"} {
		if strings.Contains(strings.ReplaceAll(fields, "\r\n", ""), " "+bad) {
			t.Errorf("%q in\n%s", bad, fields)
		}
	}
	if !strings.Contains(fields, "h=From:From:") || strings.Count(fields, "Subject:Subject:") != 2 {
		t.Errorf("From and Subject are not oversigned in\n%s", fields)
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

// hostileMail is made of what canonical forms trip over, obsolete with blanks before colons
// (RFC 5322 section 4.5), which not all verifiers read.
func hostileMail(r *rand.Rand, obsolete bool) string {
	pieces := []string{" ", "  ", "\t", " \t ", "\r\n", "\r\n\r\n", " \r\n", "\t\r\n", ".", "..\r\n", "a", "word", "=20", "é",
		"\xff", "\x00", ":", ";", "b=", "longer than eight octets", strings.Repeat("x", 70)}
	folds := []string{" ", "\t", "\r\n ", "\r\n\t", " \r\n  ", "  ", "x", "y;", "=?utf-8?q?=C3=A9?=", ":", "é", "b=x;", strings.Repeat("z", 80)}
	var b strings.Builder
	name := func(s string) string {
		switch {
		case r.IntN(3) == 0:
			return strings.ToUpper(s)
		case obsolete && r.IntN(6) == 0:
			return s + " "
		}
		return s
	}
	some := func(list []string, n int) {
		for range r.IntN(n) {
			b.WriteString(list[r.IntN(len(list))])
		}
	}
	fields := append(slices.Clone(signedFields[1:]), "Subject", "X-Other", "DKIM-Signature-Not", "To")
	r.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
	from := r.IntN(len(fields))
	for i, f := range fields {
		if i == from {
			b.WriteString(name("From") + ": a@lantern.example")
			some(folds[:6], 3)
			b.WriteString("x\r\n")
		}
		if r.IntN(2) == 0 {
			continue
		}
		b.WriteString(name(f) + ":")
		some(folds, 8)
		b.WriteString("x\r\n") // a line of blanks alone would be read as the end by some
	}
	b.WriteString("\r\n")
	some(pieces, 40)
	if !strings.HasSuffix(b.String(), "\r\n") {
		b.WriteString("\r\n")
	}
	return b.String()
}

func TestDKIMHostile(t *testing.T) {
	s := dkimSigner(t, "plain")
	for seed := range uint64(400) {
		mail := hostileMail(rand.New(rand.NewPCG(seed, 1)), true)
		signed := sign(t, s, mail, "pair")
		if !strings.HasSuffix(signed, mail) {
			t.Fatalf("seed %d: the message changed", seed)
		}
		if good, err := verify(t, signed); good != 2 || err != nil {
			t.Fatalf("seed %d: %d signatures hold, %v\n%q", seed, good, err, signed)
		}
	}
}

var manyBlanks = regexp.MustCompile("[ \t]+")

// plainRelaxed is the relaxed form of a body as RFC 6376 section 3.4.4 tells it.
func plainRelaxed(b []byte) string {
	var out []string
	for line := range strings.SplitSeq(string(b), "\r\n") {
		out = append(out, strings.TrimRight(manyBlanks.ReplaceAllString(line, " "), " "))
	}
	if text := strings.TrimRight(strings.Join(out, "\r\n"), "\r\n"); text != "" {
		return text + "\r\n"
	}
	return ""
}

func FuzzDKIMBody(f *testing.F) {
	for seed := range uint64(200) {
		_, body, _ := strings.Cut(hostileMail(rand.New(rand.NewPCG(seed, 4)), true), "\r\n\r\n")
		f.Add([]byte(body))
	}
	f.Add([]byte("00\t\n0000"))
	f.Fuzz(func(t *testing.T, body []byte) {
		var got bytes.Buffer
		err := writeRelaxed(&got, body)
		alone := bytes.Count(body, crlf) != bytes.Count(body, []byte{'\n'}) || bytes.Count(body, crlf) != bytes.Count(body, []byte{'\r'})
		if alone != (err != nil) || err == nil && got.String() != plainRelaxed(body) {
			t.Fatalf("%q becomes %q, %v, not %q", body, got.String(), err, plainRelaxed(body))
		}
	})
}

func FuzzDKIM(f *testing.F) {
	for seed := range uint64(20) {
		f.Add([]byte(hostileMail(rand.New(rand.NewPCG(seed, 2)), true)))
	}
	f.Add([]byte(dkimMail))
	f.Add([]byte("From: a@b\r\n\r\n"))
	s := dkimSigner(f, "plain")
	f.Fuzz(func(t *testing.T, mail []byte) {
		signed, err := Signed(nil, Message{Body: mail}, s, "alone", dkimDate)
		if err != nil {
			return
		}
		if good, err := verify(t, string(signed.Body)); good != 1 || err != nil {
			t.Fatalf("%d signatures hold, %v\n%q", good, err, signed.Body)
		}
	})
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

// TestDKIMOthers has other verifiers look at the signatures, where they are installed.
func TestDKIMOthers(t *testing.T) {
	dir := t.TempDir()
	records, err := dkimMade().Records("lantern.example")
	if err != nil {
		t.Fatal(err)
	}
	var dns strings.Builder
	for _, r := range records {
		fmt.Fprintf(&dns, "%s %s\n", r.Name, r.Value)
	}
	put := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	zone := put("dns.txt", dns.String())
	conf := put("v.conf", "Mode v\nTestDNSData file:"+zone+"\nInternalHosts none\nAlwaysAddARHeader yes\nSyslog no\n")
	var mails []string
	for i := range 30 {
		text := dkimMail
		if i > 0 {
			text = hostileMail(rand.New(rand.NewPCG(uint64(i), 3)), false)
			text = strings.ReplaceAll(text, "\x00", "") // which no mail may hold
		}
		mails = append(mails, put(fmt.Sprintf("%d.eml", i), sign(t, dkimSigner(t, "plain"), text, "pair")))
	}
	t.Run("dkimpy", func(t *testing.T) {
		python := "/usr/bin/python3"
		if exec.Command(python, "-c", "import dkim, nacl").Run() != nil {
			t.Skip("python3-dkim and python3-nacl are not installed")
		}
		program := `
import dkim, sys
dns = dict(l.rstrip("\n").split(" ", 1) for l in open(sys.argv[1]))
look = lambda name, timeout=5: dns.get((name.decode() if isinstance(name, bytes) else name).rstrip("."), "").encode()
for path in sys.argv[2:]:
    d = dkim.DKIM(open(path, "rb").read())
    print(path, d.verify(idx=0, dnsfunc=look), d.verify(idx=1, dnsfunc=look))
`
		out, err := exec.Command(python, append([]string{"-c", program, zone}, mails...)...).CombinedOutput()
		if n := bytes.Count(out, []byte("True True")); err != nil || n != len(mails) {
			t.Errorf("%d of %d verify, %v:\n%s", n, len(mails), err, out)
		}
	})
	t.Run("opendkim", func(t *testing.T) {
		path, err := exec.LookPath("opendkim")
		if err != nil {
			if path, err = exec.LookPath("/usr/sbin/opendkim"); err != nil {
				t.Skip("opendkim is not installed")
			}
		}
		for _, mail := range mails {
			out, err := exec.Command(path, "-x", conf, "-v", "-v", "-t", mail).CombinedOutput()
			if n := bytes.Count(out, []byte("dkim=pass")); err != nil || n != 2 {
				text, _ := os.ReadFile(mail)
				t.Errorf("%d signatures hold, %v:\n%s\n%q", n, err, out, text)
			}
		}
	})
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
