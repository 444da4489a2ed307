package inbox

import (
	"context"
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

// asideFolder is where a Maildir keeps what was set aside: a folder as Maildir++ has them, which
// IMAP servers show as "Aside".
const asideFolder = ".Aside"

// nameTrust is how far the time in a file's name may be from the file's own. A mail server writes both
// at once; what is farther off is a number that means something else, as in 7.eml.
const nameTrust = 24 * time.Hour

// read reads a file. ok is false if it has vanished: somebody else has taken it.
func (m *Maildir) read(e entry) (mail Mail, ok bool) {
	mail = Mail{Key: e.name}
	// O_NONBLOCK, for to open a pipe would wait until somebody writes into it.
	f, err := os.OpenFile(filepath.Join(m.Dir, e.name), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return mail, false
	case errors.Is(err, syscall.ELOOP):
		mail.Err = errors.New("it is a symbolic link, and none is followed")
	case errors.Is(err, syscall.ENXIO):
		mail.Err = errors.New("it is no file")
	case err != nil:
		mail.Err = clean(err)
	}
	if err != nil {
		return mail, true
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		mail.Err = clean(err)
		return mail, true
	case info.IsDir():
		mail.Err = errors.New("it is a folder")
		return mail, true
	case !info.Mode().IsRegular():
		mail.Err = errors.New("it is no file")
		return mail, true
	}
	mail.Size, mail.At = info.Size(), info.ModTime()
	if named := time.UnixMicro(e.at); named.Sub(mail.At).Abs() <= nameTrust {
		mail.At = named
	}
	mail.Raw = make([]byte, min(mail.Size, MaxSize))
	n, err := io.ReadFull(f, mail.Raw)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) { // it has become shorter
		err, mail.Size = nil, int64(n)
	}
	if err != nil {
		mail.Err, mail.Raw = clean(err), nil
		return mail, true
	}
	mail.Raw = mail.Raw[:n]
	return mail, true
}

// Settle moves messages to cur with the flag S, or aside. One that has vanished was dealt with by
// somebody else. One that cannot be moved does not stop the others.
func (m *Maildir) Settle(_ context.Context, mails []Mail, aside bool) error {
	folder := "cur"
	if aside && len(mails) > 0 {
		var err error
		if folder, err = m.makeAside(); err != nil {
			return fmt.Errorf("make folder for what %s sets aside: %w", m.Name(), err)
		}
	}
	var failed error
	count := 0
	for _, mail := range mails {
		if err := m.move(mail.Key, folder, aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
			if count++; failed == nil {
				failed = fmt.Errorf("move %s in %s: %w", mail.Key, m.Name(), err)
			}
		}
	}
	if count > 1 {
		return fmt.Errorf("%w (and %d more)", failed, count-1)
	}
	return failed
}

// move renames a file into a folder, under a name that is free there: names in a Maildir are
// unique, and a rename to one that is there all the same would delete a message. Nobody else makes
// such names, so that it is enough to look first.
func (m *Maildir) move(key, folder string, aside bool) error {
	base, flags, _ := strings.Cut(filepath.Base(key), ":2,")
	end := ""
	if !aside {
		end = ":2," + withSeen(flags)
	}
	to := filepath.Join(m.Dir, folder, base+end)
	for n := 1; ; n++ {
		if _, err := os.Lstat(to); errors.Is(err, fs.ErrNotExist) {
			break
		} else if err != nil {
			return clean(err)
		}
		to = filepath.Join(m.Dir, folder, fmt.Sprintf("%s,%d%s", base, n, end))
	}
	err := os.Rename(filepath.Join(m.Dir, key), to)
	if e, ok := errors.AsType[*os.LinkError](err); ok { // its text names the paths again
		return e.Err
	}
	return err
}

// withSeen adds the flag S; flags stand in the order of the alphabet.
func withSeen(flags string) string {
	b := append([]byte(flags), 'S')
	slices.Sort(b)
	return string(slices.Compact(b))
}

// makeAside makes the folder if it is missing, and returns where new messages in it go.
func (m *Maildir) makeAside() (string, error) {
	dir := filepath.Join(m.Dir, asideFolder)
	if _, err := os.Lstat(filepath.Join(dir, "new")); err == nil {
		return asideFolder + "/new", nil
	}
	mode := fs.FileMode(0o700)
	if info, err := os.Stat(filepath.Join(m.Dir, "new")); err == nil {
		mode = info.Mode().Perm()
	}
	for _, folder := range []string{"", "tmp", "cur", "new"} {
		if err := os.Mkdir(filepath.Join(dir, folder), mode); err != nil && !errors.Is(err, fs.ErrExist) {
			return "", clean(err)
		}
	}
	f, err := os.OpenFile(filepath.Join(dir, "maildirfolder"), os.O_CREATE|os.O_WRONLY, mode&0o666)
	if err != nil {
		return "", clean(err)
	}
	return asideFolder + "/new", f.Close()
}
