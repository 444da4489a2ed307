package digest

import (
	"bytes"
	"encoding/json"
	stdhtml "html"
	"math/rand/v2"
	"net/mail"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"broadsheet/mailer"
	"broadsheet/stories"
	"broadsheet/subscribers"
)

// evil is text that has broken mails: at the beginnings and ends of lines, in the middle of them, as one endless word.
var evil = []string{
	".", "..", "\n.\n", "\r\n.\r\n", "\n..\n", "\r", "\n", "\r\n", "\n\n\n", " \n", "\t\r\n", " ", "   ", "\x00", "\x7f", "\u0085", "\u2028", "\u2029",
	"\xff\xfe", "\xc3", "é", "naïve", "From ", "\nFrom the start", ">From ", "=", "==", "=\r\n", "=0D=0A.=0D=0A", "=2E", "=3D", "= \n", "=?utf-8?q?word?=",
	"--=_broadsheet_alternative", "\r\n--=_broadsheet_alternative--\r\n", "\n--=_broadsheet_alternative\nContent-Type: text/html\n\n", "=_",
	"\r\nBcc: everyone@reader.example\r\n\r\n", "l1;2;x", "v0", "s1", "<script>", "</html>", "&amp;", "\"", "'", "{{.}}", "%s%n", "\\",
	"مرحبا بالعالم", "שלום", "\u202eevil\u202c", "\u200f", "👩‍👩‍👧‍👦", "🏳️‍🌈", "Z\u0341\u0342\u0343", "ordinary words, too", "https://meridian.example/?a=b&c=d",
	strings.Repeat("x", 74), strings.Repeat("y", 75), strings.Repeat("z", 76), strings.Repeat("Ungeheuer", 250), strings.Repeat("word ", 400),
	strings.Repeat("ع", 5000), strings.Repeat("w", 10<<10), strings.Repeat(".", 200), strings.Repeat("=", 100), strings.Repeat(" ", 2000),
}

// look-alikes of marks, which only text that was not cleaned can hold.
var evilMarks = []string{"\x01v0\x02", "\x01l1;2;x\x02", "\x01u7;0;\x02", "\x01", "\x02", "\x01\x02", "\x01?", "\x01r\x02", "\x01v99\x02"}

func evilText(rnd *rand.Rand, from []string) string {
	var b strings.Builder
	for range 1 + rnd.IntN(6) {
		b.WriteString(from[rnd.IntN(len(from))])
	}
	return b.String()
}

// same shows where two long texts begin to differ.
func same(t *testing.T, name, got, want string) {
	t.Helper()
	n := 0
	for n < min(len(got), len(want)) && got[n] == want[n] {
		n++
	}
	if got != want {
		t.Errorf("%s: after %d octets, %q, comes %q, want %q", name, n, got[max(0, n-80):n], got[n:min(n+40, len(got))], want[n:min(n+40, len(want))])
	}
}

