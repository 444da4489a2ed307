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
	text := m.words()
	if i := fieldsForm.FindStringIndex(text); i != nil {
		// Where the boundaries are lost, the fields stand in the text.
		if news, known := statusNews(aboutRecipients(groups([]byte(text[i[0]:])), newsMax), text[:i[0]], m); known || len(news) > 0 {
			return r.take(news) || known
		}
	}
	late := putOff(r.Subject, text)
	var news []mailer.News
	to := recipientsIn(text, m, r)
	blocks := about(text, to)
	for i, a := range to {
		if m.spent() {
			break
		}
		w := m.newsInWords("", blocks[i], text)
		n := mailer.News{Class: w.class, Reason: w.reason, Recipient: a, Status: w.status, Code: w.code, Text: cutText(w.said)}
		if h := hostSaid.FindStringSubmatch(w.said); h != nil {
			n.Host = h[1]
		}
		if late {
			n.Class = mailer.Put
		}
		news = append(news, n)
	}
	// A postmaster may write of other things than one mail, and quote what servers say.
	circular := !m.cameBack() && (m.header.has("List-Id") || !returnSubject.MatchString(r.Subject) && (len(news) == 0 || news[0].Recipient == ""))
	if said := m.look(text); circular || !isReport(m) && !byMachine(m, r) ||
		!clearlyOffice(m, r) && (said.replies() == "" || !m.cameBack() && !(namedOffice(m, r) && said.toRecipient())) {
		soften(news)
	}
	return r.take(news)
}

// readRefusal reports whether the message is a notification of RFC 8098 that a mail was refused, as
// some servers send them where a report belongs, and reads it. It counts as Soft at most: a filter may
// have sent it.
func readRefusal(m *message, r *Report) bool {
	if m.find("message/disposition-notification") == nil {
		return false
	}
	text := m.words()
	_, why, ok := strings.Cut(text, "automatically rejected:")
	if !ok {
		return false
	}
	w := m.newsInWords("", why, why)
	news := []mailer.News{{Class: w.class, Reason: w.reason, Recipient: recipientsIn(text, m, r)[0], Status: w.status,
		Code: w.code, Text: cutText(why)}}
	soften(news)
	return r.take(news)
}

// fieldsForm is where fields of RFC 3464 begin in a text.
var fieldsForm = regexp.MustCompile(`(?im)^(Reporting-MTA|Final-Recipient|Original-Recipient|Action): ?\S`)

// inWords is a verdict and the words that are nearest to it.
type inWords struct {
	verdict
	said string
}

// newsInWords reads why a mail came back: in the lines of the block with a server's reply if there are
// such, else in the block, which is what is said of the recipient, else in all there is; the first that
// tells a definite reason. status is what is known already.
func (m *message) newsInWords(status, block, text string) (w inWords) {
	w.verdict = verdictOf(status, 0, m.look(""))
	for _, said := range []func() string{
		func() string { return m.look(block).replies() }, func() string { return block },
		func() string { return m.look(text).replies() }, func() string { return text },
	} {
		if w.definite {
			break
		}
		said := said()
		if strings.TrimSpace(said) == "" {
			continue
		}
		v := verdictOf(status, w.code, m.look(said))
		if w.said == "" {
			w = inWords{v, said}
		} else if v.definite || w.reason == "undefined" {
			w.verdict = v
		}
	}
	if w.doubtful && (m.look(text).toRecipient() || transcript.MatchString(text)) {
		w.class, w.doubtful = mailer.Hard, false
	}
	return w
}

// transcript is what an old Sendmail says of a recipient that it did not know itself.
var transcript = regexp.MustCompile(`(?im)^ *-+ transcript of session follows -+\n(?:.*\n){0,5}?550 <[^<>\s]+>\.\.\. `)

// Limits of what is found in words. Each of our mails has one recipient; a list behind it has more.
const (
	repliesMax    = 20
	recipientsMax = 20
)

var hostSaid = regexp.MustCompile(`(?i)\b(?:host|talking to|server|by) ([a-z0-9-]+(?:\.[a-z0-9-]+)+)`)

