package demo

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mmcdole/gofeed"
)

var end = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func get(t *testing.T, url string, header ...string) (*http.Response, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, b
}

// feedsAt serves the shipped stories as they are at *now.
func feedsAt(t *testing.T, now *time.Time) (*Feeds, string) {
	f := &Feeds{Stories: shipped(t), End: end, Now: func() time.Time { return *now }}
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	return f, srv.URL
}

func TestFeedsCanBeRead(t *testing.T) {
	now := end
	f, base := feedsAt(t, &now)
	bySlug := map[string]Story{}
	for _, s := range f.Stories {
		bySlug[s.URL()] = s
	}
	seen, sections, languages, kinds := map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, feed := range f.List() {
		_, body := get(t, base+feed.Path)
		parsed, err := gofeed.NewParser().Parse(bytes.NewReader(body))
		if err != nil {
			t.Errorf("%s: %v", feed.Path, err)
			continue
		}
		sections[feed.Section], kinds[parsed.FeedType+parsed.FeedVersion] = true, true
		for _, it := range parsed.Items {
			s, ok := bySlug[it.Link]
			if !ok {
				t.Errorf("%s: link %q leads to no story", feed.Path, it.Link)
				continue
			}
			seen[it.Link], languages[s.Language] = true, true
			s, published, _, _ := s.At(end, now)
			if it.Title != s.Headline || it.Description != s.Lead || it.Content == "" || len(it.Authors) == 0 ||
				it.PublishedParsed == nil || !it.PublishedParsed.Equal(published) {
				t.Errorf("%s: %s reads as %+v", feed.Path, s.Slug, it)
			}
			if len(it.Categories) == 0 || strings.ToLower(it.Categories[0]) != feed.Section {
				t.Errorf("%s: %s stands under %q", feed.Path, s.Slug, it.Categories)
			}
			if parsed.Language != s.Language {
				t.Errorf("%s: language %q, want %q", feed.Path, parsed.Language, s.Language)
			}
			if s.Picture != nil && !hasPicture(it, s.ImageURL()) {
				t.Errorf("%s: %s lost its picture", feed.Path, s.Slug)
			}
			if strings.Contains(it.Content, "## ") || strings.Contains(it.Content, "&gt; ") {
				t.Errorf("%s: %s shows its marks: %s", feed.Path, s.Slug, it.Content)
			}
		}
	}
	t.Logf("%d stories in %d feeds: %v", len(seen), len(f.List()), kinds)
	if len(seen) != len(f.Stories) || len(seen) < 40 || len(sections) != 8 || len(languages) != 2 || len(kinds) != 4 {
		t.Errorf("%d of %d stories, sections %v, languages %v, kinds %v", len(seen), len(f.Stories), sections, languages, kinds)
	}
}

// hasPicture looks where RSS and JSON Feed have the picture, and where Atom has it.
func hasPicture(it *gofeed.Item, url string) bool {
	if it.Image != nil {
		return it.Image.URL == url
	}
	for _, e := range it.Extensions["media"]["content"] {
		if e.Attrs["url"] == url {
			return true
		}
	}
	return false
}

func TestFeedsGrowWithTheClock(t *testing.T) {
	now := end.Add(-49 * time.Hour)
	f, base := feedsAt(t, &now)
	count := func() int {
		links := map[string]bool{}
		for _, feed := range f.List() {
			_, body := get(t, base+feed.Path)
			parsed, err := gofeed.NewParser().Parse(bytes.NewReader(body))
			if err != nil {
				t.Fatalf("%s at %v: %v", feed.Path, now, err)
			}
			for _, it := range parsed.Items {
				if it.PublishedParsed.After(now) {
					t.Errorf("%s at %v: %s is of %v", feed.Path, now, it.Link, it.PublishedParsed)
				}
				links[it.Link] = true
			}
		}
		return len(links)
	}
	if n := count(); n != 0 {
		t.Fatalf("%d stories before the first", n)
	}
	last := 0
	for now.Before(end) {
		now = now.Add(7 * time.Hour)
		n := count()
		if n <= last {
			t.Errorf("%d stories at %v, %d seven hours before", n, now, last)
		}
		last = n
	}
}

