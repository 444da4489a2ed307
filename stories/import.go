package stories

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// FileResult is what became of one file.
type FileResult struct {
	Path     string
	Kind     string // feed or page; "" for a file that was skipped
	Items    int
	Added    Added
	Warnings []string
	Err      error // why the file brought nothing; ErrSkipped for a file that is neither feed nor page
}

// ErrSkipped is the error of files in a folder that are neither feeds nor article pages.
var ErrSkipped = errors.New("neither a feed (.xml .rss .rdf .atom .json) nor an article page (.txt)")

// Import takes stories from feed files, saved article pages (.txt) and folders of both, read through to
// the last one. The section is the id for items and pages that name none of sections (id → name). A file
// that cannot be read is reported in its result and the rest goes on; the error is that of a cancelled
// context alone. progress is called after each file; nil = not. Reading a file again, or a copy of it elsewhere, brings nothing new.
func Import(ctx context.Context, shelf Shelf, paths []string, section string, sections map[string]string, now time.Time, progress func()) ([]FileResult, error) {
	im := importer{shelf: shelf, sections: sections, now: now, names: slices.Concat(slices.Collect(maps.Keys(sections)), slices.Collect(maps.Values(sections)))}
	if section != "" {
		im.fallback = []string{section}
	}
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			path += string(filepath.Separator) // a link to a folder is that folder
		}
		err := filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case err != nil:
				im.results = append(im.results, FileResult{Path: p, Err: fmt.Errorf("read %s: %w", kindOf(d), reason(err))})
				return nil
			case d.IsDir() && p != path && strings.HasPrefix(d.Name(), "."):
				return fs.SkipDir
			case d.IsDir():
				return nil
			}
			im.results = append(im.results, im.file(ctx, p, p == path))
			if progress != nil {
				progress()
			}
			return nil
		})
		if err != nil {
			return im.results, err
		}
	}
	return im.results, ctx.Err()
}

func kindOf(d fs.DirEntry) string {
	if d != nil && d.IsDir() {
		return "folder"
	}
	return "file"
}

// reason drops the path from an error of the file system: it stands beside it.
func reason(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

type importer struct {
	shelf    Shelf
	sections map[string]string
	names    []string
	fallback []string
	now      time.Time
	results  []FileResult
}

// file reads one file. One that was named itself, rather than found in a folder, is looked into for a
// feed if its name says nothing. A page is known by its name, or by one without an ending: any text
// could be one.
func (im *importer) file(ctx context.Context, path string, named bool) FileResult {
	r := FileResult{Path: path}
	ext := strings.ToLower(filepath.Ext(strings.TrimSuffix(strings.ToLower(path), ".gz")))
	switch ext {
	case ".xml", ".rss", ".rdf", ".atom", ".json":
		r.Kind = "feed"
	case ".txt":
		r.Kind = "page"
	default:
		if !named {
			r.Err = ErrSkipped
			return r
		}
	}
	data, err := readFile(path)
	if err != nil {
		r.Err = err
		return r
	}
	if r.Kind == "" {
		start := strings.TrimLeft(string(toUTF8(data[:min(len(data), 512)], "")), " \t\r\n")
		switch {
		case strings.HasPrefix(start, "<"), strings.HasPrefix(start, "{"):
			r.Kind = "feed"
		case ext == "" && !slices.Contains(data, 0):
			r.Kind = "page"
		default:
			r.Err = ErrSkipped
			return r
		}
	}
	var list []Story
	if r.Kind == "page" {
		list, r.Warnings, r.Err = im.page(data)
	} else {
		list, r.Warnings, r.Err = im.feed(data)
	}
	if r.Err != nil {
		return r
	}
	for i := range list {
		list[i].Source = path
		list[i].place(im.sections, im.fallback)
		if len(list[i].Sections) == 0 {
			r.Warnings = addOnce(r.Warnings, "some stories name no section we know and will not be shown: give one with --section")
		}
	}
	r.Items = len(list)
	if r.Added, err = im.shelf.AddStories(ctx, distinct(list), im.now); err != nil {
		r.Err = fmt.Errorf("put stories on record: %w", err)
	}
	return r
}

func addOnce(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

func (im *importer) page(data []byte) ([]Story, []string, error) {
	s, err := ParsePage(data, im.names)
	if err != nil {
		return nil, nil, err
	}
	return []Story{s}, s.Warnings, nil
}

// feed reads a feed file. The scope of its GUIDs is the feed's own address where it gives one, as if it had
// been fetched from there, else its home page and title: never the path, which changes.
func (im *importer) feed(data []byte) ([]Story, []string, error) {
	list, meta, err := Parse(data, "", "")
	if err != nil {
		return nil, nil, err
	}
	scope := meta.Self
	if scope == "" {
		scope = "file " + sum(meta.Link, meta.Title)
	}
	for i := range list {
		list[i].Scope = scope
	}
	return list, meta.Warnings, nil
}

// readFile reads a regular file, packed or not, within the limits of a fetched one.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path) // before it is opened: a pipe would wait for its other end
	switch {
	case err != nil:
		return nil, fmt.Errorf("open file: %w", reason(err))
	case !info.Mode().IsRegular():
		return nil, errors.New("it is no regular file")
	case info.Size() > maxUnpacked:
		return nil, fmt.Errorf("it is larger than %d MB", maxUnpacked>>20)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open file: %w", reason(err))
	}
	defer f.Close()
	data, err := readAtMost(f, info.Size(), maxUnpacked)
	if err != nil || !isGzip(data) {
		return data, err
	}
	return unpack(data)
}
