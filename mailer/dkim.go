package mailer

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ErrNoSelector is the error of a mail that was begun under a DKIM selector whose key is gone.
var ErrNoSelector = errors.New("put the selector's line back into BROADSHEET_DKIM_FILE (or BROADSHEET_DKIM)")

// signedFields are the fields that a signature covers where a message has them (RFC 6376 section
// 5.4.1), in this order: those that a reader or a mail program goes by. RFC 8058 section 4 wants
// the List-Unsubscribe pair among them, Gmail the Feedback-ID, RFC 9477 the CFBL-Address.
var signedFields = []string{"From", "Sender", "Reply-To", "To", "Cc", "Subject", "Date", "Message-ID",
	"In-Reply-To", "References", "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
	"List-Id", "List-Help", "List-Owner", "List-Unsubscribe", "List-Unsubscribe-Post",
	"Feedback-ID", "CFBL-Address"}

// oversigned fields are named once more than they are there, so that one that is added breaks
// the signature (RFC 6376 section 8.15).
var oversigned = []string{"From", "Subject"}

// DKIM signs with the publication's own keys: relaxed/relaxed, RSA-SHA256 and beside it, where a
// selector has such a key, Ed25519-SHA256 (RFC 8463). It is made by [NewDKIM], never changes and
// is safe for many goroutines. Both algorithms give the same signature for the same input.
type DKIM struct {
	keys   *DKIMKeys
	domain string
	fields []string // to be signed
	single bool     // one signature, RSA's
	tables sync.Pool
}

var _ Signer = (*DKIM)(nil)

// NewDKIM makes the signer for a relay. domain, that of From, becomes d=. profile says what the
// relay does to a message: "plain" leaves it alone; "ses", Amazon SES, puts a Date and Message-ID
// of its own, which must stay unsigned then, and takes one DKIM-Signature, so that an Ed25519 key
// is left out.
func NewDKIM(keys *DKIMKeys, domain, profile string) (*DKIM, error) {
	if keys == nil || len(keys.entries) == 0 {
		return nil, errors.New("sign mails: there is no DKIM key")
	}
	s := &DKIM{keys: keys, domain: strings.ToLower(domain), fields: signedFields}
	s.tables.New = func() any { return &signing{hash: sha256.New()} }
	switch profile {
	case "", "plain":
	case "ses":
		s.single = true
		s.fields = slices.DeleteFunc(slices.Clone(signedFields), func(f string) bool { return f == "Date" || f == "Message-ID" })
	default:
		return nil, fmt.Errorf("sign mails: no profile %q", profile)
	}
	if _, err := keys.Records(s.domain); err != nil {
		return nil, fmt.Errorf("sign mails: %w", err)
	}
	return s, nil
}

// Selector names the first key, which signs messages begun now.
func (s *DKIM) Selector() string { return s.keys.Selector() }

// Sign appends the DKIM-Signature fields of message to dst, RSA's first. message must have one
// From, CRLF line ends and an empty line after its header. The error is [ErrNoSelector] if
// selector's key is not there.
func (s *DKIM) Sign(dst, message []byte, selector string, t time.Time) ([]byte, error) {
	entry, ok := s.keys.found[selector]
	switch {
	case !ok:
		return dst, fmt.Errorf("sign mail: there is no DKIM key of selector %q, under which it was begun: %w", selector, ErrNoSelector)
	case t.Unix() < 0:
		return dst, fmt.Errorf("sign mail: %s is before 1970", t.Format(time.RFC3339))
	}
	keys := entry.keys
	if s.single {
		keys = keys[:1]
	}
	w := s.tables.Get().(*signing)
	defer s.putBack(w)
	body, err := w.read(message)
	if err != nil {
		return dst, err
	}
	if err := w.choose(s.fields); err != nil {
		return dst, err
	}
	w.hash.Reset()
	if err := writeRelaxed(w.hash, body); err != nil {
		return dst, err
	}
	w.body = w.hash.Sum(w.body[:0])
	out := dst
	for _, k := range keys {
		if out, err = w.sign(out, k, s.domain, t); err != nil {
			return dst, fmt.Errorf("sign mail with selector %s: %w", k.selector, err)
		}
	}
	return out, nil
}

func (s *DKIM) putBack(w *signing) {
	clear(w.fields) // nothing of the message is kept
	w.line.b = nil
	s.tables.Put(w)
}

// signing is one message being signed; it is used again for its memory.
type signing struct {
	hash   hash.Hash
	fields []field // of the message
	names  []string
	canon  []byte // the chosen fields in relaxed form
	body   []byte // hash of the body
	sum    []byte
	field  []byte // the DKIM-Signature in relaxed form
	line   folder
}

// choose lists the names for h= and writes the fields they stand for in relaxed form. A name
// that is there n times stands for the n fields from the last one up (RFC 6376 section 5.4.2).
func (w *signing) choose(names []string) error {
	w.names, w.canon = w.names[:0], w.canon[:0]
	for _, name := range names {
		n := 0
		for _, f := range slices.Backward(w.fields) {
			if f.is(name) {
				w.canon = append(f.appendRelaxed(w.canon), "\r\n"...)
				w.names = append(w.names, name)
				n++
			}
		}
		if name == "From" && n != 1 {
			return fmt.Errorf("sign mail: it has %d From fields, not one", n)
		}
		if slices.Contains(oversigned, name) {
			w.names = append(w.names, name)
		}
	}
	return nil
}

// sign appends the DKIM-Signature field of one key. What is signed is the field as it is sent,
// with nothing behind b= (RFC 6376 section 3.7).
func (w *signing) sign(dst []byte, k dkimKey, domain string, t time.Time) ([]byte, error) {
	start := len(dst)
	l := &w.line
	l.begin(dst, "DKIM-Signature:")
	l.tag("v=", "1")
	l.tag("a=", k.algorithm)
	l.tag("c=", "relaxed/relaxed")
	l.tag("d=", domain)
	l.tag("s=", k.selector)
	l.tag("t=", strconv.FormatInt(t.Unix(), 10))
	l.names("h=", w.names)
	l.tag("bh=", base64.StdEncoding.EncodeToString(w.body))
	l.fold(" b=")
	own := field{text: l.b[start:], colon: len("DKIM-Signature")}
	w.field = own.appendRelaxed(w.field[:0])
	w.hash.Reset()
	_, _ = w.hash.Write(w.canon)
	_, _ = w.hash.Write(w.field)
	w.sum = w.hash.Sum(w.sum[:0])
	signature, err := k.key.Sign(nil, w.sum, k.options)
	if err != nil {
		return dst, err
	}
	l.base64(signature)
	return append(l.b, "\r\n"...), nil
}
