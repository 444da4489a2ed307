package digest

import (
	"strings"

	"broadsheet/mailer"
	"broadsheet/subscribers"
	"broadsheet/templates"
)

// boundary parts text and HTML. "=_" cannot occur in quoted-printable text (RFC 2045 section 6.7).
const boundary = "=_broadsheet_alternative"

const (
	partText = "--" + boundary + "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
	partHTML = "--" + boundary + "\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
	partEnd  = "--" + boundary + "--\r\n"
)

// header is the fragment of all header fields. Those that hold nothing of the reader are the
// same for an edition; the subject is a value, the reader's own fields are marks.
func (p *Press) header(textOnly bool) (*Fragment, error) {
	k := fragmentKey{name: "header"}
	if textOnly {
		k.variant = 1
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if r, ok := p.kept.get(k); ok {
		return r.fragment, nil
	}
	var h mailer.Header
	name := p.pub.FromName
	if name == "" {
		name = p.pub.Name
	}
	h.AddAddress("From", mailer.NewLine(name), p.pub.From)
	if p.pub.ReplyTo != "" && !p.answers {
		h.AddAddress("Reply-To", mailer.Line{}, p.pub.ReplyTo)
	}
	b, err := h.AppendTo(nil)
	if err != nil {
		return nil, err
	}
	if p.answers {
		b = append(b, "Reply-To: "+p.box(subscribers.Answers)+"\r\n"...)
	}
	b = append(b, plainMark(markTo)...)
	b = append(b, subjectMark(0)...)
	b = append(b, plainMark(markDate)...)
	b = append(b, "Message-ID: <"+plainMark(markID)+templates.Mark("@"+p.domain+">\r\n")...)
	h.Reset()
	h.AddRaw("MIME-Version", mailer.NewLine("1.0"))
	if textOnly {
		h.AddRaw("Content-Type", mailer.NewLine("text/plain; charset=utf-8"))
		h.AddRaw("Content-Transfer-Encoding", mailer.NewLine("quoted-printable"))
	} else {
		h.AddRaw("Content-Type", mailer.NewLine(`multipart/alternative; boundary="`+boundary+`"`))
	}
	list := p.edition.Name != NoticeEdition // a notice goes to one reader because of one deed
	if list {
		h.AddRaw("List-Id", mailer.NewLine(p.listID()))
		if b, err = h.AppendTo(b); err != nil {
			return nil, err
		}
		b = append(b, "List-Unsubscribe: <"+p.pub.PublicURL+"/l/"...)
		b = append(b, mark(markOneClick, linkArg(subscribers.OneClick, 0, ""))...)
		if p.leaves { // RFC 8058 section 3.1: exactly one https URI, and others beside it
			b = append(b, ">,\r\n <mailto:"+p.box(subscribers.Leaves)...)
		}
		b = append(b, ">\r\n"...)
		h.Reset()
		h.AddRaw("List-Unsubscribe-Post", mailer.NewLine("List-Unsubscribe=One-Click"))
		h.AddRaw("Precedence", mailer.NewLine("bulk"))
	}
	h.AddRaw("Auto-Submitted", mailer.NewLine("auto-generated"))
	h.AddRaw("X-Auto-Response-Suppress", mailer.NewLine("OOF, AutoReply"))
	if list {
		h.AddRaw("Feedback-ID", mailer.NewLine(p.feedbackID()))
	}
	if b, err = h.AppendTo(b); err != nil {
		return nil, err
	}
	for _, provider := range p.providers {
		if before, behind, ok := mailer.HandBackField(provider); ok {
			b = append(b, templates.Mark(before)+plainMark(markDelivery)+templates.Mark(behind)...)
		}
	}
	b = append(b, "X-Broadsheet-Delivery: "+plainMark(markDelivery)+"\r\n\r\n"...)
	f := &Fragment{Body: b}
	p.kept.put(k, &rendered{fragment: f}, len(b)+256)
	return f, nil
}

// box is the address of the reader's delivery that the box's mail comes to.
func (p *Press) box(box subscribers.Box) string {
	return box.Name() + "+" + string(boxMark(box)) + "@" + p.domain
}

func asciiOnly(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// listID names the list of an edition (RFC 2919). Its phrase must do without encoded words, so a
// title beyond ASCII stays out.
func (p *Press) listID() string {
	id := "<" + label(p.edition.Name) + "." + p.domain + ">"
	if t := p.title(); asciiOnly(t) && len(t)+len(id) < 200 {
		quoted := []byte{'"'}
		for i := range len(t) {
			if t[i] == '"' || t[i] == '\\' {
				quoted = append(quoted, '\\')
			}
			quoted = append(quoted, t[i])
		}
		return string(quoted) + `" ` + id
	}
	return id
}

// feedbackID lets Gmail's Postmaster Tools tell editions apart: two fields of our own and the
// sender's name, 5 to 15 characters, and nothing of the reader.
func (p *Press) feedbackID() string {
	sender := label(p.domain)
	if len(sender) > 15 {
		sender = strings.TrimRight(sender[:15], "-")
	}
	for len(sender) < 5 {
		sender += "-"
	}
	return label(p.edition.Name) + ":digest:" + sender
}

// label makes a name fit for a domain label: letters, digits and hyphens.
func label(s string) string {
	b := []byte(s)
	for i, c := range b {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-':
		case 'A' <= c && c <= 'Z':
			b[i] = c + 'a' - 'A'
		default:
			b[i] = '-'
		}
	}
	return string(b[:min(len(b), 63)])
}
