package stories

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/mmcdole/gofeed"
	ext "github.com/mmcdole/gofeed/extensions"
	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// image takes the picture the feed names, else the first in the text.
func (r *reader) image(item *gofeed.Item, content, summary string) *Image {
	var im *Image
	for _, list := range [][]ext.Extension{mediaOf(item, "content"), mediaOf(item, "thumbnail")} {
		for _, m := range list {
			kind := m.Attrs["type"] + " " + m.Attrs["medium"]
			if m.Name != "thumbnail" && !strings.Contains(kind, "image") && (strings.TrimSpace(kind) != "" || !imageName(m.Attrs["url"])) {
				continue
			}
			c := Image{URL: m.Attrs["url"], Width: pixels(m.Attrs["width"]), Height: pixels(m.Attrs["height"]),
				Alt: mediaText(item, m, "title"), Credit: mediaText(item, m, "credit"), Caption: mediaText(item, m, "description")}
			if c.URL != "" && (im == nil || c.Width > im.Width && m.Name != "thumbnail") {
				im = &c
			}
		}
		if im != nil {
			break
		}
	}
	if im == nil {
		for _, e := range item.Enclosures {
			if e != nil && (strings.HasPrefix(e.Type, "image/") || e.Type == "" && imageName(e.URL)) {
				im = &Image{URL: e.URL}
				break
			}
		}
	}
	if im == nil && item.ITunesExt != nil && item.ITunesExt.Image != "" {
		im = &Image{URL: item.ITunesExt.Image}
	}
	if im == nil && item.Image != nil {
		im = &Image{URL: item.Image.URL, Alt: plain(item.Image.Title)}
	}
	inText := firstImage(content)
	if inText == nil {
		inText = firstImage(summary)
	}
	if im == nil {
		im = inText
	} else if inText != nil && im.Alt == "" && strings.TrimSpace(inText.URL) == strings.TrimSpace(im.URL) {
		im.Alt = inText.Alt
	}
	if im == nil {
		return nil
	}
	if im.URL = r.link(im.URL); Canonical(im.URL) == "" {
		return nil // data:, relative to nothing, or no address at all
	}
	return im
}

func imageName(s string) bool {
	u, err := url.Parse(s)
	if err != nil {
		return false
	}
	p := strings.ToLower(u.Path)
	for _, e := range []string{".jpg", ".jpeg", ".png", ".gif", ".webp", ".avif"} {
		if strings.HasSuffix(p, e) {
			return true
		}
	}
	return false
}

// mediaOf lists Media RSS elements of an item, in groups or not.
func mediaOf(item *gofeed.Item, name string) []ext.Extension {
	media := item.Extensions["media"]
	list := append([]ext.Extension(nil), media[name]...)
	for _, g := range media["group"] {
		list = append(list, g.Children[name]...)
	}
	for _, c := range media["content"] {
		if name != "content" {
			list = append(list, c.Children[name]...)
		}
	}
	return list
}

// mediaText finds a text that belongs to a picture: within it, in its group, or beside it.
func mediaText(item *gofeed.Item, m ext.Extension, name string) string {
	lists := [][]ext.Extension{m.Children[name]}
	for _, g := range item.Extensions["media"]["group"] {
		lists = append(lists, g.Children[name])
	}
	lists = append(lists, item.Extensions["media"][name])
	for _, l := range lists {
		for _, e := range l {
			if t := plain(e.Value); t != "" {
				return t
			}
		}
	}
	return ""
}

// firstImage finds the first picture of feed HTML that is no tracking pixel or emoji.
func firstImage(s string) *Image {
	if !strings.Contains(s, "<img") && !strings.Contains(s, "<IMG") && !strings.Contains(s, "<Img") {
		return nil
	}
	z := html.NewTokenizer(strings.NewReader(s))
	var found *Image
	caption, inCaption := strings.Builder{}, false
	for {
		switch z.Next() {
		case html.ErrorToken:
			return withCaption(found, caption.String())
		case html.TextToken:
			if inCaption {
				caption.WriteString(string(z.Text()))
			}
		case html.EndTagToken:
			if name, _ := z.TagName(); found != nil && (string(name) == "figcaption" || string(name) == "figure") {
				return withCaption(found, caption.String())
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			t := z.Token()
			if t.DataAtom == atom.Figcaption && found != nil {
				inCaption = true
			}
			if t.DataAtom != atom.Img {
				continue
			}
			if found != nil {
				return withCaption(found, caption.String())
			}
			im := Image{}
			for _, a := range t.Attr {
				switch a.Key {
				case "src":
					im.URL = strings.TrimSpace(a.Val)
				case "alt":
					im.Alt = line(a.Val)
				case "width":
					im.Width = pixels(a.Val)
				case "height":
					im.Height = pixels(a.Val)
				}
			}
			if im.URL != "" && (im.Width == 0 || im.Width > 32) && (im.Height == 0 || im.Height > 32) {
				found = &im
			}
		}
	}
}

func withCaption(im *Image, caption string) *Image {
	if im != nil {
		im.Caption = line(caption)
	}
	return im
}

func pixels(s string) int {
	n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(s), "px"))
	if err != nil || n < 0 || n > 100_000 {
		return 0
	}
	return n
}
