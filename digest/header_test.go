package digest

import (
	"bytes"
	"net/mail"
	"regexp"
	"strings"
	"testing"
	"time"

	"broadsheet/subscribers"
)

// compose lays a selection out and composes the sample delivery.
func compose(t *testing.T, make func() (shelf, *Selection)) ([]byte, *Digest) {
	t.Helper()
	s, sel := make()
	d, err := samplePress(t, sampleConfig(), sampleEdition()).Layout(t.Context(), sampleIssue(), sel, s.story)
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewComposer(nil, sampleKeys(t), "meridian.example").Message(d, sampleIssue(), sampleDelivery(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return m.Body, d
}

// TestHeader goes through what RFC 5322, 2369, 2919, 3834 and 8058 and the large receivers ask of
// a bulk mail.
func TestHeader(t *testing.T) {
	raw, _ := compose(t, morning)
	h := read(t, raw).header
	text := string(raw[:bytes.Index(raw, []byte("\r\n\r\n"))+2])

	t.Run("each field once", func(t *testing.T) {
		for _, name := range []string{"From", "Reply-To", "To", "Date", "Message-ID", "Subject", "MIME-Version", "Content-Type", "List-Id",
			"List-Unsubscribe", "List-Unsubscribe-Post", "Precedence", "Auto-Submitted", "X-Auto-Response-Suppress",
			"Feedback-ID", "X-Broadsheet-Delivery"} {
			if n := len(regexp.MustCompile(`(?im)^`+name+`:`).FindAllString(text, -1)); n != 1 {
				t.Errorf("%d fields %s, want 1", n, name)
			}
		}
		if len(h) != 16 {
			t.Errorf("%d fields, want 16: %v", len(h), h)
		}
	})
	for name, want := range map[string]string{
		"Mime-Version":             "1.0",
		"List-Unsubscribe-Post":    "List-Unsubscribe=One-Click",
		"Precedence":               "bulk",
		"Auto-Submitted":           "auto-generated",
		"X-Auto-Response-Suppress": "OOF, AutoReply",
		"List-Id":                  `"Morning Edition" <morning.meridian.example>`,
		"Feedback-Id":              "morning:digest:meridian-exampl",
		"Content-Type":             `multipart/alternative; boundary="=_broadsheet_alternative"`,
		"Date":                     "Thu, 02 Apr 2026 08:00:03 +0200",
		"To":                       "ada+news@reader.example",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if !regexp.MustCompile(`^<https://news\.meridian\.example/l/[A-Za-z0-9_-]+>$`).MatchString(h.Get("List-Unsubscribe")) {
		t.Errorf("List-Unsubscribe is %q, want one https URI", h.Get("List-Unsubscribe"))
	}
	if !regexp.MustCompile(`^<[a-z2-7]+@meridian\.example>$`).MatchString(h.Get("Message-ID")) {
		t.Errorf("Message-ID is %q", h.Get("Message-ID"))
	}
	if from, err := mail.ParseAddressList(h.Get("From")); err != nil || len(from) != 1 || from[0].Address != "digest@meridian.example" || from[0].Name != "The Meridian Post" {
		t.Errorf("From is %q", h.Get("From"))
	}
	if _, err := time.Parse(time.RFC1123Z, h.Get("Date")); err != nil {
		t.Error(err)
	}
	if parts := strings.Split(h.Get("Feedback-Id"), ":"); len(parts) > 4 || len(parts[len(parts)-1]) < 5 || len(parts[len(parts)-1]) > 15 {
		t.Errorf("Feedback-ID is %q, want at most 4 fields and 5 to 15 characters in the last", h.Get("Feedback-Id"))
	}
}

func TestOneClickOpens(t *testing.T) {
	raw, _ := compose(t, morning)
	link := strings.Trim(read(t, raw).header.Get("List-Unsubscribe"), "<>")
	a, err := sampleKeys(t).Open(link[strings.LastIndexByte(link, '/')+1:])
	if err != nil || a.Subscriber != 1001 || a.Edition != 3 || a.Slot != sampleIssue().Wall() {
		t.Errorf("token opens as %+v, %v", a, err)
	}
}

// TestHostileHeader: what a story says adds no field and breaks none.
func TestHostileHeader(t *testing.T) {
	raw, _ := compose(t, hostile)
	h := read(t, raw).header
	if h.Get("Bcc") != "" || len(h) != 16 {
		t.Errorf("fields %v", h)
	}
	raw, _ = compose(t, arabic)
	for _, name := range []string{"List-Id", "List-Unsubscribe", "Message-ID", "Feedback-Id"} {
		if v := read(t, raw).header.Get(name); strings.Contains(v, "=?") {
			t.Errorf("%s holds an encoded word: %q", name, v)
		}
	}
}

func TestListIDWithoutASCIITitle(t *testing.T) {
	e := sampleEdition()
	e.Title = "نشرة الصباح"
	p := samplePress(t, sampleConfig(), e)
	if got, want := p.listID(), "<morning.meridian.example>"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	e.Title = `The "Early" \ Post`
	if got, want := samplePress(t, sampleConfig(), e).listID(), `"The \"Early\" \\ Post" <morning.meridian.example>`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestReturnPath: a bounce names its delivery and nobody can make one up; every try has the same, whatever became of
// keys and case meanwhile, in a local part that is not too long (RFC 5321 section 4.5.3.1.1).
func TestReturnPath(t *testing.T) {
	d := laidOut(t, samplePress(t, sampleConfig(), sampleEdition()), morning)
	old := sampleKeys(t)
	rotated, err := subscribers.ParseKeys("k2:" + strings.Repeat("B", 42) + "A,k1:" + strings.Repeat("A", 43))
	if err != nil {
		t.Fatal(err)
	}
	form := regexp.MustCompile(`^bounce\+[a-z2-7]{20,57}@meridian\.example$`)
	seen := map[string]bool{}
	for _, subscriber := range []int64{1, 2, 127, 128, 1001, 1 << 31, 1<<56 - 1} {
		to := sampleDelivery()
		to.Subscriber = subscriber
		first, err := NewComposer(nil, old, "meridian.example").Message(d, sampleIssue(), to, nil)
		if err != nil {
			t.Fatal(err)
		}
		again := *to
		again.Attempts, again.Copies, again.Date, again.KeyID, again.Address = 3, 1, to.Date.Add(time.Hour), "k2", "new@reader.example"
		m, err := NewComposer(nil, rotated, "meridian.example").Message(d, sampleIssue(), &again, nil)
		if err != nil || m.ReturnPath != first.ReturnPath || m.ID != first.ID {
			t.Errorf("the second try has %q and %q, the first one %q and %q (%v)", m.ReturnPath, m.ID, first.ReturnPath, first.ID, err)
		}
		local, _, _ := strings.Cut(m.ReturnPath, "@")
		if !form.MatchString(m.ReturnPath) || len(local) > 64 || seen[local] {
			t.Errorf("return path is %q", m.ReturnPath)
		}
		seen[local] = true
		token := strings.TrimPrefix(local, "bounce+")
		if m.ID != token || read(t, m.Body).header.Get("X-Broadsheet-Delivery") != token {
			t.Errorf("the delivery is named %q in the envelope, not %q", m.ID, token)
		}
		for _, k := range []*subscribers.Keys{old, rotated} {
			for _, token := range []string{token, strings.ToUpper(token), strings.ToLower(strings.ToUpper(token))} {
				if e, slot, sub, ok := k.OpenReturnPath(token); !ok || e != 3 || slot != sampleIssue().Wall() || sub != subscriber {
					t.Errorf("return path opens as %d %d %d %v", e, slot, sub, ok)
				}
			}
			for i := range token { // flipped anywhere it opens nothing
				forged := []byte(token)
				forged[i] = "ab"[b2i(forged[i] == 'a')]
				if _, _, _, ok := k.OpenReturnPath(string(forged)); ok {
					t.Errorf("%s opens", forged)
				}
			}
		}
		if m.UTF8 || m.EightBit || m.Recipient != again.Address {
			t.Errorf("envelope %+v", m)
		}
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// TestFeedbackID: at most four fields, the last one the sender's, 5 to 15 characters and always the same, and the same
// for all readers.
func TestFeedbackID(t *testing.T) {
	sender := map[string]string{}
	for _, from := range []string{"a@b.example", "news@x.y", "news@a-very-long-name-of-a-publication.example", "news@zürich.example"} {
		for _, edition := range []string{"morning", "Evening: late", "وجبة"} {
			config, e := sampleConfig(), sampleEdition()
			config.Publication.From, e.Name = from, edition
			d := laidOut(t, samplePress(t, config, e), morning)
			c := NewComposer(nil, sampleKeys(t), from)
			var ids []string
			for n := range 3 {
				to := sampleDelivery()
				to.Subscriber, to.Address = int64(n), strings.Repeat("a", n+1)+"@reader.example"
				m, err := c.Message(d, sampleIssue(), to, nil)
				if err != nil {
					t.Fatal(err)
				}
				h := read(t, m.Body).header
				ids = append(ids, h["Feedback-Id"]...)
			}
			if len(ids) != 3 || ids[0] != ids[1] || ids[0] != ids[2] {
				t.Fatalf("%s: readers have %q", edition, ids)
			}
			fields := strings.Split(ids[0], ":")
			last := fields[len(fields)-1]
			if len(fields) > 4 || !regexp.MustCompile(`^[a-z0-9-]{5,15}$`).MatchString(last) {
				t.Errorf("Feedback-ID is %q", ids[0])
			}
			if was := sender[from]; was != "" && was != last {
				t.Errorf("sender of %s is %q and %q", from, was, last)
			}
			sender[from] = last
		}
	}
}

func TestUTF8Address(t *testing.T) {
	s, sel := morning()
	d, err := samplePress(t, sampleConfig(), sampleEdition()).Layout(t.Context(), sampleIssue(), sel, s.story)
	if err != nil {
		t.Fatal(err)
	}
	to := sampleDelivery()
	to.Address = "zoë@reader.example"
	m, err := NewComposer(nil, sampleKeys(t), "meridian.example").Message(d, sampleIssue(), to, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !m.UTF8 || !m.EightBit || !bytes.Contains(m.Body, []byte("\r\nTo: zoë@reader.example\r\n")) {
		t.Error("a local part beyond ASCII needs SMTPUTF8 and stands as it is")
	}
}
