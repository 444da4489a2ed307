package report

import (
	"strings"
	"testing"

	"broadsheet/mailer"
)

func TestSpoken(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"gmail":         {"Well said.\n\nOn Thu, Nov 26, 2026 at 8:00 AM The Meridian Post <\nreply+abc@meridian.example> wrote:\n\n> Coastal towns win\n> Unsubscribe: https://x\n>\n", "Well said."},
		"gmail long":    {"Yes\r\n\r\nOn Thu, 26 Nov 2026 at 08:00, The Meridian Post with a very long name\r\n<reply+abcdefghijkl@meridian.example>\r\nwrote:\r\n\r\n> quoted\r\n", "Yes"},
		"below":         {"On 26 Nov 2026, Ada wrote:\n> one\n> two\n\nI answer below.\n", "I answer below."},
		"between":       {"On 26 Nov 2026, Ada wrote:\n> one\nNo.\n> two\nYes.\n", "No.\nYes."},
		"apple":         {"Thanks!\n\nSent from my iPhone\n\n> On 26 Nov 2026, at 08:00, The Meridian Post <digest@meridian.example> wrote:\n> \n> \ufeff\n> Leave all mail\n", "Thanks!"},
		"outlook":       {"Too long.\n\nGet Outlook for iOS<https://aka.example/o0ukef>\n________________________________\nFrom: The Meridian Post <digest@meridian.example>\nSent: Thursday, November 26, 2026 8:00:00 AM\nTo: ada@reader.example <ada@reader.example>\nSubject: Morning\n\nUnsubscribe\n", "Too long."},
		"outlook old":   {"Hello\n\n-----Original Message-----\nFrom: x\nSent: y\n\nUnsubscribe\n", "Hello"},
		"outlook bold":  {"Hello\n\n*From:* The Meridian Post <d@meridian.example>\n*Sent:* Thursday\n*To:* Ada\n*Subject:* Morning\n\nUnsubscribe\n", "Hello"},
		"yahoo":         {"Nice\n    On Thursday, 26 November 2026 at 08:00:00 GMT, The Meridian Post <digest@meridian.example> wrote:  \n \n Coastal towns\n Unsubscribe\n", "Nice"},
		"signature":     {"See you.\n\n-- \nAda Example\nunsubscribe from everything\n", "See you."},
		"forwarded":     {"Look.\n\n---------- Forwarded message ---------\nFrom: x\n\nUnsubscribe\n", "Look."},
		"generic":       {"Gut.\n\nThe Meridian Post <digest@meridian.example>, Do. 26. Nov.:\n> a\n", "Gut."},
		"german":        {"Gut.\n\nAm Do., 26. Nov. 2026 um 08:00 Uhr schrieb The Meridian Post <\nd@meridian.example>:\n\n> a\n", "Gut."},
		"arabic gmail":  {"شكرًا\n\nفي الخميس، 26 نوفمبر 2026 في 8:00 ص تمت كتابة ما يلي بواسطة The Meridian Post <\ndigest@meridian.example>:\n\n> إلغاء الاشتراك\n", "شكرًا"},
		"arabic apple":  {"شكرًا\n\nأُرسلت من الـ iPhone\n\n> في ٢٦ نوفمبر ٢٠٢٦، الساعة ٨:٠٠ ص، كتب The Meridian Post <d@meridian.example>:\n> إلغاء\n", "شكرًا"},
		"arabic yahoo":  {"شكرًا\n    في الخميس، ٢٦ نوفمبر ٢٠٢٦ ٠٨:٠٠:٠٠ ص غرينتش+٤، كتب \u202aThe Meridian Post\u202c\u200f <d@meridian.example>:  \n \n إلغاء الاشتراك\n", "شكرًا"},
		"arabic marks":  {"نعم\n\n\u202bبتاريخ 26 نوفمبر 2026 كتب \u202aAda\u202c\u200f <\u202ad@meridian.example\u202c\u200f>:\u202c\n\n> إلغاء\n", "نعم"},
		"arabic office": {"حسنًا\n\nمن: The Meridian Post <d@meridian.example>\nتم الإرسال: الخميس 26 نوفمبر 2026\nإلى: ada@reader.example\nالموضوع: الصباح\n\nإلغاء الاشتراك\n", "حسنًا"},
		"arabic orig":   {"حسنًا\n-----الرسالة الأصلية-----\nمن: x\nإلغاء\n", "حسنًا"},
		"no quote":      {"On Monday I wrote this down:\nferry, 8 o'clock\nFrom: here we go", "On Monday I wrote this down:\nferry, 8 o'clock\nFrom: here we go"},
		"only quote":    {"> a\n> b\n", ""},
		"empty":         {"", ""},
	} {
		if got := spoken(tt.text); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func TestHTMLText(t *testing.T) {
	for name, tt := range map[string]struct{ html, want string }{
		"gmail":     {`<div dir="ltr">Well <b>said</b>.<div>Two</div></div><br><div class="gmail_quote gmail_quote_container"><div dir="ltr" class="gmail_attr">On Thu wrote:</div><blockquote class="gmail_quote"><div>Unsubscribe</div></blockquote></div>`, "Well said .\nTwo"},
		"outlook":   {`<html><head><style>p{}</style></head><body><p>Too long.</p><div id="appendonsend"></div><hr><div id="divRplyFwdMsg">From</div><p>Unsubscribe</p></body></html>`, "Too long."},
		"nested":    {`a<blockquote>x<blockquote>y</blockquote>z</blockquote><p>b</p>`, "a\n b"},
		"unclosed":  {`a<blockquote>x<div>y`, "a"},
		"thunder":   {`<p>Yes</p><div class="moz-cite-prefix">On 26 Nov 2026 X wrote:</div><blockquote type="cite">no</blockquote>`, "Yes"},
		"no markup": {`plain`, "plain"},
	} {
		if got := strings.Join(strings.FieldsFunc(spoken(htmlText(tt.html)), func(r rune) bool { return r == '\n' }), "\n"); strings.ReplaceAll(got, "\n ", "\n") != strings.ReplaceAll(tt.want, "\n ", "\n") {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// letter is a mail by a person, as their program writes it.
func letter(fields, body string) []byte {
	return []byte("From: Ada Example <ada@reader.example>\nTo: reply+abc@meridian.example\nSubject: Re: Morning\nDate: Thu, 26 Nov 2026 09:00:00 +0000\n" +
		"Message-ID: <1@reader.example>\nIn-Reply-To: <x@meridian.example>\n" + fields + "\n" + body)
}

func TestAnswers(t *testing.T) {
	for name, tt := range map[string]struct {
		raw   []byte
		class mailer.Class
		text  string
		leave bool
	}{
		"plain":      {letter("", "Well said.\n"), mailer.Answer, "Well said.", false},
		"leave":      {letter("", "Please unsubscribe me.\n\nOn 26 Nov 2026, X wrote:\n> a\n"), mailer.Answer, "Please unsubscribe me.", true},
		"our foot":   {letter("", "Great.\n\nOn 26 Nov 2026, X wrote:\n> Unsubscribe me: https://x\n> unsubscribe me\n"), mailer.Answer, "Great.", false},
		"both parts": {letter("Content-Type: multipart/alternative; boundary=b\n", "--b\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\n2KPYsdmK2K8g2KXZhNi62KfYoSDYp9mE2KfYtNiq2LHYp9mD\n--b\nContent-Type: text/html\n\n<p>x</p>\n--b--\n"), mailer.Answer, "أريد إلغاء الاشتراك", true},
		"html alone": {letter("Content-Type: text/html; charset=utf-8\n", "<p>Take me off your list</p><blockquote>x</blockquote>"), mailer.Answer, "Take me off your list", true},
		"empty":      {letter("", ""), mailer.Answer, "", false},
	} {
		r := Read(tt.raw)
		if r.Class != tt.class || strings.TrimSpace(r.Text) != tt.text || r.Leave != tt.leave || len(r.News) != 0 {
			t.Errorf("%s: %s %q leave=%v %v", name, r.Class, r.Text, r.Leave, r.News)
		}
	}
	r := Read([]byte("From: ada@reader.example\nTo: desk@meridian.example\nSubject: unsubscribe\n\n"))
	if r.Class != mailer.NoBounce || !r.Leave {
		t.Errorf("a mail that says it in its subject: %s leave=%v", r.Class, r.Leave)
	}
	r = Read([]byte("From: ada@reader.example\nTo: desk@meridian.example\nSubject: Re: How to unsubscribe from your gym\n\nNice one.\n"))
	if r.Class != mailer.Answer || r.Leave {
		t.Errorf("a headline is not the reader's word: %s leave=%v", r.Class, r.Leave)
	}
}
