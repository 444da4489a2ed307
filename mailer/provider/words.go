package provider

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"broadsheet/mailer"
	"broadsheet/mailer/report"
)

const (
	longestText = 1000 // octets of what a server said
	longestName = 200  // octets of what may be a token
)

// line is what somebody said on one line, and not too long.
func line(s string) string {
	if len(s) > 4*longestText {
		s = s[:4*longestText]
	}
	s = mailer.NewLine(s).String()
	if len(s) <= longestText {
		return s
	}
	s = s[:longestText]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s
}

// host is a server's name; providers write it as reports do, "dns; mx.example.org".
func host(s string) string {
	if _, name, ok := strings.Cut(s, ";"); ok {
		s = name
	}
	if s = line(s); len(s) > 255 {
		return ""
	}
	return s
}

// reply is how a server's words begin: a code, and often a status of RFC 3463.
var reply = regexp.MustCompile(`^(?:[Ss][Mm][Tt][Pp];\s*)?([245][0-9][0-9])(?:[ -]+#?([245]\.[0-9]{1,3}\.[0-9]{1,3})\b)?`)

// status is one of RFC 3463.
var status = regexp.MustCompile(`^[245]\.[0-9]{1,3}\.[0-9]{1,3}$`)

// said is what a server said: a status where the provider gives one, and its words.
func said(code, words string) (n mailer.News) {
	n.Text = line(words)
	if m := reply.FindStringSubmatch(n.Text); m != nil {
		n.Code = int(m[1][0]-'0')*100 + int(m[1][1]-'0')*10 + int(m[1][2]-'0')
		n.Status = m[2]
	}
	n.Text = strings.TrimSpace(strings.TrimPrefix(strings.TrimPrefix(n.Text, "smtp;"), "SMTP;"))
	if code = strings.TrimSpace(code); status.MatchString(code) {
		n.Status = code
	}
	return n
}

// judge gives news the class and reason that the server's words have, within what the provider makes of
// it: that a mail is under way still is the provider's to know, and nothing is graver than it says. Without
// words the provider's own class and reason stand.
func judge(n *mailer.News, class mailer.Class, reason string) {
	n.Class, n.Reason = class, reason
	if n.Text == "" && n.Status == "" && n.Code == 0 {
		return
	}
	read, why := report.Classify(n.Status, n.Code, n.Text)
	if !read.Bounce() || why == "" || why == "undefined" {
		return
	}
	switch class {
	case mailer.Put:
		if why != "expired" { // of a mail that is tried still
			n.Reason = why
		}
	case mailer.Content:
		n.Reason = why
	case mailer.Hard:
		n.Class, n.Reason = read, why
	case mailer.Soft:
		if n.Reason = why; read != mailer.Hard {
			n.Class = read
		}
	}
}

// tokenIn finds what stands behind the first '+' of an address's local part; "" if there is none.
func tokenIn(address string) string {
	if i := strings.LastIndexByte(address, '<'); i >= 0 {
		address, _, _ = strings.Cut(address[i+1:], ">")
	}
	i := strings.LastIndexByte(address, '@')
	if i < 0 {
		return ""
	}
	_, token, _ := strings.Cut(address[:i], "+")
	return token
}

// appendName adds what may be a token.
func appendName(names []string, s string) []string {
	if s == "" || len(s) > longestName {
		return names
	}
	return append(names, s)
}
