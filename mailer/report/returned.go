package report

import (
	"regexp"
	"strings"
)

// findReturned returns the mail that came back: the last message that is sent along, or what stands in
// the text below the words of the report. Nil if there is none.
func findReturned(p *part) *part {
	var found *part
	for q := range p.own() {
		if holdsMessage(q.kind) && len(q.parts) > 0 {
			found = q.parts[0]
		}
	}
	if found != nil {
		return found
	}
	for q := range p.own() {
		if strings.HasPrefix(q.kind, "text/") {
			if _, rest := cutReturned(q.text()); rest != "" {
				t := treeReader{parts: 1}
				return t.read([]byte(rest), "text/plain", 1)
			}
		}
	}
	return nil
}

// cameBack reports whether a mail was really sent back: as a part, or in the text with fields that no mail
// program shows over a mail that a person quotes.
func (m *message) cameBack() bool {
	if m.returned == nil {
		return false
	}
	for p := range m.own() {
		if holdsMessage(p.kind) {
			return true
		}
	}
	h := m.returned.header
	return h.has("Received") || h.has("Return-Path") || h.has("Message-ID")
}

// ruleForm is a line that servers write above the mail that they send back.
var ruleForm = regexp.MustCompile(`(?i)^[\s>*#=_-]*(below this line is (a|the) (copy|header|original)|this is a copy of (your|the|) ?message|original (message|mail)( headers?| follows| header| as follows)*|message headers?( follows?)?|(the )?(unsent|returned|original|undelivered|failed) (message|mail)[a-z ]*(follow|below|attached|header)|(the )?header of the original message|(a )?copy of (the|your) (original )?message|included is a copy|start of (the )?(forwarded|original|returned|message)|begin(ning)? of (original|returned)|received:? header|returned (message|content)|message text follows|enclosed is a copy|the (body|header) of (the|your) message|reporting-mta: .* original)`)

// headForm is the first line of a header that stands in a text.
var headForm = regexp.MustCompile(`(?i)^>? ?(received|return-path|delivered-to|x-[a-z-]+|dkim-signature|domainkey-signature|message-id|from|date|to|subject|mime-version|content-type|reply-to|sender): ?\S`)

// cutReturned cuts the text of a report where the mail that came back begins in it.
func cutReturned(text string) (words, returned string) {
	start, past := 0, 0
	for at := 0; at < min(len(text), saidMax); {
		end, next := len(text), len(text)
		if i := strings.IndexByte(text[at:], '\n'); i >= 0 {
			end, next = at+i, at+i+1
		}
		line := text[at:end]
		switch {
		case len(line) > 200:
		case at > 0 && at >= past && headForm.MatchString(line):
			size, ok := headLines(text[at:])
			if ok {
				return text[:at], strings.TrimLeft(text[at:], "> ")
			}
			past = at + size // the rest of these fields is no header either
		case start == 0 && at > 0 && strings.Trim(line, " \t-=*_") != "" && ruleForm.MatchString(line):
			start = at
		}
		at = next
	}
	if start > 0 {
		_, rest, _ := strings.Cut(text[start:], "\n")
		return text[:start], strings.TrimLeft(rest, "\n")
	}
	return text, ""
}

// headLines reports whether a header begins the text: at least three fields up to the first blank
// line, two of which every mail has. size is how many octets the fields take, header or not.
func headLines(text string) (size int, ok bool) {
	h, block, _ := readHeader([]byte(text[:min(len(text), 16<<10)]))
	known := 0
	for _, name := range []string{"From", "To", "Subject", "Date", "Message-ID", "Received", "Return-Path"} {
		if h.has(name) {
			known++
		}
	}
	return len(block), len(h) >= 3 && known >= 2
}
