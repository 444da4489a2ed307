package maillog

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Place is how far a log was read.
type Place struct {
	File   string // names the file whatever it is called by now, as "DEVICE:INODE:HASH of its first line"; "" = none was read
	Offset int64  // octets of it, to the beginning of a line
}

// name splits File into what a renamed file keeps and what a copy has too.
func (p Place) name() (inode, head string) {
	n := max(strings.LastIndexByte(p.File, ':'), 0)
	return p.File[:n], strings.TrimPrefix(p.File[n:], ":")
}

const (
	headSize = 4 << 10   // octets at a file's beginning that it is known by, at most
	atOnce   = 256 << 10 // octets read at a time; a longer line is skipped
	// firstLook is how far back reading begins in a log that was never read.
	firstLook = 64 << 20
)

// File follows a log that grows at its end and is rotated, by renaming it or by copying it and
// cutting it to nothing. One goroutine uses it.
type File struct {
	path  string
	saved Place    // where to begin, and how far it was read last
	f     *os.File // being read; nil before the first
	id    string   // of f, as in Place; "" as long as its first line is not whole
	at    int64    // read so far
	old   []string // files to read after f, before path
	older bool     // f is not the file at path by now
	skip  bool     // the line that at is in is too long to be one
	buf   []byte
	lost  string
}

// Follow makes one that goes on from a place, the zero value for a log that was never read.
func Follow(path string, from Place) *File { return &File{path: path, saved: from} }

// Close ends reading.
func (l *File) Close() error {
	if l.f == nil {
		return nil
	}
	f := l.f
	l.f = nil
	return f.Close()
}

// Lost says, once, that lines could not be read because the file they were in is gone or packed; ""
// if none are missing.
func (l *File) Lost() (why string) {
	why, l.lost = l.lost, ""
	return why
}

// Read calls each for up to some lines that are whole, and returns how far it has come; more says that
// there is more to read at once. A log that is not there is [fs.ErrNotExist]. What each gets is good
// until it returns.
func (l *File) Read(each func(line []byte, at Place)) (end Place, more bool, err error) {
	if l.f == nil {
		if err := l.begin(); err != nil {
			return l.saved, false, err
		}
	}
	if err := l.cut(); err != nil {
		return l.saved, false, err
	}
	n, err := l.lines(each)
	if err == nil && n == 0 {
		more, err = l.next()
	}
	if l.id != "" {
		l.saved = Place{l.id, l.at}
	}
	if err != nil {
		err = fmt.Errorf("read log: %w", err)
	}
	return l.saved, more || n > 0, err
}

// backLook is how far back [File.Earlier] looks.
const backLook = 1 << 20

// Earlier calls each for lines that lie shortly before where reading begins: they tell of mails of which
// more is said further on.
func (l *File) Earlier(each func(line []byte)) error {
	if l.f == nil {
		if err := l.begin(); err != nil {
			return err
		}
	}
	from := max(0, l.at-backLook)
	b := make([]byte, l.at-from)
	n, err := l.f.ReadAt(b, from)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read log: %w", err)
	}
	for line := range bytes.Lines(b[:n]) {
		each(bytes.TrimRight(line, "\r\n"))
	}
	return nil
}

// lines reads what there is, up to [atOnce], and returns how many octets of it are done with.
func (l *File) lines(each func(line []byte, at Place)) (done int, err error) {
	if l.id == "" {
		if l.id, err = identify(l.f); err != nil || l.id == "" {
			return 0, err
		}
	}
	if l.buf == nil {
		l.buf = make([]byte, atOnce)
	}
	n, err := l.f.ReadAt(l.buf, l.at)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	for {
		end := bytes.IndexByte(l.buf[done:n], '\n')
		if end < 0 {
			break
		}
		// Where a writer went on at its old offset after a cut there is a hole, which reads as NULs.
		line := bytes.TrimLeft(l.buf[done:done+end], "\x00")
		if !l.skip {
			each(bytes.TrimSuffix(line, []byte("\r")), Place{l.id, l.at + int64(done)})
		}
		l.skip = false
		done += end + 1
	}
	if done == 0 && n == len(l.buf) {
		l.skip = l.skip || len(bytes.Trim(l.buf, "\x00")) > 0
		done = n
	}
	l.at += int64(done)
	return done, nil
}

// begin opens the file that reading begins in.
func (l *File) begin() error {
	f, err := open(l.path)
	if err != nil && (l.saved.File == "" || !errors.Is(err, fs.ErrNotExist)) {
		return err
	}
	if err == nil {
		id := ""
		info, err := f.Stat()
		if err == nil {
			id, err = identify(f)
		}
		switch {
		case err != nil:
			f.Close()
			return err
		case l.saved.File == "":
			l.use(f, id, max(0, info.Size()-firstLook), false)
			l.skip = l.at > 0
			return nil
		case id == l.saved.File && info.Size() >= l.saved.Offset:
			l.use(f, id, l.saved.Offset, false)
			return nil
		}
		f.Close()
	}
	if l.goBack() {
		return nil
	}
	if err != nil {
		return err
	}
	f, err = open(l.path)
	if err != nil {
		return err
	}
	l.use(f, "", 0, false)
	return nil
}

