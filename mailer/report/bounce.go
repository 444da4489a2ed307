package report

import (
	"regexp"
	"slices"
	"strings"

	"broadsheet/mailer"
)

// readWords reports whether the message is a delivery report in words alone, as many servers write
// them, and reads it.
func readWords(m *message, r *Report) bool {
	if readNotice(m, r) {
		return true
	}
	if !fromPostOffice(m, r) {
		return false
	}
	text := wordsFor(m)
	late := putOff(r.Subject, text)
	var news []mailer.News
	to := recipientsIn(text, m, r)
	for _, a := range to {
		block := text
		if len(to) > 1 {
			block = about(text, a, to...)
		}
		n := newsInWords(block, text)
		n.Recipient = a
		if late {
			n.Class = mailer.Put
		}
		news = append(news, n)
	}
	return r.take(news)
}

// newsInWords reads why a mail came back: in the lines with a server's reply if there are such, else
// in the paragraphs about the recipient, else in all there is.
func newsInWords(block, text string) mailer.News {
	var v verdict
	said := ""
	for _, said = range []string{replies(block), block, replies(text), text} {
		if said == "" {
			continue
		}
		if v = verdictOf("", 0, said); v.reason != "undefined" {
			break
		}
	}
	n := mailer.News{Class: v.class, Reason: v.reason, Status: v.status, Code: v.code, Text: cutText(said)}
	if h := hostSaid.FindStringSubmatch(said); h != nil {
		n.Host = h[1]
	}
	return n
}

var hostSaid = regexp.MustCompile(`(?i)\b(?:host|talking to|server|by) ([a-z0-9-]+(?:\.[a-z0-9-]+)+)`)

// replies returns the lines of a text that hold a server's reply, each with what follows in its
// paragraph, for such lines are wrapped.
func replies(text string) string {
	var out []string
	open := 0 // lines that still belong to the reply
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if c := codesIn(line); c.code != 0 || c.status != "" {
			open = 8
		}
		if line == "" {
			open = 0
		}
		if open > 0 {
			out, open = append(out, line), open-1
		}
	}
	return strings.Join(out, "\n")
}

// about returns what a text says of an address: the lines that name it and those below, up to one that
// names another. It returns all if the address is not there.
func about(text, address string, others ...string) string {
	var out strings.Builder
	in := false
	address = strings.ToLower(address)
	for line := range strings.Lines(text) {
		low := strings.ToLower(line)
		switch {
		case address != "" && strings.Contains(low, address):
			in = true
		case slices.ContainsFunc(others, func(o string) bool { return o != "" && strings.Contains(low, strings.ToLower(o)) }):
			in = false
		}
		if in {
			out.WriteString(line)
		}
	}
	if out.Len() == 0 {
		return text
	}
	return out.String()
}

var (
	lineAddress = regexp.MustCompile(`^[\s<"'(\[*•>-]*(?:(?i:mailto:|smtp:|rfc822;)\s*)?([^\s<>()\[\],;:"'|]+@[A-Za-z0-9\x{80}-\x{10FFFF}._-]+[A-Za-z0-9])`)
	saidAddress = regexp.MustCompile(`(?i)(?:rcpt to:?|recipient(?:s|\(s\))?(?: address)?:?|^\s*to ?:|unknown user:?|(?:delivered|deliver|sent|message|mail|delivery|reach|sending) to:?(?: user)?|for user|address(?:es)?:|user:?|[45]\d\d\s(?:\S+\s)?)[\s<"'(\[]*([^\s<>()\[\],;:"'|]+@[A-Za-z0-9\x{80}-\x{10FFFF}._-]+[A-Za-z0-9])`)
	notAbout    = regexp.MustCompile(`(?i)^\s*(message[- ]?id|from|sender|subject|reply-to|return-path|received|cc|date)\b`)
)

// recipientsIn finds whom a report in words is about: who stands first in a line, who is named as
// a recipient, the header field that some servers write, whom the mail went to that came back. There is
// always one, "" if nobody can tell who.
func recipientsIn(text string, m *message, r *Report) []string {
	ours := append([]string{r.From}, r.To...)
	if m.returned != nil {
		for _, name := range []string{"From", "Return-Path", "Sender", "Reply-To"} {
			ours = append(ours, addressesIn(m.returned.header.get(name))...)
		}
	}
	isOurs := func(a string) bool {
		return slices.ContainsFunc(ours, func(o string) bool { return strings.EqualFold(o, a) }) || postOffice(a)
	}
	var failed []string
	for _, v := range m.header.all("X-Failed-Recipients") {
		failed = appendNew(failed, newsMax, addressesIn(v)...)
	}
	if len(failed) > 0 {
		return failed
	}
	for _, form := range []*regexp.Regexp{lineAddress, saidAddress} {
		var found []string
		for line := range strings.Lines(text) {
			if len(line) > 1000 || notAbout.MatchString(line) {
				continue
			}
			if f := form.FindStringSubmatch(line); f != nil && !isOurs(f[1]) {
				found = appendNew(found, newsMax, f[1])
			}
		}
		if len(found) > 0 {
			return found
		}
	}
	if m.returned != nil {
		if a := first(addressesIn(m.returned.header.get("To"))); a != "" {
			return []string{a}
		}
	}
	return []string{first(slices.DeleteFunc(addressesIn(text), isOurs))}
}
