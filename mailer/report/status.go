package report

import (
	"bytes"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"time"

	"broadsheet/mailer"
)

// isStatus reports whether parts of the kind are delivery reports (RFC 3464, RFC 6533).
func isStatus(kind string) bool {
	switch kind {
	case "message/delivery-status", "message/global-delivery-status", "message/xdelivery-status", "message/delivery-report":
		return true
	}
	return false
}

// groups reads a part that holds groups of fields with a blank line between them. Where the blank line
// behind the part's header was lost, the first group stands there; where one between two recipients
// was, a field that comes twice begins the next.
func groups(b []byte) []header {
	var all []header
	for fields := 0; len(b) > 0 && fields < fieldsMax; {
		h, _, rest := readHeader(b)
		if len(h) == 0 {
			_, next := lineAt(b, 0)
			rest = b[next:]
		}
		b, fields = rest, fields+len(h)
		start := 0
		for i, f := range h {
			if (strings.EqualFold(f.name, "Final-Recipient") || strings.EqualFold(f.name, "Original-Recipient")) && h[start:i].has(f.name) {
				all, start = append(all, h[start:i]), i
			}
		}
		if len(h) > 0 {
			all = append(all, h[start:])
		}
	}
	return all
}

// scanFields reads all fields of a part that holds groups of them.
func scanFields(p *part) []field {
	var all []field
	for _, g := range groups(p.withBlock()) {
		all = append(all, g...)
	}
	return all
}

// withBlock is the body of a part with what stands in its header before it, but for MIME's own fields.
func (p *part) withBlock() []byte {
	for _, f := range p.header {
		if len(f.name) < 8 || !strings.EqualFold(f.name[:8], "Content-") {
			return slices.Concat(bytes.TrimRight(p.block, "\n"), []byte("\n"), p.body())
		}
	}
	return p.body()
}

// readStatus reports whether the message is a delivery report of RFC 3464, and reads it.
func readStatus(m *message, r *Report) bool {
	var all []header
	for p := range m.own() {
		if isStatus(p.kind) {
			all = append(all, aboutRecipients(groups(p.withBlock()), newsMax-len(all))...)
		}
	}
	news, known := statusNews(all, m.words(), m)
	if !surelyOffice(m, r) {
		soften(news)
	}
	return r.take(news) || known
}

// soften makes of Hard what counts less: whoever says so may be anybody.
func soften(news []mailer.News) {
	for i := range news {
		if news[i].Class == mailer.Hard {
			news[i].Class = mailer.Soft
		}
	}
}

// take makes news the report's. It reports whether there are any.
func (r *Report) take(news []mailer.News) bool {
	for _, n := range news {
		if len(r.News) < newsMax && !slices.Contains(r.News, n) {
			r.News = append(r.News, n)
		}
	}
	if len(r.News) == 0 {
		return false
	}
	r.Class = gravest(r.News)
	return true
}

// takeNames adds what may be a token in the words of a report: some servers name the envelope sender
// there, and send nothing back.
func (r *Report) takeNames(m *message) {
	for _, a := range addressesIn(m.words()) {
		r.name(InWords, nameIn(a))
	}
}

// gravity orders classes for the class of a whole report.
var gravity = []mailer.Class{mailer.Hard, mailer.Soft, mailer.Policy, mailer.Content, mailer.Put, mailer.Arrived}

func gravest(news []mailer.News) mailer.Class {
	for _, c := range gravity {
		if slices.ContainsFunc(news, func(n mailer.News) bool { return n.Class == c }) {
			return c
		}
	}
	return mailer.NoBounce
}

// aboutRecipients returns the groups that are about one recipient each, at most so many: the first one
// of a report is about the message (RFC 3464 section 2).
func aboutRecipients(all []header, most int) (some []header) {
	for _, g := range all {
		if len(some) < most && (g.has("Final-Recipient") || g.has("Original-Recipient") || g.has("Action") || g.has("X-Actual-Recipient")) {
			some = append(some, g)
		}
	}
	return some
}

