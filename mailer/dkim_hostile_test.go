package mailer

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

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

// TestDKIMOthers has other verifiers look at the signatures.
func TestDKIMOthers(t *testing.T) {
	dir := t.TempDir()
	var mails []string
	for i := range 30 {
		text := dkimMail
		if i > 0 {
			text = hostileMail(rand.New(rand.NewPCG(uint64(i), 3)), false)
			text = strings.ReplaceAll(text, "\x00", "") // which no mail may hold
		}
		path := filepath.Join(dir, fmt.Sprintf("%d.eml", i))
		if err := os.WriteFile(path, []byte(sign(t, dkimSigner(t, "plain"), text, "pair")), 0o600); err != nil {
			t.Fatal(err)
		}
		mails = append(mails, path)
	}
	verifyOthers(t, mails)
}

// verifyOthers has other verifiers, where they are installed, look at the two signatures of each of
// the files.
func verifyOthers(t *testing.T, mails []string) {
	dir := t.TempDir()
	records, err := dkimMade().Records("lantern.example")
	if err != nil {
		t.Fatal(err)
	}
	var dns strings.Builder
	for _, r := range records {
		fmt.Fprintf(&dns, "%s %s\n", r.Name, r.Value)
	}
	zone, conf := filepath.Join(dir, "dns.txt"), filepath.Join(dir, "v.conf")
	for path, text := range map[string]string{zone: dns.String(),
		conf: "Mode v\nTestDNSData file:" + zone + "\nInternalHosts none\nAlwaysAddARHeader yes\nSyslog no\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
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
