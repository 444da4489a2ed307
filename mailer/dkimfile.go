package mailer

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const dkimFileHead = `# DKIM keys of Broadsheet: the first line signs, the others are for second copies of mails begun
# under them and can go a week after they signed last. Each has a DNS record: keys dkim --show.
`

// NewDKIMEntry makes a key of RSA with 2048 bits or takes the first of pems (PKCS #8 or PKCS #1
// in PEM), and, with ed, one of Ed25519 beside it under selector with "-ed" behind. Of pems one
// may be an Ed25519 key.
func NewDKIMEntry(selector string, ed bool, pems ...[]byte) (DKIMEntry, error) {
	var main, beside dkimKey
	for _, text := range pems {
		key, err := readPEM(selector, text)
		switch {
		case err != nil:
			return DKIMEntry{}, fmt.Errorf("import DKIM key: %w", err)
		case key.algorithm == "rsa-sha256" && main.key == nil:
			main = key
		case key.algorithm == "ed25519-sha256" && beside.key == nil:
			beside = key
		default:
			return DKIMEntry{}, errors.New("import DKIM key: one RSA key and one Ed25519 key can be brought in at a time")
		}
	}
	if main.key == nil {
		private, err := rsa.GenerateKey(rand.Reader, rsaWell)
		if err != nil {
			return DKIMEntry{}, fmt.Errorf("make DKIM key: %w", err)
		}
		main = dkimKey{algorithm: "rsa-sha256", key: private}
	}
	if beside.key == nil && ed {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return DKIMEntry{}, fmt.Errorf("make DKIM key: %w", err)
		}
		beside = dkimKey{algorithm: "ed25519-sha256", key: private}
	}
	main.selector = selector
	e := DKIMEntry{[]dkimKey{main}}
	if beside.key != nil {
		beside.selector = selector + "-ed"
		e.keys = append(e.keys, beside)
	}
	for _, k := range e.keys {
		if !dkimSelector.MatchString(k.selector) {
			return DKIMEntry{}, fmt.Errorf("make DKIM key: selector %q is not made of letters, digits and hyphens, up to 63", k.selector)
		}
	}
	return e, nil
}

// AddDKIM puts an entry behind those of the key file at path, so that it signs only if it is the
// first; the DNS record comes before the signature. Where there is no file it makes one (mode
// 0600) from list, the value of BROADSHEET_DKIM or "". A selector that is there already is an
// error. The file is replaced in one step.
func AddDKIM(path, list string, e DKIMEntry) error {
	parts := make([]string, len(e.keys))
	for i, k := range e.keys {
		der, err := x509.MarshalPKCS8PrivateKey(k.key)
		if err != nil {
			return fmt.Errorf("write DKIM key: %w", err)
		}
		parts[i] = k.selector + ":" + base64.StdEncoding.EncodeToString(der)
	}
	return editDKIM(path, list, func(lines []string) ([]string, error) {
		return append(lines, strings.Join(parts, " ")), nil
	})
}

// UseDKIM puts the entry of selector first, so that it signs from now on.
func UseDKIM(path, selector string) error {
	return editDKIM(path, "", func(lines []string) ([]string, error) {
		for i, line := range lines {
			if strings.HasPrefix(line, selector+":") {
				return append([]string{line}, append(lines[:i:i], lines[i+1:]...)...), nil
			}
		}
		return nil, fmt.Errorf("there is no selector %s in it", selector)
	})
}

func editDKIM(path, list string, edit func(lines []string) ([]string, error)) (err error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // replace the file, not the link to it
	}
	// Whoever holds this file edits; a second one at the same time would lose a key.
	next := path + ".new"
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("edit DKIM keys: %s is there: another edit is at work, or one was cut off; then remove that file", next)
	} else if err != nil {
		return fmt.Errorf("edit DKIM keys: %w", err)
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(next)
		}
	}()
	old, err := readDKIMFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("edit DKIM keys: read %s: %w", path, err)
	}
	if strings.TrimSpace(old) == "" {
		old = list
	}
	var lines []string
	if err := eachDKIMEntry(old, func(_ int, text string) error { lines = append(lines, text); return nil }); err != nil {
		return fmt.Errorf("edit DKIM keys: read %s: %w", path, err)
	}
	if lines, err = edit(lines); err != nil {
		return fmt.Errorf("edit DKIM keys: %s: %w", path, err)
	}
	text := dkimFileHead + strings.Join(lines, "\n") + "\n"
	if _, err := ParseDKIMKeys(text); err != nil {
		return fmt.Errorf("edit DKIM keys: %s: %w", path, err)
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
		return fmt.Errorf("edit DKIM keys: write %s: %w", path, err)
	}
	d, err := os.Open(filepath.Dir(path)) // makes the rename last
	if err != nil {
		return fmt.Errorf("edit DKIM keys: %w", err)
	}
	defer func() { _ = d.Close() }()
	return d.Sync()
}
