package stories

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"
)

// active lists what in a piece of HTML could act when it is shown: scripts, handlers, active URLs, forms,
// frames, styles and whatever loads by itself.
func active(s string) []string {
	var found []string
	bad := []string{"script", "style", "iframe", "frame", "object", "embed", "applet", "form", "input", "button", "textarea", "select", "meta",
		"link", "base", "svg", "math", "img", "image", "video", "audio", "source", "template", "noscript", "isindex", "marquee", "body", "html", "head", "portal"}
	nodes, err := html.ParseFragment(strings.NewReader(s), nil)
	if err != nil {
		return []string{err.Error()}
	}
	var walk func(*html.Node)
	walk = func(n *html.Node) {
		// ParseFragment without a context makes html, head and body itself.
		made := len(n.Attr) == 0 && slices.Contains([]string{"html", "head", "body"}, n.Data)
		if n.Type == html.ElementNode && !made {
			if slices.Contains(bad, n.Data) {
				found = append(found, "<"+n.Data+">")
			}
			for _, a := range n.Attr {
				v := strings.ToLower(strings.TrimSpace(a.Val))
				if strings.HasPrefix(a.Key, "on") || a.Key == "style" || a.Key == "src" || a.Key == "srcdoc" || a.Key == "formaction" || a.Key == "id" || a.Key == "name" {
					found = append(found, a.Key)
				}
				if a.Key == "href" && !strings.HasPrefix(v, "http://") && !strings.HasPrefix(v, "https://") && !strings.HasPrefix(v, "mailto:") {
					found = append(found, "href "+a.Val)
				}
			}
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			walk(c)
		}
	}
	for _, n := range nodes {
		walk(n)
	}
	return found
}

