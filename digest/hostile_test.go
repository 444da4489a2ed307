package digest

import (
	"bytes"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"broadsheet/stories"
)

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
