package digest

import (
	"bytes"
	"net/mail"
	"regexp"
	"strings"
	"testing"
	"time"
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

func TestReturnPath(t *testing.T) {
	s, sel := morning()
	d, err := samplePress(t, sampleConfig(), sampleEdition()).Layout(t.Context(), sampleIssue(), sel, s.story)
	if err != nil {
		t.Fatal(err)
	}
	m, err := NewComposer(nil, sampleKeys(t), "meridian.example").Message(d, sampleIssue(), sampleDelivery(), nil)
	if err != nil {
		t.Fatal(err)
	}
	local, domain, _ := strings.Cut(m.ReturnPath, "@")
	token, ok := strings.CutPrefix(local, "bounce+")
	if !ok || domain != "meridian.example" || len(local) > 64 {
		t.Errorf("return path is %q", m.ReturnPath)
	}
	if e, slot, sub, ok := sampleKeys(t).OpenReturnPath(token); !ok || e != 3 || slot != sampleIssue().Wall() || sub != 1001 {
		t.Errorf("return path opens as %d %d %d %v", e, slot, sub, ok)
	}
	if m.UTF8 || m.EightBit || m.Recipient != "ada+news@reader.example" {
		t.Errorf("envelope %+v", m)
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