// use goes on in a file.
func (l *File) use(f *os.File, id string, at int64, older bool) {
	_ = l.Close()
	l.f, l.id, l.at, l.older, l.skip = f, id, at, older, false
}

// cut notices that the file was cut to nothing, or is another by now under the same inode, and
// goes on in its copy if there is one.
func (l *File) cut() error {
	info, err := l.f.Stat()
	if err != nil {
		return err
	}
	if l.id == "" {
		return nil
	}
	if info.Size() >= l.at {
		if id, err := identify(l.f); err != nil || id == l.id {
			return err
		}
	}
	if l.saved = (Place{l.id, l.at}); l.older || l.goBack() {
		return nil
	}
	l.id, l.at, l.skip = "", 0, false
	return nil
}

// next goes on to the next file once f is read to its end.
func (l *File) next() (more bool, err error) {
	if !l.older {
		now, err := os.Stat(l.path)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil // between its renaming and the first line of the new one
		}
		if err != nil {
			return false, err
		}
		was, err := l.f.Stat()
		if err != nil || os.SameFile(now, was) || now.Size() == 0 {
			return false, err
		}
		l.older = true // what was written before the other file came is there now: once more to the end
		l.old = nil
		list := siblings(l.path)
		if n := slices.IndexFunc(list, func(s sibling) bool { return s.id == l.id }); n >= 0 {
			l.after(list[n+1:])
		}
		return true, nil
	}
	path := l.path
	if len(l.old) > 0 {
		path, l.old = l.old[0], l.old[1:]
	}
	f, err := open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path != l.path, nil
	}
	if err != nil {
		return false, err
	}
	l.use(f, "", 0, path != l.path)
	return true, nil
}

// goBack finds the file that reading had come to among those beside the log, with those that came
// after it. It reports whether it is there.
func (l *File) goBack() bool {
	list := siblings(l.path)
	inode, head := l.saved.name()
	is := func(s sibling, copies bool) bool {
		i, h := Place{File: s.id}.name()
		return h == head && s.size >= l.saved.Offset && (copies || i == inode)
	}
	n := slices.IndexFunc(list, func(s sibling) bool { return is(s, false) })
	if n < 0 {
		n = slices.IndexFunc(list, func(s sibling) bool { return is(s, true) })
	}
	if n < 0 {
		l.lost = "the file that it was read in is not beside it any more"
		return false
	}
	f, err := open(list[n].path)
	if err != nil {
		l.lost = err.Error()
		return false
	}
	l.use(f, list[n].id, l.saved.Offset, true)
	l.after(list[n+1:])
	return true
}

// after has some files read next.
func (l *File) after(list []sibling) {
	l.old = nil
	for _, s := range list {
		l.old = append(l.old, s.path)
	}
}

// sibling is a file beside a log that was the log once, or a copy of it.
type sibling struct {
	path, id string
	size     int64
	changed  time.Time
}

// siblings lists those that can be read, the oldest first.
func siblings(path string) (list []sibling) {
	found, _ := filepath.Glob(globbed(path) + "?*")
	for _, path := range found {
		if slices.Contains([]string{".gz", ".bz2", ".xz", ".zst"}, filepath.Ext(path)) {
			continue
		}
		f, err := open(path)
		if err != nil {
			continue
		}
		id := ""
		info, err := f.Stat()
		if err == nil {
			id, err = identify(f)
		}
		f.Close()
		if err == nil && id != "" {
			list = append(list, sibling{path, id, info.Size(), info.ModTime()})
		}
	}
	slices.SortFunc(list, func(a, b sibling) int {
		return cmp.Or(a.changed.Compare(b.changed), -cmp.Compare(a.path, b.path))
	})
	return list
}

// globbed is a path for [filepath.Glob], in which no sign has a meaning.
func globbed(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// open opens a regular file; another might keep us waiting.
func open(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "read", Path: path, Err: errors.New("it is no regular file")}
	}
	if err != nil {
		return nil, err
	}
	return os.Open(path)
}

// identify names a file; "" as long as its first line is not whole.
func identify(f *os.File) (string, error) {
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	head := make([]byte, headSize)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	if end := bytes.IndexByte(head[:n], '\n'); end >= 0 {
		n = end
	} else if n < len(head) {
		return "", nil
	}
	var device, inode uint64
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		device, inode = uint64(s.Dev), s.Ino
	}
	sum := sha256.Sum256(head[:n])
	return fmt.Sprintf("%x:%x:%s", device, inode, hex.EncodeToString(sum[:8])), nil
}
