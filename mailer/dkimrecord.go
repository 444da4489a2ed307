package mailer

import (
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"strings"
)

// DKIMRecord is the TXT record in which receivers look for a public key (RFC 6376 section 3.6).
type DKIMRecord struct {
	Selector  string
	Algorithm string // "rsa" or "ed25519"
	Bits      int
	Name      string // without the root's dot
	Value     string // as one text; a record holds it in Strings
	Signs     bool   // by this key messages begun now are signed
}

// Records lists the records of all keys at domain, those of the key that signs now first.
func (k *DKIMKeys) Records(domain string) ([]DKIMRecord, error) {
	var list []DKIMRecord
	for i, e := range k.entries {
		records, err := e.Records(domain)
		if err != nil {
			return nil, err
		}
		for n := range records {
			records[n].Signs = i == 0
		}
		list = append(list, records...)
	}
	return list, nil
}

// Records lists the records of the entry's keys at domain. An error says that domain is none.
func (e DKIMEntry) Records(domain string) ([]DKIMRecord, error) {
	var list []DKIMRecord
	for _, key := range e.keys {
		r := DKIMRecord{Selector: key.selector, Name: key.selector + "._domainkey." + strings.ToLower(domain)}
		if err := checkRecordName(r.Name); err != nil {
			return nil, err
		}
		var public []byte
		switch p := key.key.Public().(type) {
		case ed25519.PublicKey: // bare, RFC 8463 section 4
			r.Algorithm, r.Bits, public = "ed25519", 256, p
		case *rsa.PublicKey:
			der, err := x509.MarshalPKIXPublicKey(p)
			if err != nil {
				return nil, fmt.Errorf("write public key of selector %s: %w", key.selector, err)
			}
			r.Algorithm, r.Bits, public = "rsa", p.N.BitLen(), der
		}
		r.Value = "v=DKIM1; k=" + r.Algorithm + "; p=" + base64.StdEncoding.EncodeToString(public)
		list = append(list, r)
	}
	return list, nil
}

// Strings splits the value into the strings of at most 255 octets that a TXT record is made of
// (RFC 1035 section 3.3.14); receivers join them without anything between.
func (r DKIMRecord) Strings() (parts []string) {
	v := r.Value
	for ; len(v) > 255; v = v[255:] {
		parts = append(parts, v[:255])
	}
	return append(parts, v)
}

// Zone is the record as a zone file has it (RFC 1035 section 5.1), with no line end.
func (r DKIMRecord) Zone() string {
	return r.Name + `. IN TXT ( "` + strings.Join(r.Strings(), "\"\n    \"") + `" )`
}

// checkRecordName refuses a name that DNS cannot hold (RFC 1035 section 2.3.4).
func checkRecordName(name string) error {
	if len(name) > 253 || !dkimSelector.MatchString(strings.Replace(name, "._domainkey.", ".", 1)) {
		return fmt.Errorf("%q is no domain name", name)
	}
	return nil
}
