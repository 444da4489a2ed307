package mailer

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// dkimDER makes private keys in PKCS #8.
func dkimDER(t testing.TB, kind string) []byte {
	t.Helper()
	var key any
	var err error
	switch kind {
	case "rsa1024":
		key, err = rsa.GenerateKey(rand.Reader, 1024)
	case "rsa2048":
		return must(t)(x509.MarshalPKCS8PrivateKey(dkimMade().found["alone"].keys[0].key))
	case "ed25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	case "ec":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	return must(t)(x509.MarshalPKCS8PrivateKey(key))
}

func must(t testing.TB) func([]byte, error) []byte {
	return func(b []byte, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
}

func coded(der []byte) string { return base64.StdEncoding.EncodeToString(der) }

func TestParseDKIMKeys(t *testing.T) {
	big, small, ed := coded(dkimDER(t, "rsa2048")), coded(dkimDER(t, "rsa1024")), coded(dkimDER(t, "ed25519"))
	for _, tt := range []struct {
		name, list string
		want       string // selectors; or what the error says
		bad        bool
	}{
		{"one", "a:" + big, "a", false},
		{"several, comments, blanks", "# a comment, with: a comma\n\n a:" + big + " a-ed:" + ed + " \nb.2026:" + small + "\r\n", "a b.2026", false},
		{"commas", "a:" + big + ",b:" + big + " c:" + ed + ",", "a b", false},
		{"another base64", "a:" + strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(big), "="), "a", false},
		{"empty", "", "there is no key in it", true},
		{"a comment", "# a:" + big, "there is no key in it", true},
		{"no colon", big, "entry 1: not of the form selector:base64", true},
		{"no selector", ":" + big, "not of the form", true},
		{"underscore", "a_b:" + big, "not of the form", true},
		{"hyphen at the end", "a-:" + big, "not of the form", true},
		{"long", strings.Repeat("a", 64) + ":" + big, "not of the form", true},
		{"no base64", "a:%%%", "entry 1: key of selector a is not in base64", true},
		{"no key", "a:" + big[:100], "is no sound private key", true},
		{"twice", "a:" + big + "\nA:" + big, "entry 2: selector A is there twice", true},
		{"twice in one", "a:" + big + " A:" + ed, "selector A is there twice", true},
		{"as the other's second", "a:" + big + " b:" + ed + "\nb:" + big, "selector b is there twice", true},
		{"Ed25519 alone", "a:" + ed, "its first key is not RSA's", true},
		{"Ed25519 first", "a:" + ed + " b:" + big, "its first key is not RSA's", true},
		{"two of RSA", "a:" + big + " b:" + big, "more than one RSA and one Ed25519", true},
		{"three", "a:" + big + " b:" + ed + " c:" + ed, "more than one RSA and one Ed25519", true},
		{"EC", "a:" + coded(dkimDER(t, "ec")), "neither RSA's nor Ed25519's", true},
		{"PEM", "-----BEGIN PRIVATE KEY-----\n" + big + "\n-----END PRIVATE KEY-----\n", "keys dkim --import FILE", true},
	} {
		k, err := ParseDKIMKeys(tt.list)
		switch {
		case tt.bad && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: %v, not %q", tt.name, err, tt.want)
		case tt.bad && strings.Contains(err.Error(), big[:40]):
			t.Errorf("%s: the error gives the key away: %v", tt.name, err)
		case !tt.bad && (err != nil || strings.Join(k.Selectors(), " ") != tt.want):
			t.Errorf("%s: %v, %v, not %q", tt.name, k, err, tt.want)
		}
	}
	k, err := ParseDKIMKeys("a:" + small + " a-ed:" + ed)
	if err != nil {
		t.Fatal(err)
	}
	if w := k.Warnings(); len(w) != 1 || !strings.Contains(w[0], "selector a has an RSA key of 1024 bits") {
		t.Errorf("warnings %q", w)
	}
	if !k.Has("A-ED") || k.Has("b") || (*DKIMKeys)(nil).Has("a") {
		t.Error("Has is wrong")
	}
	for _, text := range []string{fmt.Sprintf("%v %+v %#v", k, k, k), fmt.Sprintf("%v %#v", k.entries[0], k.entries[0])} {
		if strings.Contains(text, "PrivateKey") || len(text) > 100 {
			t.Errorf("printed keys say %s", text)
		}
	}
}

func TestLoadDKIMKeys(t *testing.T) {
	dir := t.TempDir()
	list := "a:" + coded(dkimDER(t, "rsa2048"))
	path := filepath.Join(dir, "keys")
	if err := os.WriteFile(path, []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	wide := filepath.Join(dir, "wide")
	if err := os.WriteFile(wide, []byte(list), 0o640); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, list, path, want string }{
		{"list", list, "", ""},
		{"file", "", path, ""},
		{"both", list, path, "both set"},
		{"wide file", "", wide, "chmod 600"},
		{"no file", "", filepath.Join(dir, "gone"), "the file is not there"},
		{"a folder", "", dir, "BROADSHEET_DKIM_FILE"},
		{"bad list", "a:b", "", "read BROADSHEET_DKIM: entry 1"},
	} {
		k, err := LoadDKIMKeys(func(name string) string {
			return map[string]string{"BROADSHEET_DKIM": tt.list, "BROADSHEET_DKIM_FILE": tt.path}[name]
		})
		if tt.want == "" && (err != nil || k.Selector() != "a") || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, %v, not %q", tt.name, k, err, tt.want)
		}
	}
	if k, err := LoadDKIMKeys(func(string) string { return "" }); k != nil || err != nil {
		t.Errorf("nothing set: %v, %v", k, err)
	}
}

func TestDKIMFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "keys")
	link := filepath.Join(dir, "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	has := func(want ...string) {
		t.Helper()
		k, err := ReadDKIMFile(path)
		if err != nil || !slices.Equal(k.Selectors(), want) {
			t.Errorf("%v, %v, not %v", k.Selectors(), err, want)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
		if _, err := os.Stat(path + ".new"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s.new: %v", path, err)
		}
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: dkimDER(t, "rsa2048")})
	entry := func(selector string, ed bool) DKIMEntry {
		t.Helper()
		e, err := NewDKIMEntry(selector, ed, text)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	environment := "zero:" + coded(dkimDER(t, "rsa2048"))
	if err := AddDKIM(path, environment, entry("one", true)); err != nil {
		t.Fatal(err)
	}
	has("zero", "one")
	if err := AddDKIM(link, environment, entry("two", false)); err != nil {
		t.Fatal(err)
	}
	has("zero", "one", "two")
	before := must(t)(os.ReadFile(path))
	for _, again := range []string{"two", "ONE", "one-ed"} {
		if err := AddDKIM(path, "", entry(again, false)); err == nil {
			t.Errorf("%s is taken twice", again)
		}
	}
	for _, unknown := range []string{"tw", "one-ed", "three", ""} {
		if err := UseDKIM(path, unknown); err == nil {
			t.Errorf("%q is put to use", unknown)
		}
	}
	has("zero", "one", "two")
	if after := must(t)(os.ReadFile(path)); string(after) != string(before) {
		t.Error("a refusal changed the file")
	}
	for range 2 {
		if err := UseDKIM(link, "two"); err != nil {
			t.Fatal(err)
		}
		has("two", "zero", "one")
	}
	if err := os.WriteFile(path+".new", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := UseDKIM(path, "one"); err == nil || !strings.Contains(err.Error(), "another edit is at work") {
		t.Errorf("beside another edit: %v", err)
	}
}

func TestDKIMImport(t *testing.T) {
	old := x509.MarshalPKCS1PrivateKey(dkimMade().found["alone"].keys[0].key.(*rsa.PrivateKey))
	block := func(kind string, der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}
	big, ed := block("PRIVATE KEY", dkimDER(t, "rsa2048")), block("PRIVATE KEY", dkimDER(t, "ed25519"))
	for _, tt := range []struct {
		name string
		pems [][]byte
		want string
	}{
		{"PKCS #8", [][]byte{big}, "s"},
		{"PKCS #1", [][]byte{block("RSA PRIVATE KEY", old)}, "s"},
		{"both", [][]byte{ed, big}, "s and s-ed"},
		{"behind other blocks", [][]byte{append(block("CERTIFICATE", []byte("x")), big...)}, "s"},
		{"two of RSA", [][]byte{big, big}, "one RSA key and one Ed25519"},
		{"a public key", [][]byte{block("PUBLIC KEY", []byte("x"))}, "no private key in PEM"},
		{"encrypted", [][]byte{block("ENCRYPTED PRIVATE KEY", []byte("x"))}, "openssl pkey"},
		{"no PEM", [][]byte{[]byte("x")}, "no private key in PEM"},
		{"damaged", [][]byte{block("PRIVATE KEY", []byte("x"))}, "no sound private key"},
	} {
		e, err := NewDKIMEntry("s", false, tt.pems...)
		if err == nil && e.String() != tt.want || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, %v, not %q", tt.name, e, err, tt.want)
		}
	}
	for _, selector := range []string{"", "a b", "a:", "ä", "a..b", strings.Repeat("a", 61)} {
		if e, err := NewDKIMEntry(selector, true, big); err == nil {
			t.Errorf("selector %q makes %v", selector, e)
		}
	}
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	for _, command := range []string{"genrsa -traditional 2048", "genrsa 2048", "genpkey -algorithm ed25519"} {
		text := must(t)(exec.Command(openssl, strings.Fields(command)...).Output())
		if e, err := NewDKIMEntry("s", false, text); err != nil {
			t.Errorf("%s: %v, %v", command, e, err)
		}
	}
	short := must(t)(exec.Command(openssl, "genrsa", "768").Output())
	if e, err := NewDKIMEntry("s", false, short); err == nil || !strings.Contains(err.Error(), "has 768 bits") {
		t.Errorf("768 bits: %v, %v", e, err)
	}
}

func TestDKIMRecords(t *testing.T) {
	records, err := dkimMade().Records("Lantern.example")
	if err != nil {
		t.Fatal(err)
	}
	if len(records) != 3 || !records[0].Signs || !records[1].Signs || records[2].Signs ||
		records[0].Name != "pair._domainkey.lantern.example" || records[1].Name != "pair-ed._domainkey.lantern.example" {
		t.Errorf("%+v", records)
	}
	for _, r := range records {
		for _, s := range r.Strings() {
			if len(s) > 255 || s == "" || strings.ContainsAny(s, `"\`) {
				t.Errorf("string of %d octets: %s", len(s), s)
			}
		}
		if strings.Join(r.Strings(), "") != r.Value || r.Bits == 2048 != (len(r.Strings()) == 2) {
			t.Errorf("%+v", r)
		}
	}
	if _, err := dkimMade().Records("lantern example"); err == nil {
		t.Error("a domain with a blank is taken")
	}
}
