package inbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/emersion/go-imap/v2/imapclient"
)

// Check says whether mail can be read here and settled, and takes none.
func (m *Maildir) Check(context.Context) error {
	if info, err := os.Stat(m.Dir); err == nil && !info.IsDir() {
		return fmt.Errorf("%s is a file; a Maildir is a folder that holds the folders new, cur and tmp", m.Name())
	}
	for _, folder := range []string{"new", "cur"} {
		dir := filepath.Join(m.Dir, folder)
		f, err := os.CreateTemp(dir, ".check-*") // names with a dot are nobody's mail
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s has no folder %s; the mail server makes it with the first message, or: %s", m.Name(), folder, m.makeIt())
		}
		if err != nil {
			return fmt.Errorf("write to %s: %w", m.Name(), clean(err))
		}
		if err := errors.Join(f.Close(), os.Remove(f.Name())); err != nil {
			return fmt.Errorf("write to %s: %w", m.Name(), clean(err))
		}
		if err := m.checkOne(folder); err != nil {
			return err
		}
	}
	return nil
}

// makeIt is a command for any shell that makes the folders.
func (m *Maildir) makeIt() string {
	return "mkdir -p " + filepath.Join(m.Dir, "new") + " " + filepath.Join(m.Dir, "cur") + " " + filepath.Join(m.Dir, "tmp")
}

// checkOne reads one of the messages in a folder, if there are any: as it is, so are the others.
func (m *Maildir) checkOne(folder string) error {
	dir, err := os.Open(filepath.Join(m.Dir, folder))
	if err != nil {
		return fmt.Errorf("list %s: %w", m.Name(), clean(err))
	}
	defer dir.Close()
	names, err := dir.Readdirnames(10)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("list %s: %w", m.Name(), clean(err))
	}
	for _, name := range names {
		if name[0] == '.' {
			continue
		}
		if mail, ok := m.read(entry{name: folder + "/" + name}); ok && mail.Err != nil {
			return fmt.Errorf("read %s in %s: %w; messages must belong to the user who runs this", mail.Key, m.Name(), mail.Err)
		} else if ok {
			break
		}
	}
	return nil
}

// Check logs in and opens the mailbox, and takes no mail.
func (m *IMAP) Check(ctx context.Context) error {
	if err := m.do(ctx, func(c *imapclient.Client) error { return c.Noop().Wait() }); err != nil {
		return fmt.Errorf("open %s: %w", m.Name(), err)
	}
	return nil
}
