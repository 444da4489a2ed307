package report

import (
	"regexp"
	"strings"

	"broadsheet/mailer"
)

// newsMax bounds the recipients that one report speaks of: our mails have one each, and a list behind it
// may have more.
const newsMax = 20

// readFeedback reports whether the message is a report by a mailbox provider that is no delivery
// report, and reads it: complaints (RFC 5965 and RFC 6650, and what looks like it), Apple Mail's
// request to leave, and those that are about no mail of ours, which come to nothing.
func readFeedback(m *message, r *Report) bool {
	switch fields, kind := feedbackFields(m); {
	case aggregate(m, r):
	case fields != nil:
		switch r.Class = feedbackClass(kind); r.Class {
		case mailer.Complained, mailer.OptedOut:
			r.News = complaints(m, r, fields, kind)
		}
	case m.find("message/delivery-status") != nil:
		return false
	case complainsInWords(m, r):
		r.Class = mailer.Complained
		r.News = complaints(m, r, nil, "complaint")
	case strings.EqualFold(m.header.get("X-Apple-Unsubscribe"), "true"):
		r.Class = mailer.OptedOut
		r.News = []mailer.News{{Class: r.Class, Reason: "feedback", Recipient: r.From, Text: "asks to leave by Apple Mail's button", At: date(m.header.get("Date"))}}
	default:
		return false
	}
	return true
}

// feedbackFields returns the fields of a feedback report and its Feedback-Type in lower case; nil if
// the message is none. Some servers send the part as plain text, and some call the whole a report
// and have no such part.
func feedbackFields(m *message) (fields header, kind string) {
	for p := range m.own() {
		if p.kind == "message/feedback-report" {
			fields = append(header{{"Version", ""}}, scanFields(p)...) // never nil
			break
		}
		if strings.HasPrefix(p.kind, "text/") && fields == nil {
			found := header(linesWith(p.text()))
			if found.has("Feedback-Type") && (found.has("User-Agent") || found.has("Version") || found.has("Source-IP")) {
				fields = found
			}
		}
	}
	if fields == nil && strings.EqualFold(m.params["report-type"], "feedback-report") {
		fields = header{{"Feedback-Type", "abuse"}}
	}
	for _, v := range fields.all("Feedback-Type") {
		if kind, _, _ = strings.Cut(strings.ToLower(v), " "); kind != "" {
			break
		}
	}
	return fields, strings.TrimRight(kind, ";")
}

// linesWith reads lines that look like fields out of a text, whatever stands between them.
func linesWith(text string) (fields []field) {
	for line := range strings.Lines(text) {
		if name, value, ok := cutField([]byte(strings.TrimSpace(line))); ok && len(fields) < fieldsMax {
			fields = append(fields, field{name, string(value)})
		}
	}
	return fields
}

// feedbackClass is the class of a Feedback-Type (RFC 5965 section 7.3, RFC 6591, RFC 6650). What it
// does not know is for a person to look at, and bars nobody.
func feedbackClass(kind string) mailer.Class {
	switch kind {
	case "", "abuse", "fraud", "spam", "junk", "complaint", "phish", "phishing", "scam", "abuse-report":
		return mailer.Complained
	case "opt-out", "opt-out-list", "optout", "unsubscribe", "removal":
		return mailer.OptedOut
	}
	return mailer.NoBounce // not-spam, auth-failure, dkim, virus, other
}

// complaintSubject begins the subjects of complaints that are no reports of RFC 5965: Microsoft's,
// AOL's and Comcast's of old, and their like.
var complaintSubject = regexp.MustCompile(`(?i)^\s*(complaint about message from |client tos notification|(e-?mail )?(feedback|abuse|spam|junk|complaint)[ -]*(loop )?(report|complaint|notification)\b|(spam|abuse) complaint\b)`)

// complaintSender are the local parts that such reports come from.
var complaintSender = regexp.MustCompile(`(?i)^(staff|scomp|fbl[a-z0-9_.-]*|[a-z0-9_.-]*fbl|arf[a-z0-9_.-]*|feedback[a-z0-9_.-]*|complaints?[a-z0-9_.-]*|abuse[a-z0-9_.-]*|spam[a-z0-9_.-]*|junk[a-z0-9_.-]*|jmrp[a-z0-9_.-]*|no-?reply|postmaster)@`)

// complainsInWords reports whether the message is a complaint by its looks alone. It has to have the
// mail that it is about with it, and to come from where such reports come from: that a reader sends
// a mail back under a like subject is no complaint.
func complainsInWords(m *message, r *Report) bool {
	if m.header.has("X-HmXmrOriginalRecipient") || returnedHeader(m).has("X-HmXmrOriginalRecipient") { // Microsoft's
		return true
	}
	return complaintSubject.MatchString(r.Subject) && complaintSender.MatchString(r.From) &&
		(m.returned != nil || inlineMail.MatchString(m.firstText()))
}