func TestCleanKeepsStructure(t *testing.T) {
	in := `<div onclick="x()" style="color:red"><h2>Tide</h2><p>It <b>turned</b> <a href="https://x.example/a" target="_blank" onmouseover=x>here</a>.</p>` +
		`<img src="https://x.example/pixel.gif"><script>alert(1)</script><a href="javascript:alert(1)">no</a><ul><li>one</li></ul></div>`
	want := `<div><h2>Tide</h2><p>It <b>turned</b> <a href="https://x.example/a" rel="nofollow">here</a>.</p>no<ul><li>one</li></ul></div>`
	if got := Clean(in); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestNothingActiveSurvives(t *testing.T) {
	var payloads []string
	for l := range strings.Lines(string(read(t, data(t, "xss", "payloadbox.txt")))) {
		payloads = append(payloads, strings.TrimRight(l, "\r\n"))
	}
	for l := range bytes.Lines(read(t, data(t, "xss", "dompurify_expect.jsonl"))) {
		var p struct{ Payload string }
		if err := json.Unmarshal(l, &p); err != nil {
			t.Fatal(err)
		}
		payloads = append(payloads, p.Payload)
	}
	for _, p := range payloads {
		clean := Clean(p)
		if bad := active(clean); len(bad) > 0 {
			t.Errorf("%v survives in %q of %q", bad, clean, p)
		}
		if again := Clean(clean); len(active(again)) > 0 {
			t.Errorf("%q comes alive when cleaned again", p)
		}
		esc := html.EscapeString(p)
		list, _, err := Parse([]byte("<rss version='2.0'><channel><item><title>"+esc+"</title><link>"+esc+"</link><description>"+esc+"</description></item></channel></rss>"), "", "")
		if err != nil || len(list) != 1 {
			t.Errorf("%q breaks its feed: %v", p, err)
			continue
		}
		s := list[0]
		oneLine(t, "headline", s.Headline)
		if low := strings.ToLower(s.URL); strings.Contains(strings.SplitN(low, "/", 2)[0], "script:") || strings.HasPrefix(low, "data:") || strings.HasPrefix(low, "vbscript:") {
			t.Errorf("link %q", s.URL)
		}
	}
	if t.Logf("%d payloads", len(payloads)); len(payloads) == 0 {
		t.Error("the corpus is empty")
	}
}

func TestBlocks(t *testing.T) {
	got := blocksOf(`Loose text<p>One &amp; <i>two</i></p><h3>Then</h3><blockquote><p>Said she</p></blockquote><ul><li>a</li><li><p>b</p></li></ul>` +
		`three<br><br>four<br>five<style>p{}</style><table><tr><td>x</td><td>y</td></tr></table><p>*</p>`)
	want := []Block{{"p", "Loose text"}, {"p", "One & two"}, {"crosshead", "Then"}, {"quote", "Said she"}, {"list", "a"}, {"list", "b"},
		{"p", "three"}, {"p", "four five"}, {"p", "x y"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]Block{{"p", "One two"}, {"p", "A < B & C"}}, blocksOf("One\ntwo\n\nA &lt; B & C")); d != "" {
		t.Error(d)
	}
}

// TestItemFields reads one item that says everything.
func TestItemFields(t *testing.T) {
	doc := `<?xml version="1.0" encoding="UTF-8"?><rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:media="http://search.yahoo.com/mrss/" xmlns:content="http://purl.org/rss/1.0/modules/content/">
<channel><title>Harbour News</title><link>https://harbour.example/news/</link><language>en-gb</language><item>
<title>Tide &lt;i&gt;turns&lt;/i&gt; at
noon</title><link>../tide?utm_source=rss</link><guid isPermaLink="false">h-1</guid>
<pubDate>Wed, 24 Apr 2030 17:44:00 BST</pubDate><dc:creator>By Ada Quay and Ben Mole, Reuters</dc:creator><dc:source>AFP</dc:source>
<category>World/Sea</category><category>Weather</category>
<media:content url="https://harbour.example/s.jpg" medium="image" width="200"/><media:content url="https://harbour.example/l.jpg" type="image/jpeg" width="800" height="600"><media:credit>Cy Wharf</media:credit><media:description>The quay</media:description></media:content>
<description>&lt;p&gt;The tide turned. Nobody minded.&lt;/p&gt;</description>
<content:encoded><![CDATA[<p>The tide turned at noon.</p><h2>And then</h2><p>Nothing happened.</p>]]></content:encoded></item></channel></rss>`
	list, meta, err := Parse([]byte(doc), "application/rss+xml", "https://feeds.example/h.xml")
	if err != nil {
		t.Fatal(err)
	}
	s := list[0]
	s.place(map[string]string{"world": "World news", "wx": "weather"}, []string{"top"})
	got := fmt.Sprintln(meta.Title, meta.Link, meta.Language, "|", s.Headline, "|", s.URL, "|", s.Canonical, "|", s.GUID, "|", s.Published.Format("15:04Z"), s.PublishedRaw,
		"|", s.Byline, "|", s.Authors, s.Agencies, "|", s.Sections, s.SectionRaw, s.Tags, "|", s.Lead, "|", s.Blocks, s.Crossheads, s.Words, s.Language, "|", *s.Image)
	want := fmt.Sprintln("Harbour News https://harbour.example/news/ en-GB | Tide turns at noon | https://harbour.example/tide?utm_source=rss | https://harbour.example/tide | h-1 | 16:44Z Wed, 24 Apr 2030 17:44:00 BST",
		"| By Ada Quay and Ben Mole, Reuters | [Ada Quay Ben Mole] [Reuters AFP] | [world wx] World/Sea [World/Sea Weather] | The tide turned. Nobody minded. |",
		"[{p The tide turned at noon.} {crosshead And then} {p Nothing happened.}] [And then] 9 en-GB | {https://harbour.example/l.jpg  800 600 Cy Wharf The quay}")
	if got != want {
		t.Errorf("got  %swant %s", got, want)
	}
}

func TestMending(t *testing.T) {
	title := func(doc string) string {
		list, _, err := Parse([]byte(doc), "", "")
		if err != nil {
			return "error: " + err.Error()
		}
		var out []string
		for _, s := range list {
			out = append(out, s.Headline)
		}
		return strings.Join(out, "|")
	}
	for name, c := range map[string][2]string{
		"junk before":          {"\n\n Warning: x <?xml version='1.0'?><rss><channel><item><title>a</title></item></channel></rss>", "a"},
		"HTML before":          {"<br />\n<b>Warning</b>: x<br />\n<?xml version='1.0'?><rss><channel><item><title>a</title></item></channel></rss>", "a"},
		"HTML, no declaration": {"<p>x</p><rss version='2.0'><channel><item><title>a</title></item></channel></rss>", "a"},
		"junk after":           {"<rss><channel><item><title>a</title></item></channel></rss><!-- x --> bye <p>", "a"},
		"breaks off":           {"<rss><channel><item><title>a</title></item><item><title>b</ti", "a|b"},
		"control characters":   {"<rss><channel><item><title>a\x01\x0bb\x00</title></item></channel></rss>", "ab"},
		"crossed tags":         {"<rss><channel><item><title>a<b>c</title></b></x></item><item><title>d</title></item></channel></rss>", "ac|d"},
		"bare less-than":       {"<rss><channel><item><title>a < b <3 c</title></item></channel></rss>", "a < b <3 c"},
		"attribute quotes":     {`<rss version=2.0 version="x"><channel><item a=b c><title d='"'>a</title></item></channel></rss>`, "a"},
		"]]> in text":          {"<rss><channel><item><title>a ]]> b</title></item></channel></rss>", "a ]]> b"},
		"open CDATA":           {"<rss><channel><item><title><![CDATA[a", "a"},
		"loose HTML":           {"<rss><channel><item><title>a</title><description>x<br>y<img src=z>" + strings.Repeat("<br>", 100) + "</description></item><item><title>b</title></item></channel></rss>", "a|b"},
		"unknown prefix":       {"<rss><channel><item><title>a</title><zz:b>c</zz:b></item></channel></rss>", "a"},
		"long comment":         {"<rss><!--" + strings.Repeat("x", 9000) + "--><channel><item><title>a</title></item></channel></rss>", "a"},
		"line break in JSON":   {"{\"version\":\"https://jsonfeed.org/version/1\",\"items\":[{\"id\":\"1\",\"title\":\"a\nb\\\tc\x01\"}]}", "a b c"},
		"no feed":              {"<html><body>x</body></html>", "error: parse feed: it is neither RSS, RDF, Atom nor JSON Feed: it is a web page; look in it for the address of its feed"},
		"empty":                {" \n", "error: parse feed: it is empty"},
		"UTF-16":               {string(utf16le("<?xml version='1.0' encoding='utf-16'?><rss><channel><item><title>é</title></item></channel></rss>")), "é"},
		"cp1252 called UTF-8":  {"<?xml version='1.0' encoding='utf-8'?><rss><channel><item><title>caf\xe9 \x93q\x94</title></item></channel></rss>", "café “q”"},
		"one stray byte":       {"<?xml version='1.0' encoding='utf-8'?><rss><channel><item><title>Übung caf\xe9</title></item></channel></rss>", "Übung café"},
		"UTF-8 called Latin":   {"<?xml version='1.0' encoding='iso-8859-1'?><rss><channel><item><title>Übung</title></item></channel></rss>", "Übung"},
		"UTF-8 twice":          {"<rss><channel><item><title>cafÃ© Ã  lâ€™Ã©tÃ©</title></item></channel></rss>", "café à l’été"},
		"honest capitals":      {"<rss><channel><item><title>été Ã© À l’été, déjà</title></item></channel></rss>", "été Ã© À l’été, déjà"},
		"KOI8-R":               {"<?xml version='1.0' encoding='KOI8-R'?><rss><channel><item><title>\xf0\xd2\xc9\xd7\xc5\xd4</title></item></channel></rss>", "Привет"},
		"Shift JIS":            {"<?xml version='1.0' encoding='Shift_JIS'?><rss><channel><item><title>\x93\xfa\x96{</title></item></channel></rss>", "日本"},
		"unknown charset":      {"<?xml version='1.0' encoding='invalid'?><rss><channel><item><title>Übung</title></item></channel></rss>", "Übung"},
		"NUL after BOM":        {"\xef\xbb\xbf<rss><channel><item><title>a</title></item></channel></rss>\x00", "a"},
	} {
		if got := title(c[0]); got != c[1] {
			t.Errorf("%s: %q, want %q", name, got, c[1])
		}
	}
	if list, _, err := Parse([]byte("<rss><channel><item><title>\xcf\xf0\xe8</title></item></channel></rss>"), "text/xml; charset=windows-1251", ""); err != nil || list[0].Headline != "При" {
		t.Errorf("the charset of the header is not used: %v %v", list, err)
	}
}

func utf16le(s string) []byte {
	out := []byte{0xff, 0xfe}
	for _, r := range s {
		out = append(out, byte(r), byte(r>>8))
	}
	return out
}
