package demo

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// feedTypes are the file names that DirFeeds takes for feeds, and what they are served as.
var feedTypes = map[string]string{
	".xml": "application/xml", ".rss": "application/rss+xml", ".atom": "application/atom+xml",
	".rdf": "application/rdf+xml", ".json": "application/feed+json",
}

// DirFeeds serves the feed files of a folder as they are, to the byte, and names them in
// the order of their names. Sections are dealt out to them in turn. Folders below dir and
// files that are no feeds by their name (.xml, .rss, .atom, .rdf, .json) are left out.
func DirFeeds(dir string, sections []string) (http.Handler, []Feed, error) {
	if len(sections) == 0 {
		return nil, nil, fmt.Errorf("serve feeds of %s: no sections to put them in", dir)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("serve feeds: %w", err)
	}
	var list []Feed
	known := map[string]bool{}
	for _, e := range entries {
		ext := strings.ToLower(filepath.Ext(e.Name()))
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") || feedTypes[ext] == "" {
			continue
		}
		known[e.Name()] = true
		list = append(list, Feed{
			Path:    "/feeds/" + url.PathEscape(e.Name()),
			Section: sections[len(list)%len(sections)],
		})
	}
	if len(list) == 0 {
		return nil, nil, fmt.Errorf("serve feeds: %s holds no file named .xml, .rss, .atom, .rdf or .json", dir)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/feeds/")
		if !known[name] { // the list decides what can be read, not the path
			http.NotFound(w, r)
			return
		}
		body, info, err := readWhole(filepath.Join(dir, name))
		if err != nil {
			http.Error(w, "the feed file cannot be read", http.StatusInternalServerError)
			return
		}
		serveFeed(w, r, feedTypes[strings.ToLower(filepath.Ext(name))], info.ModTime(), body)
	}), list, nil
}

func readWhole(name string) ([]byte, os.FileInfo, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	body, err := io.ReadAll(f)
	return body, info, err
}