func TestFeedsAnswer304(t *testing.T) {
	now := end.Add(-6 * time.Hour)
	f, base := feedsAt(t, &now)
	for _, feed := range f.List() {
		first, _ := get(t, base+feed.Path)
		for header, value := range map[string]string{
			"If-None-Match": first.Header.Get("ETag"), "If-Modified-Since": first.Header.Get("Last-Modified"),
		} {
			if value == "" {
				t.Errorf("%s has nothing for %s", feed.Path, header)
			}
			if again, body := get(t, base+feed.Path, header, value); again.StatusCode != http.StatusNotModified || len(body) > 0 {
				t.Errorf("%s with %s: %s, %d octets", feed.Path, header, again.Status, len(body))
			}
		}
	}
	path := "/feeds/en/world.xml"
	first, _ := get(t, base+path)
	now = end
	if later, _ := get(t, base+path, "If-None-Match", first.Header.Get("ETag")); later.StatusCode != http.StatusOK {
		t.Errorf("new stories, and yet %s", later.Status)
	}
	if lost, _ := get(t, base+"/feeds/en/../../go.mod"); lost.StatusCode == http.StatusOK {
		t.Error("a path that is no feed was served")
	}
}

func TestCorrectionChangesWordingOnly(t *testing.T) {
	now := end.Add(-10 * time.Hour)
	_, base := feedsAt(t, &now)
	find := func() *gofeed.Item {
		_, body := get(t, base+"/feeds/en/sport.atom")
		parsed, err := gofeed.NewParser().Parse(bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(parsed.Items, func(it *gofeed.Item) bool { return strings.HasSuffix(it.Link, "cricket-rain-rule") })
		if i < 0 {
			t.Fatal("the story is not there")
		}
		return parsed.Items[i]
	}
	before := find()
	now = end
	after := find()
	if before.GUID != after.GUID || before.Published != after.Published || before.Title == after.Title ||
		!after.UpdatedParsed.After(*before.UpdatedParsed) || !strings.Contains(after.Content, "Correction") {
		t.Errorf("before %+v\nafter %+v", before, after)
	}
}

func TestDirFeeds(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"b c.rss": "two", "a.xml": "one", "notes.txt": "no", "d.json": "{}", ".x.xml": "no"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h, list, err := DirFeeds(dir, []string{"world", "sport"})
	if err != nil {
		t.Fatal(err)
	}
	want := []Feed{{"/feeds/a.xml", "world"}, {"/feeds/b%20c.rss", "sport"}, {"/feeds/d.json", "world"}}
	if !slices.Equal(list, want) {
		t.Errorf("got %v, want %v", list, want)
	}
	srv := httptest.NewServer(h)
	defer srv.Close()
	if resp, body := get(t, srv.URL+list[1].Path); resp.StatusCode != 200 || string(body) != "two" {
		t.Errorf("got %s %q", resp.Status, body)
	}
	for _, path := range []string{"/feeds/notes.txt", "/feeds/.x.xml", "/feeds/%2e%2e/secret", "/feeds/"} {
		if resp, _ := get(t, srv.URL+path); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
	if _, _, err := DirFeeds(t.TempDir(), []string{"world"}); err == nil || !strings.Contains(err.Error(), "holds no file") {
		t.Errorf("an empty folder: %v", err)
	}
	if _, _, err := DirFeeds(filepath.Join(dir, "gone"), []string{"world"}); err == nil {
		t.Error("no folder, and no error")
	}
}

// TestDirFeedsServesCaptures serves real captures as they are, to the byte.
func TestDirFeedsServesCaptures(t *testing.T) {
	data := os.Getenv("BROADSHEET_DATA")
	if data == "" {
		t.Skip("set BROADSHEET_DATA to a folder with feeds/captures")
	}
	dir := filepath.Join(data, "feeds", "captures")
	h, list, err := DirFeeds(dir, []string{"world", "politics", "science"})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h)
	defer srv.Close()
	for _, feed := range list {
		resp, body := get(t, srv.URL+feed.Path)
		want, err := os.ReadFile(filepath.Join(dir, strings.TrimPrefix(resp.Request.URL.Path, "/feeds/")))
		if err != nil || !bytes.Equal(body, want) {
			t.Errorf("%s: %s, %d octets of %d, %v", feed.Path, resp.Status, len(body), len(want), err)
		}
	}
	t.Logf("%d feeds", len(list))
}

func TestPictures(t *testing.T) {
	all := shipped(t)
	srv := httptest.NewServer(Pictures(all))
	defer srv.Close()
	i := slices.IndexFunc(all, func(s Story) bool { return s.Picture != nil })
	resp, body := get(t, srv.URL+"/pictures/"+all[i].Slug+".png")
	if resp.Header.Get("Content-Type") != "image/png" || !bytes.HasPrefix(body, []byte("\x89PNG\r\n")) || len(body) > 200<<10 {
		t.Errorf("%s, %d octets", resp.Header.Get("Content-Type"), len(body))
	}
	t.Logf("%s.png: %d octets", all[i].Slug, len(body))
	if _, again := get(t, srv.URL+"/pictures/"+all[i].Slug+".png"); !bytes.Equal(again, body) {
		t.Error("the same picture came out otherwise")
	}
	if resp, _ := get(t, srv.URL+"/pictures/none.png"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("no such picture: %s", resp.Status)
	}
}
