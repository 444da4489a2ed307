package digest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"broadsheet/mailer"
	"broadsheet/schedule"
	"broadsheet/templates"
)

var noticeKinds = []string{NoticeConfirm, NoticeKnown, NoticeNewAddress, NoticeMoved, NoticeLeft, NoticePaused, NoticeChanged,
	NoticeLink, NoticeData, NoticeAddress, NoticeErase, NoticeFeed}

func noticePress(t testing.TB) *NoticePress {
	t.Helper()
	set, err := templates.Load("")
	if err != nil {
		t.Fatal(err)
	}
	c := sampleConfig()
	c.Publication.NoticesFrom = "confirm@meridian.example"
	c.Editions = []schedule.Edition{sampleEdition()}
	p, err := NewNoticePress(c, set)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func noticeIssue() *Issue {
	return &Issue{ID: 8, Edition: NoticeEdition, EditionID: 9, Slot: "2026-04-02 06:00:01.250000", SlotID: 44, Zone: "UTC", Hour: 6,
		Local: "2026-04-02 06:00", Due: sampleDue, Opened: sampleDue}
}

// notice makes the mail of a notice.
func notice(t *testing.T, p *NoticePress, n Notice) (*Digest, []byte) {
	t.Helper()
	d, err := p.Layout(&n)
	if err != nil {
		t.Fatalf("%s: %v", n.Kind, err)
	}
	m, err := NewComposer(nil, sampleKeys(t), "meridian.example").Message(d, noticeIssue(),
		&mailer.Delivery{Issue: 8, Slot: 44, Subscriber: 1001, Digest: 6, Address: "ada+news@reader.example", Date: sampleDue.Add(3 * time.Second), KeyID: "k1"}, nil)
	if err != nil {
		t.Fatalf("%s: %v", n.Kind, err)
	}
	return d, m.Body
}

func TestNoticesGolden(t *testing.T) {
	p := noticePress(t)
	for _, n := range []Notice{
		{Kind: NoticeConfirm, Language: "en", Number: 77}, {Kind: NoticeConfirm, Language: "ar", Number: 77},
		{Kind: NoticeLeft, Language: "en", Number: 512, Detail: "morning"}, {Kind: NoticeErase, Language: "ar"},
		{Kind: NoticeConfirm, Language: "en", TextOnly: true, Number: 77},
	} {
		name := "notice-" + n.Kind + "-" + n.Language
		if n.TextOnly {
			name += "-text"
		}
		_, body := notice(t, p, n)
		golden(t, name+".eml", body)
		mail := read(t, body)
		golden(t, name+".txt", mail.text)
		if !n.TextOnly {
			golden(t, name+".html", mail.html)
		}
	}
	for _, lang := range []string{"en", "ar"} {
		var all strings.Builder
		for _, kind := range noticeKinds {
			list := []Notice{{}}
			switch kind {
			case NoticeLeft:
				list = []Notice{{}, {Detail: "morning"}}
			case NoticePaused:
				list = []Notice{{}, {Zone: "America/New_York", Paused: time.Date(2026, 5, 1, 4, 0, 0, 0, time.UTC)}}
			}
			for _, n := range list {
				n.Kind, n.Language, n.Number = kind, lang, 3
				d, body := notice(t, p, n)
				fmt.Fprintf(&all, "== %s: %s\n\n%s\n", kind, d.Subject, read(t, body).text)
			}
		}
		golden(t, "notices-"+lang+".txt", []byte(all.String()))
	}
}

// TestNoticeIsNoList: what makes a mail a newsletter's is not there, and what tells robots not to
// answer is.
func TestNoticeIsNoList(t *testing.T) {
	_, body := notice(t, noticePress(t), Notice{Kind: NoticeConfirm, Number: 1})
	h := read(t, body).header
	for name := range h {
		if strings.HasPrefix(name, "List-") || name == "Precedence" || name == "Feedback-Id" {
			t.Errorf("%s: %q", name, h[name])
		}
	}
	for name, want := range map[string]string{"From": "The Meridian Post <confirm@meridian.example>", "To": "ada+news@reader.example",
		"Reply-To": "letters@meridian.example", "Auto-Submitted": "auto-generated", "Subject": "Please confirm your subscription to The Meridian Post"} {
		if got := h[name]; len(got) != 1 || strings.Trim(got[0], "<>") != want && got[0] != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if id := h.Get("Message-Id"); !strings.HasSuffix(id, "@meridian.example>") {
		t.Errorf("Message-ID %q", id)
	}
}

// TestNoticeLinks: each notice has one link, the same in both parts, which opens to what its kind
// is for and for as long as it says.
func TestNoticeLinks(t *testing.T) {
	p, keys := noticePress(t), sampleKeys(t)
	made := time.Date(2026, 4, 2, 6, 0, 1, 250e6, time.UTC)
	for _, kind := range noticeKinds {
		_, body := notice(t, p, Notice{Kind: kind, Number: 77, Subscriber: 1001})
		mail := read(t, body)
		var seen []string
		for _, part := range []string{string(mail.text), string(mail.html)} {
			found := strings.Split(part, "https://news.meridian.example/l/")
			if len(found) != 2 {
				t.Fatalf("%s: %d links in a part, want 1", kind, len(found)-1)
			}
			end := strings.IndexAny(found[1], "\"\r\n")
			seen = append(seen, found[1][:end])
		}
		if seen[0] != seen[1] {
			t.Errorf("%s: text and HTML lead to different places", kind)
		}
		a, err := keys.Open(seen[0])
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		want, number := noticeLink(&Notice{Kind: kind, Number: 77})
		if a.Kind != want || a.Story != number || a.Subscriber != 1001 || a.Section != "" {
			t.Errorf("%s: link is %+v", kind, a)
		}
		if life := a.Kind.Life(); a.Expired(made.Add(life)) || !a.Expired(made.Add(life+2*time.Minute)) {
			t.Errorf("%s: link of life %s ends at another time", kind, life)
		}
		if NoticeLife(kind) > want.Life() {
			t.Errorf("%s: may go for %s, but its link works for %s", kind, NoticeLife(kind), want.Life())
		}
	}
}

// TestNoticesShare: what the mails of a run have in common is one fragment, and so is a digest of
// notices that say the same.
func TestNoticesShare(t *testing.T) {
	p := noticePress(t)
	one, _ := notice(t, p, Notice{Kind: NoticeConfirm, Number: 1})
	two, _ := notice(t, p, Notice{Kind: NoticeConfirm, Number: 2})
	if one.Key == two.Key {
		t.Error("two requests have one digest")
	}
	var own []int
	for n := range one.Pieces {
		if one.Pieces[n].Fragment != two.Pieces[n].Fragment {
			own = append(own, len(one.Pieces[n].Fragment.Body))
		}
	}
	if len(own) != 2 || slices.Max(own) > 32 {
		t.Errorf("fragments of its own in a mail, by size: %v", own)
	}
	a, _ := notice(t, p, Notice{Kind: NoticeLink, Number: 1, Subscriber: 3})
	b, _ := notice(t, p, Notice{Kind: NoticeLink, Number: 2, Subscriber: 4})
	if a.Key != b.Key {
		t.Error("one link in two digests")
	}
}

// TestBadNotices are errors, and nothing that was typed gets into a confirmation.
func TestBadNotices(t *testing.T) {
	p := noticePress(t)
	for _, n := range []Notice{{}, {Kind: "left_all"}, {Kind: "paused_until"}} {
		if _, err := p.Layout(&n); err == nil {
			t.Errorf("%+v was laid out", n)
		}
	}
	for _, kind := range noticeKinds {
		if kind == NoticeLeft {
			continue
		}
		plain, body := notice(t, p, Notice{Kind: kind})
		odd, other := notice(t, p, Notice{Kind: kind, Detail: "Buy now: https://spam.example", Address: "x@y.example", Zone: "No/Where"})
		if string(body) != string(other) || plain.Key != odd.Key {
			t.Errorf("%s: the detail shows in the mail", kind)
		}
	}
	_, body := notice(t, p, Notice{Kind: NoticeLeft, Detail: "gone\r\nBcc: all@reader.example <script>\x01v0\x02"})
	if mail := read(t, body); strings.Contains(string(mail.html), "<script>") || mail.header.Get("Bcc") != "" {
		t.Errorf("an edition's name breaks out:\n%s", body)
	}
}