// inlineMail finds a mail that was pasted into the text of another.
var inlineMail = regexp.MustCompile(`(?im)^[> \t]*(received:[ \t].*\bby\b|return-path:[ \t]*<)`)

// complaints are the news of a feedback report: one for each recipient, or one if all are redacted.
func complaints(m *message, r *Report, fields header, kind string) []mailer.News {
	if kind == "" {
		kind = "abuse"
	}
	n := mailer.News{Class: r.Class, Reason: "feedback", Text: kind, At: date(m.header.get("Date"))}
	if agent := cutText(fields.get("User-Agent")); agent != "" {
		n.Text += ", reported by " + agent
	}
	if _, host, ok := strings.Cut(fields.get("Reporting-MTA"), ";"); ok {
		n.Host = cutText(host)
	}
	for p := range m.own() { // what came back may be plain text
		if strings.HasPrefix(p.kind, "text/") || p.kind == "message/feedback-report" {
			for _, name := range tokenIn.FindAllStringSubmatch(p.text(), addressesMax) {
				place := InWords
				if name[1] != "" {
					place = InUnsubscribe
				}
				r.name(place, name[2])
			}
		}
	}
	var to []string
	for _, h := range []header{fields, returnedHeader(m), m.header, linesWith(m.firstText())} {
		for _, name := range []string{"Original-Rcpt-To", "Removal-Recipient", "X-HmXmrOriginalRecipient", "Original-Recipient"} {
			to = appendNew(to, newsMax, unredacted(h.all(name))...)
		}
		if len(to) > 0 {
			break
		}
	}
	for _, name := range []string{"X-Original-To", "Delivered-To", "To"} {
		if len(to) == 0 {
			to = appendNew(to, newsMax, unredacted(returnedHeader(m).all(name))...)
		}
	}
	if len(to) == 0 {
		return []mailer.News{n}
	}
	news := make([]mailer.News, len(to))
	for i, a := range to {
		news[i] = n
		news[i].Recipient = a
	}
	return news
}

// tokenIn finds our own tokens in the text of a report that has no returned mail as a part. The second
// address of List-Unsubscribe begins as no other of ours does.
var tokenIn = regexp.MustCompile(`(?i)(?:x-broadsheet-delivery:[ \t]*|(<mailto:unsub\+)|(?:bounce|unsub|reply)\+)([a-z2-7]{20,80})\b`)

// unredacted returns the addresses in values, but for those that a provider has made unreadable.
func unredacted(values []string) (to []string) {
	for _, v := range values {
		for _, a := range addressesIn(v) {
			if low := strings.ToLower(a); !strings.Contains(low, "redacted") && !strings.HasPrefix(low, "xxx") && !strings.HasPrefix(low, "***") {
				to = append(to, a)
			}
		}
	}
	return to
}

var (
	aggregateSubject = regexp.MustCompile(`(?i)\breport domain:\s*\S+.*\bsubmitter:`)
	aggregateName    = regexp.MustCompile(`(?i)^[^!\s]+![^!\s]+!\d+!\d+(![^\s]*)?\.(xml|json)?(\.?gz|\.?zip)?$`)
)

// aggregate reports whether the message is a domain's report of the day: DMARC (RFC 7489 section
// 7.2.1.1, RFC 9990) or SMTP TLS (RFC 8460 section 5.3). It is about no mail in particular.
func aggregate(m *message, r *Report) bool {
	if strings.EqualFold(m.params["report-type"], "tlsrpt") || m.header.has("TLS-Report-Domain") || aggregateSubject.MatchString(r.Subject) {
		return true
	}
	for p := range m.own() {
		if strings.HasPrefix(p.kind, "application/tlsrpt") || aggregateName.MatchString(p.name()) {
			return true
		}
	}
	return false
}

// name is the file name of a part; "" if it has none.
func (p *part) name() string {
	_, params := contentType(p.header.get("Content-Disposition"), "")
	if n := params["filename"]; n != "" {
		return decodeWords(n)
	}
	return decodeWords(p.params["name"])
}

// firstText returns what a person sees first: the first text of the message itself; if that is HTML,
// what it says without what is quoted in it.
func (m *message) firstText() string {
	if m.first == nil {
		m.first = new(m.findText())
	}
	return *m.first
}

func (m *message) findText() string {
	found := ""
	for p := range m.own() {
		if p.name() != "" {
			continue
		}
		switch p.kind {
		case "text/plain":
			if text := p.text(); strings.TrimSpace(text) != "" {
				return text
			}
		case "text/html":
			if found == "" {
				found = htmlText(p.text())
			}
		}
	}
	return found
}