// statusNews reads the groups of a delivery report that are about recipients. known reports whether
// there is such a group, even if it says that a server passed the mail on, and so says nothing. words is
// what the report says to people.
func statusNews(all []header, words string, m *message) (news []mailer.News, known bool) {
	to := make([]string, len(all))
	for i, g := range all {
		if to[i] = recipientOf(g); to[i] == "" && m.returned != nil {
			to[i] = first(addressesIn(m.returned.header.get("To")))
		}
	}
	blocks := about(words, to)
	for i, g := range all {
		if m.spent() {
			break
		}
		n := mailer.News{
			Recipient: to[i],
			Text:      cutText(typed(g.get("Diagnostic-Code"))),
			Host:      cutText(typed(g.get("Remote-MTA"))),
			At:        date(g.get("Last-Attempt-Date")),
		}
		status := statusIn(g.get("Status"))
		action, _, _ := strings.Cut(strings.ToLower(g.get("Action")), " ")
		said := n.Text
		if _, why, ok := strings.Cut(g.get("Status"), "("); ok {
			said = strings.TrimRight(said+" "+why, " )") // some servers say why behind the status alone
		}
		v := verdictOf(status, 0, m.look(said))
		// Not all servers say why in the field made for it.
		switch final := action == "failed" || action == ""; {
		case final && v.doubtful:
			if m.look(blocks[i]).toRecipient() {
				v.class = mailer.Hard
			}
		case final && (v.reason == "undefined" || v.code == 0 && (vague(v.status) || n.Text == "" && strings.HasSuffix(v.status, ".0"))):
			w := m.newsInWords(status, said, blocks[i])
			if v = w.verdict; n.Text == "" {
				n.Text = cutText(w.said)
			}
		}
		n.Status, n.Code = v.status, v.code
		switch action {
		case "delayed", "delay", "deferred":
			n.Class, n.Reason = mailer.Put, v.reason
		case "delivered":
			n.Class, n.Reason = mailer.Arrived, "delivered"
		case "relayed", "expanded", "deliverable":
			known = true
			continue
		default:
			n.Class, n.Reason = v.class, v.reason
			if action == "" && strings.HasPrefix(status, "2") {
				n.Class, n.Reason = mailer.Arrived, "delivered"
			}
		}
		news = append(news, n)
	}
	return news, known
}

// recipientOf returns the address that a group is about: the original one if it is told, for that is
// the one that was written to.
func recipientOf(g header) string {
	for _, name := range []string{"Original-Recipient", "Final-Recipient", "X-Actual-Recipient"} {
		v := typed(g.get(name))
		if _, a, ok := strings.Cut(v, ":"); ok && strings.HasPrefix(v, "@") {
			v = a // a source route
		}
		if a := first(addressesIn(v)); a != "" {
			return a
		}
	}
	return ""
}

// typed returns the value of a field of the form "type; value", comments left out.
func typed(v string) string {
	kind, rest, ok := strings.Cut(v, ";")
	if !ok || strings.ContainsAny(strings.TrimSpace(kind), " <@") {
		return decodeWords(v)
	}
	return decodeWords(strings.TrimSpace(rest))
}

var statusField = regexp.MustCompile(`^[^0-9]*([245]\.[0-9]{1,3})(\.[0-9]{1,3})?($|[^0-9.])`)

// statusIn reads the field Status. Some servers leave out its third number.
func statusIn(v string) string {
	m := statusField.FindStringSubmatch(v)
	switch {
	case m == nil:
		return ""
	case m[2] == "":
		return m[1] + ".0"
	}
	return m[1] + m[2]
}

// date reads a date of RFC 5322; the zero time if it is none.
func date(v string) time.Time {
	v, _, _ = strings.Cut(v[:min(len(v), 100)], " (")
	t, err := mail.ParseDate(strings.TrimSpace(v))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}
