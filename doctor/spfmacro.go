package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// expand fills in the macros of a domain (RFC 7208 section 7).
func (s *spf) expand(text, domain string) (string, error) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "%")
		b.WriteString(before)
		if !found {
			return strings.TrimSuffix(b.String(), "."), nil
		}
		wrong := fmt.Errorf("%w: macro in %q", errSPF, text)
		if rest == "" {
			return "", wrong
		}
		switch rest[0] {
		case '%':
			b.WriteByte('%')
			text = rest[1:]
			continue
		case '_':
			b.WriteByte(' ')
			text = rest[1:]
			continue
		case '-':
			b.WriteString("%20")
			text = rest[1:]
			continue
		case '{':
		default:
			return "", wrong
		}
		macro, after, closed := strings.Cut(rest[1:], "}")
		if !closed || macro == "" {
			return "", wrong
		}
		value, err := s.macro(macro, domain)
		if err != nil {
			return "", err
		}
		b.WriteString(value)
		text = after
	}
}

// macro is what "ir", "d2" or "l" stands for.
func (s *spf) macro(text, domain string) (string, error) {
	wrong := fmt.Errorf("%w: macro %%{%s}", errSPF, text)
	value := ""
	switch text[0] | 0x20 {
	case 's':
		value = s.local + "@" + s.domain
	case 'l':
		value = s.local
	case 'o', 'h':
		value = s.domain
	case 'd':
		value = domain
	case 'i':
		value = dotted(s.ip)
	case 'p':
		value = "unknown"
	case 'v':
		value = "in-addr"
		if s.ip.Is6() {
			value = "ip6"
		}
	default:
		return "", wrong
	}
	rest := text[1:]
	digits := 0
	for digits < len(rest) && rest[digits] >= '0' && rest[digits] <= '9' {
		digits++
	}
	keep := 0
	if digits > 0 {
		var err error
		if keep, err = strconv.Atoi(rest[:digits]); err != nil || keep == 0 {
			return "", wrong
		}
	}
	rest = rest[digits:]
	reverse := strings.HasPrefix(strings.ToLower(rest), "r")
	if reverse {
		rest = rest[1:]
	}
	delimiters := rest
	if strings.Trim(delimiters, ".-+,/_=") != "" {
		return "", wrong
	}
	if delimiters == "" {
		delimiters = "."
	}
	parts := strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(delimiters, r) })
	if reverse {
		slices.Reverse(parts)
	}
	if keep > 0 && keep < len(parts) {
		parts = parts[len(parts)-keep:]
	}
	return strings.Join(parts, "."), nil
}

// dotted is an address as the macro i has it.
func dotted(ip netip.Addr) string {
	if !ip.Is6() {
		if !ip.IsValid() {
			return "192.0.2.1" // of nobody
		}
		return ip.String()
	}
	raw := ip.As16()
	var parts []string
	for _, b := range raw {
		parts = append(parts, strconv.FormatInt(int64(b>>4), 16), strconv.FormatInt(int64(b&15), 16))
	}
	return strings.Join(parts, ".")
}
