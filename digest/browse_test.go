package digest

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"broadsheet/templates"
)

func storyPage(id int64) string {
	if id%4 == 0 {
		return ""
	}
	return "https://news.meridian.example/story/" + strconv.FormatInt(id, 10) + "?a=1&b=2"
}

// TestBrowserPage: what anybody may see holds the stories, and of its reader no address, no token
// and no way to leave.
func TestBrowserPage(t *testing.T) {
	for _, tc := range []struct {
		name string
		make func() (shelf, *Selection)
		text bool
	}{
		{"morning", morning, false}, {"arabic", arabic, false}, {"hostile", hostile, false},
		{"text", morning, true}, {"arabic-text", arabic, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, sel := tc.make()
			sel.TextOnly = tc.text
			d, err := samplePress(t, sampleConfig(), sampleEdition()).Layout(t.Context(), sampleIssue(), sel, s.story)
			if err != nil {
				t.Fatal(err)
			}
			p, err := BrowserPage(d, storyPage, nil)
			if err != nil {
				t.Fatal(err)
			}
			if tc.text {
				golden(t, tc.name+".page.txt", []byte(p.Text))
			} else {
				golden(t, tc.name+".page.html", []byte(p.Style+"\n"+p.Body))
			}
			bareOfReader(t, p)
		})
	}
}

func bareOfReader(t *testing.T, p *Page) {
	t.Helper()
	all := p.Subject + p.Style + p.Class + p.Body + p.Text
	for _, no := range []string{"/l/", "ada+news", "style=", "onerror=\"", "\x01", "\x02", "\x03", "</style", "<script"} {
		if strings.Contains(all, no) {
			t.Errorf("the page holds %q", no)
		}
	}
	if !strings.Contains(p.Body+p.Text, "https://news.meridian.example/story/1?a=1") {
		t.Error("the page does not link its first story")
	}
}

// TestBrowserPageOfOwnTemplates: an operator's templates without the class give nothing away either.
func TestBrowserPageOfOwnTemplates(t *testing.T) {
	dir := t.TempDir()
	tail := `<tr><td style="color:red}</style><script>alert(1)</script>">{{.WhyText}} <b title="{{mark .Address}}">To</b> {{mark .Address}}
<a {{href .Preferences}}>Preferences</a> {{mark .Leave}}</td></tr></table></td></tr></table></div></body></html>`
	if err := os.WriteFile(filepath.Join(dir, "tail.html"), []byte(tail), 0o644); err != nil {
		t.Fatal(err)
	}
	set, err := templates.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	press, err := NewPress(sampleConfig(), sampleEdition(), set)
	if err != nil {
		t.Fatal(err)
	}
	s, sel := morning()
	d, err := press.Layout(t.Context(), sampleIssue(), sel, s.story)
	if err != nil {
		t.Fatal(err)
	}
	p, err := BrowserPage(d, storyPage, nil)
	if err != nil {
		t.Fatal(err)
	}
	bareOfReader(t, p)
}

func TestBrowserPageOfDamagedDigest(t *testing.T) {
	for _, body := range []string{"", "a\r\n\r\nb", "a\r\n\r\n" + partHTML, "\x01v3\x02", "\x01l1;x;\x02"} {
		d := &Digest{Pieces: []Piece{{&Fragment{Body: []byte(body)}, nil}}}
		if p, err := BrowserPage(d, storyPage, nil); err == nil {
			t.Errorf("%q gives %+v", body, p)
		}
	}
}

// TestBrowserPageWithout: where a story was withdrawn a page says so, and nothing else of it is left.
func TestBrowserPageWithout(t *testing.T) {
	for _, text := range []bool{false, true} {
		for n := range 12 {
			s, sel := morning()
			sel.TextOnly = text
			d, err := samplePress(t, sampleConfig(), sampleEdition()).Layout(t.Context(), sampleIssue(), sel, s.story)
			if err != nil {
				t.Fatal(err)
			}
			if n >= len(d.Items) {
				break
			}
			item := d.Items[n]
			p, err := BrowserPage(d, storyPage, func(id int64) string {
				if id == item.Story {
					return "Not & any more."
				}
				return ""
			})
			if err != nil {
				t.Fatal(err)
			}
			st, err := s.story(item.Revision)
			if err != nil {
				t.Fatal(err)
			}
			all := p.Subject + p.Body + p.Text
			headline, _ := Brief(st)
			if strings.Contains(all, headline) || strings.Contains(all, "/story/"+strconv.FormatInt(item.Story, 10)+"?") {
				t.Errorf("story %d is still there: %s", item.Story, all)
			}
			if instead := strings.Count(p.Body, "Not &amp; any more.") + strings.Count(p.Text, "Not & any more."); instead != 1 {
				t.Errorf("the page says %d times that story %d was withdrawn", instead, item.Story)
			}
			if (n == 0) != (p.Subject == "Not & any more.") {
				t.Errorf("subject %q without story %d", p.Subject, n)
			}
		}
	}
}

// TestUnseen knows the ways in which mails hide the inbox's line of text, and takes nothing else for one.
func TestUnseen(t *testing.T) {
	for style, want := range map[string]bool{
		"display:none;font-size:1px": true, "max-height: 0; overflow:hidden": true, "color:#fff; Display : none !important": true, "mso-hide:all": true,
		"visibility:hidden": true, "opacity:0.0": true, "max-height:0px": true,
		"": false, "display:block": false, "font-size:0;line-height:0": false, "max-height:10px": false, "opacity:0.5": false, "padding:0": false, "max-height:none": false,
	} {
		if got := unseen(style); got != want {
			t.Errorf("%q: %v", style, got)
		}
	}
}
