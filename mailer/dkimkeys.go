package mailer

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"

	"broadsheet/secrets"
)

// DKIMKeys are the private keys that sign mails, each entry under the selector of its RSA key.
// The first entry signs messages begun now; the others are there for second copies of messages
// begun under them. Safe for many goroutines; it never prints a secret.
type DKIMKeys struct {
	entries []DKIMEntry
	found   map[string]DKIMEntry
}

// DKIMEntry holds keys that sign together: RSA's, which gives it its name, and perhaps one of
// Ed25519. It never prints a secret.
type DKIMEntry struct{ keys []dkimKey }

// String names the selectors.
func (e DKIMEntry) String() string {
	names := make([]string, len(e.keys))
	for i, k := range e.keys {
		names[i] = k.selector
	}
	return strings.Join(names, " and ")
}

// GoString is String.
func (e DKIMEntry) GoString() string { return e.String() }

type dkimKey struct {
	selector  string
	algorithm string // as a= has it
	key       crypto.Signer
	options   crypto.SignerOpts
}

// RSA's limits in bits: RFC 8301 section 3.2 asks for at least 1024 and better 2048, and has
// verifiers read up to 4096.
const (
	rsaLeast = 1024
	rsaWell  = 2048
	rsaMost  = 4096
)

// LoadDKIMKeys reads BROADSHEET_DKIM (a list), or the file named by BROADSHEET_DKIM_FILE, which
// nobody else may read ([secrets.Private]). With neither it returns nil and no error: the relay signs.
func LoadDKIMKeys(getenv func(string) string) (*DKIMKeys, error) {
	list, path := getenv("BROADSHEET_DKIM"), getenv("BROADSHEET_DKIM_FILE")
	switch {
	case list != "" && path != "":
		return nil, errors.New("BROADSHEET_DKIM and BROADSHEET_DKIM_FILE are both set: unset one")
	case list != "":
		k, err := ParseDKIMKeys(list)
		if err != nil {
			return nil, fmt.Errorf("read BROADSHEET_DKIM: %w", err)
		}
		return k, nil
	case path == "":
		return nil, nil
	}
	k, err := ReadDKIMFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read BROADSHEET_DKIM_FILE %s: the file is not there: restore it, make a first one with `broadsheet keys dkim`, or unset the variable if the relay signs", path)
	}
	if err != nil {
		return nil, fmt.Errorf("read BROADSHEET_DKIM_FILE %s: %w", path, err)
	}
	return k, nil
}

// ReadDKIMFile reads a key file.
func ReadDKIMFile(path string) (*DKIMKeys, error) {
	list, err := readDKIMFile(path)
	if err != nil {
		return nil, err
	}
	return ParseDKIMKeys(list)
}

func readDKIMFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
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