// TestRoundTrip: whatever rendered text and fillings say, the parts hold just that on the other side, links included,
// and the header holds no more and no less than it should.
func TestRoundTrip(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	keys := sampleKeys(t)
	c := NewComposer(nil, keys, "meridian.example")
	p := samplePress(t, sampleConfig(), sampleEdition())
	header, err := p.header(false)
	if err != nil {
		t.Fatal(err)
	}
	rounds := 400
	if testing.Short() {
		rounds = 60
	}
	for range rounds {
		d := sampleDelivery()
		d.Subscriber = rnd.Int64N(1 << 40)
		d.Address = []string{"ada+news@reader.example", ".o'neil&sons=1@reader.example", strings.Repeat("l", 64) + "@" + strings.Repeat("d.", 60) + "example"}[rnd.IntN(3)]
		var subject mailer.Header
		line := mailer.NewLine(evilText(rnd, evil))
		subject.Add("Subject", line)
		field, err := subject.AppendTo(nil)
		if err != nil {
			t.Fatal(err)
		}
		dg := &Digest{Zone: "UTC", Subject: line.String(), Pieces: []Piece{{header, []string{string(field)}}}}
		// part adds pieces and says what they must come to.
		part := func(address string, mark byte) (want string) {
			for range 1 + rnd.IntN(4) {
				body, piece := "", Piece{}
				for range rnd.IntN(5) {
					text := strings.ToValidUTF8(evilText(rnd, evil), "?")
					body, want = body+text, want+text
					switch rnd.IntN(4) {
					case 0:
						v := strings.ToValidUTF8(evilText(rnd, evil), "?")
						body, want = body+string(valueMark(len(piece.Values))), want+v
						piece.Values = append(piece.Values, quoteValue(v))
					case 1:
						a := subscribers.Action{Kind: subscribers.SectionLess, Story: rnd.Int64N(3), Section: strings.Repeat("s", rnd.IntN(2)*200)}
						body += string(linkMark(a.Kind, a.Story, a.Section))
						a.Edition, a.Slot, a.Subscriber = sampleIssue().EditionID, sampleIssue().Wall(), d.Subscriber
						token, err := keys.Token(d.KeyID, a)
						if err != nil {
							t.Fatal(err)
						}
						want += token
					case 2:
						body, want = body+string(plainMark(mark)), want+address
					}
				}
				body, want = body+"end", want+"end\n"
				piece.Fragment = &Fragment{Body: quoteBody(body)}
				dg.Pieces = append(dg.Pieces, piece)
			}
			return want
		}
		dg.Pieces = append(dg.Pieces, Piece{Fragment: p.fixed(partText)})
		text := part(d.Address, markAddrText)
		dg.Pieces = append(dg.Pieces, Piece{Fragment: p.fixed(partHTML)})
		page := part(stdhtml.EscapeString(d.Address), markAddress)
		dg.Pieces = append(dg.Pieces, Piece{Fragment: p.fixed(partEnd)})

		m, err := c.Message(dg, sampleIssue(), d, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := read(t, m.Body)
		// A CR says nothing that LF does not, and the last line end is the boundary's (RFC 2046 section 5.1.1).
		arrives := strings.NewReplacer("\r", "", "\n", "\r\n")
		same(t, "text", string(got.text)+"\r\n", arrives.Replace(text))
		same(t, "HTML", string(got.html)+"\r\n", arrives.Replace(page))
		if s := decoded(t, got.header.Get("Subject")); s != line.String() {
			t.Errorf("subject is %q, want %q", s, line)
		}
		if to := got.header.Get("To"); len(got.header) != 16 || to != d.Address {
			t.Errorf("to %q, fields %v", to, got.header)
		}
		if !m.Clean {
			t.Error("the mail is not clean")
		}
	}
}

// TestHostileEverywhere puts such text into each field of stories, sections and the publication itself: the mails
// are well formed by Go's reader and, where it is there, Python's.
func TestHostileEverywhere(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	all := append(append([]string{}, evil...), evilMarks...)
	folder := t.TempDir()
	var files []string
	mails := 40
	if testing.Short() {
		mails = 10
	}
	for n := range mails {
		config := sampleConfig()
		pub := &config.Publication
		pub.Name, pub.FromName, pub.Tagline = "N"+evilText(rnd, all), "F"+evilText(rnd, all), evilText(rnd, all)
		pub.PostalAddress = evilText(rnd, all)
		for i := range config.Sections {
			config.Sections[i].Name = "S" + evilText(rnd, all)
		}
		e := sampleEdition()
		e.Title = evilText(rnd, all)
		p := samplePress(t, config, e)
		s, sel := shelf{}, &Selection{Language: []string{"en", "ar"}[n%2], Zone: "Asia/Dubai", TextOnly: n%5 == 0}
		for _, section := range []string{"politics", "science", "arabic"} {
			picked := Picked{Section: section, More: rnd.IntN(3)}
			for range 3 {
				text := func() string { return evilText(rnd, all) }
				picked.Stories = append(picked.Stories, s.put(stories.Story{Headline: "H" + text(), Lead: text(), Authors: []string{text(), text()},
					City: text(), Agencies: []string{text()}, Byline: text(), Language: text(), Published: ago(0), Words: 1,
					Image: &stories.Image{URL: "https://img.meridian.example/" + text(), Alt: text(), Credit: text()}}))
			}
			sel.Sections = append(sel.Sections, picked)
		}
		d, err := p.Layout(t.Context(), sampleIssue(), sel, s.story)
		if err != nil {
			t.Fatal(err)
		}
		m, err := NewComposer(nil, sampleKeys(t), "meridian.example").Message(d, sampleIssue(), sampleDelivery(), nil)
		if err != nil {
			t.Fatal(err)
		}
		got := read(t, m.Body)
		want := 16
		if sel.TextOnly {
			want++ // Content-Transfer-Encoding
		}
		if len(got.header) != want {
			t.Errorf("%d fields, want %d: %v", len(got.header), want, got.header)
		}
		if from, err := mail.ParseAddress(got.header.Get("From")); err != nil || from.Address != "digest@meridian.example" || from.Name != mailer.NewLine(pub.FromName).String() {
			t.Errorf("From is %v of %q (%v)", from, pub.FromName, err)
		}
		if subject := decoded(t, got.header.Get("Subject")); subject != mailer.NewLine(d.Subject).String() {
			t.Errorf("subject is %q, want %q", subject, d.Subject)
		}
		if id := got.header.Get("List-Id"); len(id) > 255 || !strings.HasSuffix(id, "<morning.meridian.example>") {
			t.Errorf("List-Id is %q", id)
		}
		if !m.Clean || !fit(string(m.Body)) {
			t.Error("the mail is not clean")
		}
		if !sel.TextOnly {
			checkMarkup(t, got.html)
			if h, x := linkTo.FindAllString(string(got.html), -1), linkTo.FindAllString(string(got.text), -1); strings.Join(h, " ") != strings.Join(x, " ") {
				t.Error("links of HTML and text differ")
			}
		}
		file := filepath.Join(folder, "mail"+string(rune('A'+n))+".eml")
		if err := os.WriteFile(file, m.Body, 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 to read the mails once more")
	}
	if out, err := exec.Command(python, append([]string{"../.ci/checks/mime.py"}, files...)...).CombinedOutput(); err != nil {
		t.Errorf("mime.py: %v\n%s", err, out)
	}
}

// TestHostileCorpus puts strings that broke other programs into every field of a story: the mail
// stays well formed, and its HTML holds no element, handler or address but the template's own.
func TestHostileCorpus(t *testing.T) {
	data := os.Getenv("BROADSHEET_DATA")
	if data == "" {
		t.Skip("set BROADSHEET_DATA to a folder of test data to try hostile strings")
	}
	var lines []string
	b, err := os.ReadFile(filepath.Join(data, "strings", "blns.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &lines); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"xss/payloadbox.txt", "headers/crlf.txt", "csv/payloads.txt"} {
		b, err := os.ReadFile(filepath.Join(data, file))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			lines = append(lines, line)
			if raw, err := url.PathUnescape(strings.TrimSpace(line)); err == nil && raw != line {
				lines = append(lines, raw) // the line breaks that %0d%0a stands for
			}
		}
	}
	if len(lines) == 0 {
		t.Fatal("the corpus is empty")
	}
	p, c := samplePress(t, sampleConfig(), sampleEdition()), NewComposer(nil, sampleKeys(t), "meridian.example")
	s := shelf{}
	for len(lines) > 0 {
		n := min(12, len(lines))
		sel := &Selection{Language: "en", Zone: "UTC", Sections: []Picked{{Section: "politics", More: 1}}}
		for _, text := range lines[:n] {
			sel.Sections[0].Stories = append(sel.Sections[0].Stories, s.put(stories.Story{Headline: "x" + text, Lead: text, Authors: []string{text, text},
				City: text, Agencies: []string{text}, Byline: text, Language: text, Published: ago(0), Words: 1,
				Image: &stories.Image{URL: "https://img.meridian.example/" + text, Alt: text, Credit: text}}))
		}
		lines = lines[n:]
		d, err := p.Layout(t.Context(), sampleIssue(), sel, s.story)
		if err != nil {
			t.Fatal(err)
		}
		m, err := c.Message(d, sampleIssue(), sampleDelivery(), nil)
		if err != nil {
			t.Fatal(err)
		}
		mail := read(t, m.Body)
		if len(mail.header) != 16 {
			t.Errorf("header has %d fields: %v", len(mail.header), mail.header)
		}
		checkMarkup(t, mail.html)
		if h, x := linkTo.FindAllString(string(mail.html), -1), linkTo.FindAllString(string(mail.text), -1); strings.Join(h, " ") != strings.Join(x, " ") {
			t.Error("links of HTML and text differ")
		}
		page, err := BrowserPage(d, func(int64) string { return "https://news.meridian.example/l/story" }, nil)
		if err != nil {
			t.Fatal(err)
		}
		checkMarkup(t, []byte(page.Body))
		if strings.Contains(page.Style, "<") {
			t.Errorf("the style holds %q", page.Style)
		}
	}
}

func checkMarkup(t *testing.T, page []byte) {
	t.Helper()
	if bytes.Contains(page, []byte("ZgotmplZ")) {
		t.Error("html/template found a place unsafe")
	}
	allowed := "html head meta title style body div table tbody tr td p a span b h1 h2 h3 img br"
	for z := html.NewTokenizer(bytes.NewReader(page)); z.Next() != html.ErrorToken; {
		token := z.Token()
		if token.Type != html.StartTagToken && token.Type != html.SelfClosingTagToken {
			continue
		}
		if !strings.Contains(" "+allowed+" ", " "+token.Data+" ") {
			t.Errorf("element %s", token.Data)
		}
		for _, a := range token.Attr {
			ours := strings.HasPrefix(a.Val, "https://news.meridian.example/l/") || token.Data == "img" && strings.HasPrefix(a.Val, "https://img.meridian.example/")
			if strings.HasPrefix(a.Key, "on") || (a.Key == "href" || a.Key == "src") && !ours {
				t.Errorf("attribute %s=%q of %s", a.Key, a.Val, token.Data)
			}
		}
	}
}
