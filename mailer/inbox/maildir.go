package inbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Maildir is a folder that a mail server delivers into, one file a message. Mail is what lies in
// new, and what lies in cur without the flag S: IMAP servers and mail programs that merely look
// into a Maildir move what is new to cur and give it no flag. A message that is settled goes to
// cur with the flag S, one that is set aside to new of the Maildir++ folder ".Aside". Both are
// renames: after a crash a message is either where it was or where it should be. Nothing is
// deleted or overwritten, no link is followed, and nothing but files is opened.
type Maildir struct {
	Dir string

	pending []entry   // listed and not yet fetched, the oldest first
	round   bool      // a listing is being fetched
	cut     bool      // it was not all: what comes behind mark is still to be listed
	mark    entry     // the last of what was listed in this round
	seen    time.Time // when cur was last listed, and how long that took
	took    time.Duration
	changed time.Time // its time of change before
}

// entry is a name in new or cur.
type entry struct {
	at   int64  // microseconds after 1970, from the name; 0 if it does not say
	name string // new/NAME or cur/NAME
}

// mostPending bounds how many names are kept, so that memory does not grow with what has piled
// up: the oldest stay, the others are found by the next listing.
const mostPending = 20000

// restFactor is how many times as long as it took cur is left in peace after a listing. What was
// settled stays in it, so that it may hold any number of files; they shall not cost more than a
// fiftieth of the time.
const restFactor = 50

// Name returns "maildir" and the folder.
func (m *Maildir) Name() string { return "maildir " + m.Dir }

// Close does nothing.
func (m *Maildir) Close() error { return nil }

// Fetch reads up to n messages, and up to [fetchSize] octets, but at least one message. It lists
// the folders only once all that it found before has been fetched. With an error there is no such
// Maildir, or its folders cannot be read.
func (m *Maildir) Fetch(ctx context.Context, n int) ([]Mail, error) {
	if len(m.pending) == 0 {
		if m.round && !m.cut {
			m.round, m.mark = false, entry{}
			return nil, nil
		}
		if err := m.list(ctx); err != nil {
			return nil, fmt.Errorf("list %s: %w", m.Name(), err)
		}
		m.round = true
	}
	var mails []Mail
	room := int64(fetchSize)
	for len(m.pending) > 0 && len(mails) < n && room > 0 && ctx.Err() == nil {
		e := m.pending[0]
		m.pending = m.pending[1:]
		mail, ok := m.read(e)
		if !ok {
			continue
		}
		mails = append(mails, mail)
		room -= int64(len(mail.Raw))
	}
	return mails, ctx.Err()
}

// list finds what is not settled, from the mark on.
func (m *Maildir) list(ctx context.Context) error {
	info, err := os.Stat(m.Dir)
	if err != nil {
		return clean(err)
	}
	if !info.IsDir() {
		return errors.New("it is no folder")
	}
	found, err := m.names(ctx, nil, "new")
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("it is no Maildir, for it has no folder new; make it with: " + m.makeIt())
	}
	if err != nil {
		return err
	}
	if info, err = os.Stat(filepath.Join(m.Dir, "cur")); err != nil {
		return clean(err)
	}
	if began := time.Now(); m.cut || !info.ModTime().Equal(m.changed) && began.Sub(m.seen) >= restFactor*m.took {
		if found, err = m.names(ctx, found, "cur"); err != nil {
			return err
		}
		m.seen, m.took, m.changed = time.Now(), time.Since(began), info.ModTime()
		if began.Sub(info.ModTime()) < time.Second { // it may change again within one tick of the file system's clock
			m.changed = time.Time{}
		}
	}
	slices.SortFunc(found, entry.compare)
	if m.cut = len(found) > mostPending; m.cut {
		found = slices.Clone(found[:mostPending])
		m.mark = found[mostPending-1]
		m.changed = time.Time{}
	}
	m.pending = found
	return nil
}

// names adds what lies in a folder to found.
func (m *Maildir) names(ctx context.Context, found []entry, folder string) ([]entry, error) {
	dir, err := os.Open(filepath.Join(m.Dir, folder))
	if err != nil {
		return nil, clean(err)
	}
	defer dir.Close()
	for ctx.Err() == nil {
		list, err := dir.Readdirnames(1000)
		for _, name := range list {
			e := entry{at: timeOf(name), name: folder + "/" + name}
			if name[0] == '.' || folder == "cur" && settled(name) || m.cut && e.compare(m.mark) <= 0 {
				continue
			}
			found = append(found, e)
		}
		if len(found) > 4*mostPending {
			slices.SortFunc(found, entry.compare)
			found = found[:mostPending+1] // one more shows that it is not all
		}
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, clean(err)
		}
	}
	return nil, ctx.Err()
}

// compare orders by time, then by name, whatever the folder.
func (e entry) compare(other entry) int {
	return cmp.Or(cmp.Compare(e.at, other.at), strings.Compare(path.Base(e.name), path.Base(other.name)), strings.Compare(e.name, other.name))
}

// settled reports whether a name in cur has the flag S (seen) or T (in the bin, by a person's hand).
func settled(name string) bool {
	_, flags, _ := strings.Cut(name, ":2,")
	return strings.ContainsAny(flags, "ST")
}

// timeOf is when a file was delivered, by its name: "1712.M345P678.host", in microseconds.
func timeOf(name string) int64 {
	seconds, rest, ok := strings.Cut(name, ".")
	if !ok || len(seconds) > 11 {
		return 0
	}
	s, err := strconv.ParseUint(seconds, 10, 40)
	if err != nil {
		return 0
	}
	micro := int64(0)
	if _, m, ok := strings.Cut(rest, "M"); ok {
		end := 0
		for end < len(m) && end < 7 && '0' <= m[end] && m[end] <= '9' {
			end++
		}
		if v, err := strconv.Atoi(m[:end]); err == nil && v < 1e6 {
			micro = int64(v)
		}
	}
	return int64(s)*1e6 + micro
}

// clean takes operation and path from an error whose text names them again.
func clean(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("%s: %w", filepath.Base(e.Path), e.Err)
	}
	return err
}
