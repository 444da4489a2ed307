package digest

import (
	"bytes"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/dkim"

	"broadsheet/mailer"
	"broadsheet/schedule"
	"broadsheet/subscribers"
	"broadsheet/templates"
)

// headOf returns the lines of a mail's header, and the rest.
func headOf(raw []byte) (lines []string, body string) {
	head, body, _ := strings.Cut(string(raw), "\r\n\r\n")
	return strings.Split(head, "\r\n"), body
}

func withIntake(t testing.TB, i schedule.Intake) *Digest {
	t.Helper()
	c := sampleConfig()
	c.Intake = i
	return laidOut(t, samplePress(t, c, sampleEdition()), morning)
}

// TestIntakeAddresses: with an intake a mail says by which address one leaves, and by which one answers if answers are
// taken in; it differs in nothing else, and without an intake in nothing at all.
func TestIntakeAddresses(t *testing.T) {
	plain, _ := compose(t, morning)
	c := NewComposer(nil, sampleKeys(t), "meridian.example")
	leaves := regexp.MustCompile(`^ <mailto:unsub\+([a-z2-7]+)@meridian\.example>$`)
	answers := regexp.MustCompile(`^Reply-To: reply\+([a-z2-7]+)@meridian\.example$`)
	for _, tt := range []struct {
		intake          schedule.Intake
		leaves, answers bool
	}{
		{schedule.Intake{}, false, false},
		{schedule.Intake{Replies: true}, false, false}, // nobody would read them
		{schedule.Intake{Pipe: true}, true, false},
		{schedule.Intake{Maildir: []string{"in"}, Replies: true}, true, true},
		{schedule.Intake{IMAP: &schedule.IMAP{}}, true, false},
	} {
		m, err := c.Message(withIntake(t, tt.intake), sampleIssue(), sampleDelivery(), nil)
		if err != nil {
			t.Fatal(err)
		}
		want, wantBody := headOf(plain)
		got, body := headOf(m.Body)
		if body != wantBody {
			t.Errorf("%+v: the body differs", tt.intake)
		}
		box := func(line string, form *regexp.Regexp, box subscribers.Box) {
			found := form.FindStringSubmatch(line)
			if found == nil {
				t.Fatalf("%+v: %q, want %s", tt.intake, line, form)
			}
			of, edition, wall, reader, ok := sampleKeys(t).OpenBox(strings.ToUpper(found[1]))
			if !ok || of != box || edition != 3 || wall != sampleIssue().Wall() || reader != 1001 || len(found[1]) > 58 {
				t.Errorf("token of %q opens as %v %d %d %d %v", line, of, edition, wall, reader, ok)
			}
		}
		if tt.answers {
			n := slices.IndexFunc(got, func(s string) bool { return strings.HasPrefix(s, "Reply-To:") })
			box(got[n], answers, subscribers.Answers)
			got[n] = want[1]
		}
		if tt.leaves {
			n := slices.IndexFunc(got, func(s string) bool { return strings.HasPrefix(s, "List-Unsubscribe:") })
			box(got[n+1], leaves, subscribers.Leaves)
			got[n] = strings.TrimSuffix(got[n], ",")
			got = slices.Delete(got, n+1, n+2)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%+v: header is\n%s\nwant\n%s", tt.intake, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// TestListUnsubscribe: one https URI with the mailto behind it (RFC 8058 section 3.1, RFC 2369 section 3.2), in lines
// that need no folding by others, and both under the signature.
func TestListUnsubscribe(t *testing.T) {
	to := sampleDelivery()
	to.Subscriber = 1<<56 - 1
	m, err := NewComposer(nil, sampleKeys(t), "meridian.example").Message(withIntake(t, schedule.Intake{Pipe: true, Replies: true}), sampleIssue(), to, nil)
	if err != nil {
		t.Fatal(err)
	}
	lines, _ := headOf(m.Body)
	for _, line := range lines {
		if len(line) > 78 && !strings.HasPrefix(line, "List-Unsubscribe: <https:") {
			t.Errorf("line of %d octets: %s", len(line), line)
		}
	}
	h := read(t, m.Body).header
	if n := len(h["List-Unsubscribe"]); n != 1 || len(h["Reply-To"]) != 1 {
		t.Fatalf("%d fields List-Unsubscribe, %d Reply-To", n, len(h["Reply-To"]))
	}
	var schemes []string
	for part := range strings.SplitSeq(h.Get("List-Unsubscribe"), ", ") {
		u, err := url.Parse(strings.TrimSuffix(strings.TrimPrefix(part, "<"), ">"))
		if err != nil || part != "<"+u.String()+">" {
			t.Fatalf("%q: %v", part, err)
		}
		schemes = append(schemes, u.Scheme)
		if u.Scheme == "mailto" {
			if a, err := mail.ParseAddress(u.Opaque); err != nil || strings.IndexByte(a.Address, '@') > 64 {
				t.Errorf("%q is no address: %v", u.Opaque, err)
			}
		}
	}
	if !slices.Equal(schemes, []string{"https", "mailto"}) {
		t.Errorf("schemes %q", schemes)
	}

	entry, err := mailer.NewDKIMEntry("s1", true)
	if err != nil {
		t.Fatal(err)
	}
	path := t.TempDir() + "/dkim"
	if err := mailer.AddDKIM(path, "", entry); err != nil {
		t.Fatal(err)
	}
	keys, err := mailer.ReadDKIMFile(path)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := mailer.NewDKIM(keys, "meridian.example", "plain")
	if err != nil {
		t.Fatal(err)
	}
	signed, err := mailer.Signed(nil, m, signer, "s1", to.Date)
	if err != nil {
		t.Fatal(err)
	}
	records, err := keys.Records("meridian.example")
	if err != nil {
		t.Fatal(err)
	}
	lookup := func(name string) ([]string, error) {
		for _, r := range records {
			if r.Name == name {
				return []string{r.Value}, nil
			}
		}
		return nil, nil
	}
	holds := func(raw []byte) (n int) {
		found, err := dkim.VerifyWithOptions(bytes.NewReader(raw), &dkim.VerifyOptions{LookupTXT: lookup})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range found {
			if v.Err == nil {
				n++
			}
		}
		return n
	}
	if n := holds(signed.Body); n != 2 {
		t.Errorf("%d signatures hold, want 2", n)
	}
	for _, address := range []string{"mailto:unsub+", "Reply-To: reply+"} {
		if n := holds(bytes.Replace(signed.Body, []byte(address), []byte(address+"b"), 1)); n != 0 {
			t.Errorf("%d signatures hold after %q was changed", n, address)
		}
	}
}

// TestInertAddresses: a test copy names no delivery.
func TestInertAddresses(t *testing.T) {
	m, err := NewComposer(nil, nil, "meridian.example").Test(withIntake(t, schedule.Intake{Pipe: true, Replies: true}), sampleIssue(), sampleDelivery(), nil)
	if err != nil {
		t.Fatal(err)
	}
	h := read(t, m.Body).header
	if got := h.Get("Reply-To"); got != "reply+test@meridian.example" {
		t.Errorf("Reply-To is %q", got)
	}
	if got := h.Get("List-Unsubscribe"); !strings.HasSuffix(got, ", <mailto:unsub+test@meridian.example>") {
		t.Errorf("List-Unsubscribe is %q", got)
	}
}

// TestNoticesAreNoList: a notice has the publication's Reply-To and nothing to leave by, intake or not.
func TestNoticesAreNoList(t *testing.T) {
	set, err := templates.Load("")
	if err != nil {
		t.Fatal(err)
	}
	var mails [][]byte
	for _, i := range []schedule.Intake{{}, {Pipe: true, Replies: true}} {
		c := sampleConfig()
		c.Intake = i
		p, err := NewNoticePress(c, set)
		if err != nil {
			t.Fatal(err)
		}
		d, err := p.Layout(&Notice{Kind: NoticeLink, Language: "en"})
		if err != nil {
			t.Fatal(err)
		}
		m, err := NewComposer(nil, sampleKeys(t), "meridian.example").Message(d, sampleIssue(), sampleDelivery(), nil)
		if err != nil {
			t.Fatal(err)
		}
		mails = append(mails, m.Body)
	}
	if h := read(t, mails[1]).header; !bytes.Equal(mails[0], mails[1]) || h.Get("Reply-To") != "letters@meridian.example" || h.Get("List-Unsubscribe") != "" {
		t.Errorf("a notice has %v", h)
	}
}

// BenchmarkComposeWithIntake is BenchmarkCompose with two addresses of the reader more.
func BenchmarkComposeWithIntake(b *testing.B) {
	a := &drawer{issue: *sampleIssue()}
	a.file(5, withIntake(b, schedule.Intake{Pipe: true, Replies: true}))
	c := NewComposer(a, sampleKeys(b), "meridian.example")
	d := sampleDelivery()
	b.ReportAllocs()
	var buf []byte
	for b.Loop() {
		d.Subscriber++
		m, err := c.Compose(b.Context(), d, buf)
		if err != nil {
			b.Fatal(err)
		}
		buf = m.Body
	}
}