// ParseDKIMKeys reads a list of entries with commas or line ends between; a line that starts with
// # is a comment. An entry is `selector:base64`, an RSA key (PKCS #8 in DER), and perhaps, after
// a blank, a second `selector:base64`, an Ed25519 key that signs beside it.
func ParseDKIMKeys(list string) (*DKIMKeys, error) {
	k := &DKIMKeys{found: map[string]DKIMEntry{}}
	err := eachDKIMEntry(list, func(n int, text string) error {
		entry, err := parseDKIMEntry(text)
		if err != nil {
			return fmt.Errorf("entry %d: %w", n, err) // never the entry itself: it is a secret
		}
		for i, key := range entry.keys {
			if k.Has(key.selector) || i > 0 && strings.EqualFold(key.selector, entry.keys[0].selector) {
				return fmt.Errorf("entry %d: selector %s is there twice: selectors must differ", n, key.selector)
			}
		}
		k.entries = append(k.entries, entry)
		k.found[entry.keys[0].selector] = entry
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(k.entries) == 0 {
		return nil, errors.New("there is no key in it: run `broadsheet keys dkim`")
	}
	return k, nil
}

func eachDKIMEntry(list string, do func(n int, text string) error) error {
	if strings.Contains(list, "-----BEGIN") {
		return errors.New("it is in PEM: bring the key in with `broadsheet keys dkim --import FILE --selector NAME`")
	}
	n := 0
	for line := range strings.Lines(list) {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		for text := range strings.SplitSeq(line, ",") {
			if text = strings.TrimSpace(text); text == "" {
				continue
			}
			n++
			if err := do(n, text); err != nil {
				return err
			}
		}
	}
	return nil
}

// A selector is a domain of its own below _domainkey (RFC 6376 section 3.1).
var dkimSelector = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$`)

func parseDKIMEntry(text string) (e DKIMEntry, err error) {
	for item := range strings.FieldsSeq(text) {
		selector, code, found := strings.Cut(item, ":")
		if !found || !dkimSelector.MatchString(selector) {
			return e, errors.New("not of the form selector:base64 (selector: letters, digits, hyphens)")
		}
		code = strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(code), "=") // as BROADSHEET_KEY takes it
		der, err := base64.RawStdEncoding.DecodeString(code)
		if err != nil {
			return e, fmt.Errorf("key of selector %s is not in base64", selector)
		}
		key, err := parseDKIMKey(selector, der)
		if err != nil {
			return e, err
		}
		e.keys = append(e.keys, key)
	}
	return e, e.check()
}

func (e DKIMEntry) check() error {
	switch {
	case len(e.keys) == 0 || e.keys[0].algorithm != "rsa-sha256":
		return errors.New("its first key is not RSA's, which many receivers ask for: an Ed25519 key stands behind one")
	case len(e.keys) > 2 || len(e.keys) == 2 && e.keys[1].algorithm != "ed25519-sha256":
		return errors.New("it has more than one RSA and one Ed25519 key: put each RSA key on a line of its own")
	}
	return nil
}

// parseDKIMKey reads PKCS #8, or PKCS #1 as openssl once wrote RSA keys.
func parseDKIMKey(selector string, der []byte) (dkimKey, error) {
	private, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		if old, oldErr := x509.ParsePKCS1PrivateKey(der); oldErr == nil {
			private, err = old, nil
		}
	}
	if err != nil {
		return dkimKey{}, fmt.Errorf("key of selector %s is no sound private key in PKCS #8", selector)
	}
	switch key := private.(type) {
	case *rsa.PrivateKey:
		if bits := key.N.BitLen(); bits < rsaLeast || bits > rsaMost {
			return dkimKey{}, fmt.Errorf("key of selector %s has %d bits, not %d to %d: make a new one with `broadsheet keys dkim`", selector, bits, rsaLeast, rsaMost)
		}
		return dkimKey{selector, "rsa-sha256", key, crypto.SHA256}, nil
	case ed25519.PrivateKey: // of the hash, RFC 8463 section 3
		return dkimKey{selector, "ed25519-sha256", key, crypto.Hash(0)}, nil
	}
	return dkimKey{}, fmt.Errorf("key of selector %s is neither RSA's nor Ed25519's", selector)
}

// Selector names the entry that signs messages begun now.
func (k *DKIMKeys) Selector() string { return k.entries[0].keys[0].selector }

// Selectors names all entries, the one that signs first.
func (k *DKIMKeys) Selectors() (names []string) {
	for _, e := range k.entries {
		names = append(names, e.keys[0].selector)
	}
	return names
}

// Has reports whether there is a key of selector, RSA's or Ed25519's. Case means nothing, as in
// DNS. A nil k has none.
func (k *DKIMKeys) Has(selector string) bool {
	return k != nil && slices.ContainsFunc(k.entries, func(e DKIMEntry) bool {
		return slices.ContainsFunc(e.keys, func(key dkimKey) bool { return strings.EqualFold(key.selector, selector) })
	})
}

// String keeps the secrets out of logs.
func (k *DKIMKeys) String() string { return fmt.Sprintf("%d DKIM keys", len(k.entries)) }

// GoString is String.
func (k *DKIMKeys) GoString() string { return k.String() }

// Warnings says what about the keys is allowed and not good.
func (k *DKIMKeys) Warnings() (list []string) {
	for _, e := range k.entries {
		if key, ok := e.keys[0].key.(*rsa.PrivateKey); ok && key.N.BitLen() < rsaWell {
			list = append(list, fmt.Sprintf("selector %s has an RSA key of %d bits; receivers ask for %d: make a new one with `broadsheet keys dkim`",
				e.keys[0].selector, key.N.BitLen(), rsaWell))
		}
	}
	return list
}

// readPEM is the one private key in text.
func readPEM(selector string, text []byte) (dkimKey, error) {
	for {
		block, rest := pem.Decode(text)
		switch {
		case block == nil:
			return dkimKey{}, errors.New("there is no private key in PEM in it")
		case strings.Contains(block.Type, "ENCRYPTED") || block.Headers["DEK-Info"] != "":
			return dkimKey{}, errors.New("the key is encrypted: decrypt it first, with `openssl pkey -in FILE -out PLAIN`")
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			return parseDKIMKey(selector, block.Bytes)
		}
		text = rest
	}
}
