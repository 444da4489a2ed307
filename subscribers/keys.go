package subscribers

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"sync"

	"broadsheet/secrets"
)

const keySize = 32

// What each derived key is for (the info of RFC 5869). A label is never changed and never used
// for a second purpose: links in mails of years ago hang on it.
const (
	labelHint        = "broadsheet key hint 1"
	labelLink        = "broadsheet link 1"
	labelFingerprint = "broadsheet fingerprint 1"
	labelMessageID   = "broadsheet message id 1"
	labelAddress     = "broadsheet address 1"
	labelReturnPath  = "broadsheet return path 1"
	labelBox         = "broadsheet box 1"
)

// ErrNoKey says that the environment holds no key.
var ErrNoKey = errors.New("no key is set: run `broadsheet keys rotate` to make a key file, and set BROADSHEET_KEY_FILE to it (or BROADSHEET_KEY to the list itself)")

// Keys are the secrets behind links, Message-IDs, return paths and suppression hashes.
// The first entry signs new links, every entry verifies, and everything that must never change
// comes from the last and oldest one. Safe for many goroutines; it never prints a secret.
type Keys struct {
	list []*key
	byID map[string]*key

	fingerprint string
	messageID   *sealer
	address     *sealer
	returnPath  *sealer
	box         cipher.AEAD

	pens sync.Pool // of *Pen
}

type key struct {
	id   string
	hint byte // finds the key of a token without giving its id away
	link *sealer
}

// LoadKeys reads BROADSHEET_KEY (a list), or the file named by BROADSHEET_KEY_FILE, which nobody
// else may read ([secrets.Private]). With neither it returns an error that is [ErrNoKey].
func LoadKeys(getenv func(string) string) (*Keys, error) {
	list, path := getenv("BROADSHEET_KEY"), getenv("BROADSHEET_KEY_FILE")
	switch {
	case list != "" && path != "":
		return nil, errors.New("BROADSHEET_KEY and BROADSHEET_KEY_FILE are both set: unset one")
	case list != "":
		k, err := ParseKeys(list)
		if err != nil {
			return nil, fmt.Errorf("read BROADSHEET_KEY: %w", err)
		}
		return k, nil
	case path == "":
		return nil, ErrNoKey
	}
	list, err := readKeyFile(path)
	if err == nil {
		var k *Keys
		if k, err = ParseKeys(list); err == nil {
			return k, nil
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read BROADSHEET_KEY_FILE %s: the file is not there: restore it, or make a first one with `broadsheet keys rotate`", path)
	}
	return nil, fmt.Errorf("read BROADSHEET_KEY_FILE %s: %w", path, err)
}

func readKeyFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !secrets.Private(info) {
		return "", fmt.Errorf("mode is %04o, others may read the keys: chmod 600 %s", info.Mode().Perm(), path)
	}
	list, err := io.ReadAll(io.LimitReader(f, 1<<20))
	return string(list), err
}

var keyID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,32}$`)

// ParseKeys reads a list of `id:base64` with commas or line ends between; a line that starts
// with # is a comment. An id is up to 32 letters, digits, dots, hyphens and underscores.
func ParseKeys(list string) (*Keys, error) {
	k := &Keys{byID: make(map[string]*key), pens: sync.Pool{New: func() any { return new(Pen) }}}
	entries, err := splitKeys(list)
	if err != nil {
		return nil, err
	}
	for i, e := range entries {
		if k.byID[e.id] != nil {
			return nil, fmt.Errorf("key %d: id %s is there twice: ids must differ", i+1, e.id)
		}
		next := &key{id: e.id, hint: derive(e.secret, labelHint)[0], link: newSealer(e.secret, labelLink)}
		k.list = append(k.list, next)
		k.byID[e.id] = next
	}
	if len(entries) == 0 {
		return nil, errors.New("there is no key in it: run `broadsheet keys rotate`")
	}
	oldest := entries[len(entries)-1].secret
	k.fingerprint = hex.EncodeToString(derive(oldest, labelFingerprint)[:16])
	k.messageID = newSealer(oldest, labelMessageID)
	k.address = newSealer(oldest, labelAddress)
	k.returnPath = newSealer(oldest, labelReturnPath)
	k.box = newBox(derive(oldest, labelBox))
	return k, nil
}

type keyEntry struct {
	id     string
	secret []byte
}

func splitKeys(list string) ([]keyEntry, error) {
	var entries []keyEntry
	for text := range strings.Lines(list) {
		text = strings.TrimSpace(text)
		if strings.HasPrefix(text, "#") {
			continue
		}
		for item := range strings.SplitSeq(text, ",") {
			if item = strings.TrimSpace(item); item == "" {
				continue
			}
			n := len(entries) + 1 // never the entry itself: it may be a secret in the wrong place
			id, code, found := strings.Cut(item, ":")
			if !found || !keyID.MatchString(id) {
				return nil, fmt.Errorf("key %d: not of the form id:base64 (id: letters, digits, . _ -)", n)
			}
			code = strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimSpace(code)), "=")
			secret, err := base64.RawStdEncoding.DecodeString(code)
			if err != nil || len(secret) != keySize {
				return nil, fmt.Errorf("key %d (%s): not %d bytes in base64", n, id, keySize)
			}
			entries = append(entries, keyEntry{id, secret})
		}
	}
	return entries, nil
}

// SigningID is the id of the key that signs new links.
func (k *Keys) SigningID() string { return k.list[0].id }

// Fingerprint identifies the oldest key without giving it away. A database keeps it and must
// not be run with another: its suppressions and Message-IDs would mean nothing.
func (k *Keys) Fingerprint() string { return k.fingerprint }

// String keeps the secrets out of logs.
func (k *Keys) String() string { return fmt.Sprintf("%d keys", len(k.list)) }

// GoString is String.
func (k *Keys) GoString() string { return k.String() }

// derive gives each purpose a key of its own. The entries are uniform already, so that the
// extract step of RFC 5869 section 3.3 can be left out.
func derive(secret []byte, label string) []byte {
	out, err := hkdf.Expand(sha256.New, secret, label, keySize)
	if err != nil {
		panic("hkdf refused constants: " + err.Error()) // by its documentation only for a length above 255 hashes
	}
	return out
}
