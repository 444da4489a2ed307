package mailer

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// wireAddress prepares an address for the wire: its domain in A-labels (RFC 5890), its local part
// as it is; wide says that the local part is beyond ASCII, which only SMTPUTF8 carries (RFC 6531
// section 3.4). Whether the address is any good was settled when the reader came in; here it only
// must not be able to break a command or a header.
func wireAddress(a string) (address string, wide bool, err error) {
	at := strings.LastIndexByte(a, '@')
	if at < 1 || at == len(a)-1 || len(a) > 254+2 || !utf8.ValidString(a) {
		return "", false, fmt.Errorf("address %q: no local part, domain or sensible length", mask(a))
	}
	for _, r := range a[:at] {
		if unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune(`<>()[]\,;:"@`, r) {
			return "", false, fmt.Errorf("address %q: %q may not stand in it", mask(a), r)
		}
		wide = wide || r > unicode.MaxASCII
	}
	local, domain := a[:at], a[at+1:]
	if !ascii(domain) {
		if domain, err = idna.Lookup.ToASCII(domain); err != nil {
			return "", false, fmt.Errorf("address %q: %w", mask(a), err)
		}
	}
	for i := range len(domain) {
		if c := domain[i]; !(isAtext(c) || c == '.') {
			return "", false, fmt.Errorf("address %q: %q may not stand in a domain", mask(a), c)
		}
	}
	if domain == a[at+1:] { // nearly always: nothing is allocated then
		return a, wide, nil
	}
	return local + "@" + domain, wide, nil
}

// mask hides whom an address belongs to: logs are read and kept by more people than the ledger.
func mask(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return "…"
	}
	_, n := utf8.DecodeRuneInString(address[:at])
	return address[:n] + "…" + address[at:]
}

var anAddress = regexp.MustCompile(`[^\s<>"'(),;:]+@[^\s<>"'(),;:]+`)

// maskAll hides the addresses in the text of a reply or error.
func maskAll(text string) string { return anAddress.ReplaceAllStringFunc(text, mask) }
