package subscribers

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const keyFileHead = `# Keys of Broadsheet: the first one signs, all verify, the last one must never change.
# Never take a line out: links in old mails and the suppression list hang on it. Keep a copy.
`

// NewKey returns a list of one new key.
func NewKey(id string, rand io.Reader) (string, error) {
	secret := make([]byte, keySize)
	if _, err := io.ReadFull(rand, secret); err != nil {
		return "", fmt.Errorf("make key: read random bytes: %w", err)
	}
	return id + ":" + base64.StdEncoding.EncodeToString(secret), nil
}

// Rotate puts a new first key into the key file at path, keeps everything that is there, and
// returns the new key's id. Where there is no file it makes one (mode 0600) from list, which is
// the value of BROADSHEET_KEY or "": a file that began afresh beside keys in use would cut the
// database off from them. The file is replaced in one step, so that a crash leaves the old one
// or the new one.
func Rotate(path, list string, now time.Time, rand io.Reader) (id string, err error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // replace the file, not the link to it
	}
	// Whoever holds this file rotates; a second one at the same time would lose a key.
	next := path + ".new"
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("rotate keys: %s is there: another rotation is at work, or one was cut off; then remove that file", next)
	} else if err != nil {
		return "", fmt.Errorf("rotate keys: %w", err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(next)
		}
	}()
	old, err := readKeyFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("rotate keys: read %s: %w", path, err)
	}
	if strings.TrimSpace(old) == "" {
		old = list
	}
	entries, err := splitKeys(old)
	if err != nil {
		return "", fmt.Errorf("rotate keys: read %s: %w", path, err)
	}
	used := make(map[string]bool, len(entries))
	for _, e := range entries {
		used[e.id] = true
	}
	id = now.UTC().Format("20060102")
	for n := 2; used[id]; n++ {
		id = fmt.Sprintf("%s-%d", now.UTC().Format("20060102"), n)
	}
	fresh, err := NewKey(id, rand)
	if err != nil {
		return "", fmt.Errorf("rotate keys: %w", err)
	}
	text := keyFileHead + fresh + "\n"
	for _, e := range entries {
		text += e.id + ":" + base64.StdEncoding.EncodeToString(e.secret) + "\n"
	}
	if _, err := ParseKeys(text); err != nil {
		return "", fmt.Errorf("rotate keys: %w", err)
	}
	if _, err = f.WriteString(text); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = f.Close()
	}
	if err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		return "", fmt.Errorf("rotate keys: write %s: %w", path, err)
	}
	if err := syncFolder(filepath.Dir(path)); err != nil {
		return "", fmt.Errorf("rotate keys: the new key %s is in %s, but may not survive a power cut: %w", id, path, err)
	}
	return id, nil
}

// syncFolder makes a rename last.
func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