// replies returns the lines of a text that hold a server's reply, each with what follows in its
// paragraph, for such lines are wrapped.
func replies(text string) string {
	var out []string
	size := 0
	open := 0 // lines that still belong to the reply
	for line := range strings.Lines(text) {
		if size > replyMax { // more is not looked at
			break
		}
		line = strings.TrimSpace(line)
		switch c := codesIn(line); {
		case line == "":
			open = 0
		case c.code != 0 || c.status != "":
			out, open = appendNew(out, repliesMax, fromCode(line)), 8
			size += len(line)
		case open > 0 && len(out) > 0:
			out[len(out)-1] += " " + line
			size += len(line)
			open--
		}
	}
	return strings.Join(out, " | ")
}

// fromCode leaves out what stands before a reply in a line: "The other server said: 550 ...".
func fromCode(line string) string {
	if i := codeForm.FindStringSubmatchIndex(line); i != nil && len(line)-i[5] > 12 {
		return line[i[4]:]
	}
	return line
}

var (
	lineAddress = regexp.MustCompile(`^[\s<"'(\[*•>-]*(?:(?i:mailto:|smtp:|rfc822;)\s*)?([^\s<>()\[\],;:"'|]+@[A-Za-z0-9\x{80}-\x{10FFFF}._-]+[A-Za-z0-9])`)
	saidAddress = regexp.MustCompile(`(?i)(?:\b(?:rcpt to|recipient(?:s|\(s\))?(?: address)?|unknown user|(?:delivered|deliver|sent|message|mail|delivery|reach|sending|undeliverable|addressed) to(?: user| the following user)?|for user|address(?:es)?|userid|user|attempts)|^\s*to|[45]\d\d(?: \S+)?)[\s<"'(\[:]+([^\s<>()\[\],;:"'|]+@[A-Za-z0-9\x{80}-\x{10FFFF}._-]+[A-Za-z0-9])`)
	someAddress = regexp.MustCompile("(" + addressForm.String() + ")")
	newAddress  = regexp.MustCompile(`(?i)\b(new|neue[nr]?|nouvelle|nueva|nuov[oa]|nov[oa]) (e-?mail[- ]?)?(address|adresse|anschrift|direcci|indirizzo|endereço)|\b(moved|changed|switched) to\b|\binstead\b|\bplease (use|try|write|mail|resend|contact)\b|not local`)
	notAbout    = regexp.MustCompile(`(?i)^\s*(message[- ]?id|from|sender|subject|reply-to|return-path|received|cc|date)\b`)
)

// recipientsIn finds whom a report in words is about: the header field that some servers write, who stands
// first in a line, who is named as a recipient, whom the mail went to that came back. An address that
// a reader has moved to is none of them. There is always one, "" if nobody can tell who.
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
		failed = appendNew(failed, recipientsMax, addressesIn(v)...)
	}
	if len(failed) > 0 {
		return failed
	}
	for _, form := range []*regexp.Regexp{lineAddress, saidAddress} {
		if found := recipientsBy(form, text, isOurs); len(found) > 0 {
			return found
		}
	}
	to := addressesIn(returnedHeader(m).get("To"))
	if len(to) == 0 && clearlyOffice(m, r) {
		to = recipientsBy(someAddress, text, isOurs)
	}
	return []string{first(to)}
}

// recipientsBy returns the addresses that a form finds in the lines of a text.
func recipientsBy(form *regexp.Regexp, text string, isOurs func(address string) bool) (found []string) {
	above := "" // the line above this one that is not blank
	for line := range strings.Lines(text) {
		if len(line) > 1000 || strings.TrimSpace(line) == "" || notAbout.MatchString(line) {
			continue
		}
		f := form.FindStringSubmatchIndex(line)
		if f != nil && !newAddress.MatchString(above) && !newAddress.MatchString(line[:f[2]]) && !isOurs(line[f[2]:f[3]]) {
			if found = appendNew(found, recipientsMax, line[f[2]:f[3]]); len(found) == recipientsMax {
				break
			}
		}
		above = line
	}
	return found
}
