package subscribers

import (
	"errors"
	"fmt"
	"net/mail"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// Octets, RFC 5321 sections 4.5.3.1.1 to 4.5.3.1.3 (a path of 256 less its angle brackets).
const (
	maxLocal   = 64
	maxDomain  = 253
	maxAddress = 254
	maxGiven   = 4 * maxAddress // before A-labels: a rune has up to four octets
)

// whatwg is the HTML standard's "valid e-mail address". net/mail alone takes comments, quoted
// local parts and labels with stray hyphens; this alone takes dots in a row. Both together
// refuse all of them.
var whatwg = regexp.MustCompile("^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@" + label + `(?:\.` + label + ")*$")

const label = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"

// ParseAddress checks that s is a bare address that we are willing to mail, and returns it as
// given. It takes what RFC 5321 section 4.1.2 calls a mailbox, without quoted local parts and
// without address literals, and wants a dot in the domain and a top level that is no number.
// A domain may be international (RFC 5890), and a local part may be UTF-8 (RFC 6531). White
// space around the address is not taken off.
//
// The error says what is wrong and how to mend it, without repeating the address.
func ParseAddress(s string) (string, error) {
	switch {
	case s == "":
		return "", errors.New("the address is empty: write one like name@example.org")
	case len(s) > maxGiven:
		return "", fmt.Errorf("the address is longer than %d octets", maxAddress)
	case !utf8.ValidString(s):
		return "", errors.New("the address is not UTF-8: save the file as UTF-8")
	}
	if strings.ContainsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return "", errors.New("the address has a blank or control character in it: take it out")
	}
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		return "", errors.New("the address has no @: write one like name@example.org")
	}
	local, domain := s[:at], s[at+1:]
	if err := checkLocal(local); err != nil {
		return "", err
	}
	ascii, err := checkDomain(domain)
	if err != nil {
		return "", err
	}
	if len(local)+1+len(ascii) > maxAddress {
		return "", fmt.Errorf("the address is longer than %d octets", maxAddress)
	}
	parsed, err := mail.ParseAddress(s)
	if err != nil || parsed.Address != s || parsed.Name != "" ||
		!whatwg.MatchString(strings.Map(asciiStand, local)+"@"+ascii) {
		return "", errors.New("the address is not of the form name@example.org")
	}
	return s, nil
}

// asciiStand lets an ASCII expression judge the rest of a UTF-8 local part.
func asciiStand(r rune) rune {
	if r >= utf8.RuneSelf {
		return 'u'
	}
	return r
}

func checkLocal(local string) error {
	switch {
	case local == "":
		return errors.New("nothing stands before the @: write an address like name@example.org")
	case len(local) > maxLocal:
		return fmt.Errorf("the part before the @ is longer than %d octets", maxLocal)
	case strings.ContainsRune(local, '@'):
		return errors.New("the address has more than one @: give one address")
	case local[0] == '.' || local[len(local)-1] == '.' || strings.Contains(local, ".."):
		return errors.New("the part before the @ starts or ends with a dot or has two in a row")
	}
	for _, r := range local {
		switch {
		case r < utf8.RuneSelf && strings.ContainsRune(`"(),:;<>[\]`, r):
			return fmt.Errorf("the part before the @ has %q in it: give the bare address, without name, quotes or brackets", r)
		case r >= utf8.RuneSelf && !unicode.IsGraphic(r):
			return fmt.Errorf("the part before the @ has the invisible character %U in it: take it out", r)
		}
	}
	return nil
}

// checkDomain returns the domain's form in A-labels.
func checkDomain(domain string) (string, error) {
	switch {
	case domain == "":
		return "", errors.New("nothing stands after the @: write an address like name@example.org")
	case domain[0] == '[':
		return "", errors.New("the domain is an address literal: give a domain name")
	}
	ascii, err := toASCII(domain)
	if err != nil {
		return "", errors.New("the domain is not a valid international domain name (RFC 5891)")
	}
	if len(ascii) > maxDomain {
		return "", fmt.Errorf("the domain is longer than %d octets", maxDomain)
	}
	dot := strings.LastIndexByte(ascii, '.')
	if dot < 0 {
		return "", errors.New("the domain has no dot: write it whole, like example.org")
	}
	for part := range strings.SplitSeq(ascii, ".") {
		switch {
		case part == "":
			return "", errors.New("the domain starts or ends with a dot or has two in a row")
		case len(part) > 63:
			return "", errors.New("a part of the domain is longer than 63 octets")
		case part[0] == '-' || part[len(part)-1] == '-':
			return "", errors.New("a part of the domain starts or ends with a hyphen")
		}
	}
	if strings.Trim(ascii[dot+1:], "0123456789") == "" {
		return "", errors.New("the domain ends with a number: give a domain name, not an IP address")
	}
	return ascii, nil
}

// ASCIIDomain is a domain as it stands on the wire, in A-labels (RFC 5890 section 2.3.2.1).
func ASCIIDomain(domain string) (string, error) { return toASCII(domain) }

// toASCII leaves ASCII alone: names in use that no IDNA version allows (two hyphens in third
// place) have mailboxes all the same.
func toASCII(domain string) (string, error) {
	if isASCII(domain) {
		return domain, nil
	}
	if len(domain) > maxGiven { // the algorithm is quadratic
		return "", errors.New("too long")
	}
	return idna.Lookup.ToASCII(domain)
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf })
}

// Fold returns the form in which addresses are compared: one reader for all ways of writing
// it. The local part is case-folded (no mailbox provider of note tells cases apart) and NFC,
// the domain is in lower-case A-labels. It takes any string and is its own fixed point.
func Fold(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return foldCase(address)
	}
	domain, err := toASCII(address[at+1:])
	if err != nil {
		return foldCase(address)
	}
	return foldCase(address[:at]) + "@" + strings.ToLower(domain)
}

// foldCase is Unicode's simple case folding; the full one would make ß and ss one mailbox.
// It folds the decomposed form (as canonical caseless matching does, Unicode D145), else a
// fold could come out that folds once more.
func foldCase(s string) string {
	if isASCII(s) {
		return strings.ToLower(s)
	}
	return norm.NFC.String(strings.Map(foldRune, norm.NFD.String(s)))
}

func foldRune(r rune) rune {
	least := r
	for other := unicode.SimpleFold(r); other != r; other = unicode.SimpleFold(other) {
		least = min(least, other)
	}
	if least < utf8.RuneSelf {
		return unicode.ToLower(least)
	}
	return least
}

// Mask returns an address as logs may show it: "a…@reader.example".
func Mask(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at <= 0 {
		return "…"
	}
	_, size := utf8.DecodeRuneInString(address)
	return address[:min(size, at)] + "…" + address[at:]
}
