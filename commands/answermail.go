package commands

import (
	"bytes"
	"fmt"
	"mime"
	"strconv"
	"strings"
	"unicode/utf8"

	gomail "github.com/wneessen/go-mail"
	"golang.org/x/net/idna"

	"broadsheet/mailer"
	"broadsheet/mailer/report"
	"broadsheet/store"
	"broadsheet/subscribers"
)

// answerIDs stand in place of an edition's name where ids of forwarded answers are made. No edition
// is called so.
const answerIDs = "+answers"

// answerMail is the mail that passes an answer on: who wrote it, what they wrote, and the message
// itself. Its Message-ID and date are the same each time. wrap has the message as octets of no kind, for
// relays that carry 7-bit mail alone.
func (e *engine) answerMail(f *store.Forward, r *report.Report, wrap bool) (mailer.Message, error) {
	pub := &e.cfg.Publication
	domain := domainOf(pub.From)
	name := strconv.FormatInt(f.Inbound, 10)
	id := e.keys.MessageID(answerIDs, name, 0)
	// Nobody can know the boundary who writes what stands between: it is made with the key.
	boundary := "answer-" + e.keys.MessageID(answerIDs+" boundary", name, 0)
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithBoundary(boundary), gomail.WithEncoding(gomail.EncodingQP))
	m.SetMessageIDWithValue(id + "@" + domain)
	m.SetDateWithValue(f.At)
	if err := m.FromFormat(mailer.NewLine(pub.FromName).String(), pub.From); err != nil {
		return mailer.Message{}, fmt.Errorf("make mail of answer %d: %w", f.Inbound, err)
	}
	if err := m.To(e.cfg.Intake.Forward); err != nil {
		return mailer.Message{}, fmt.Errorf("make mail of answer %d: %w", f.Inbound, err)
	}
	if address, err := subscribers.ParseAddress(r.From); err == nil && isASCII(asciiDomain(address)) { // others need SMTPUTF8 all the way
		if err := m.ReplyTo(asciiDomain(address)); err != nil {
			return mailer.Message{}, fmt.Errorf("make mail of answer %d: %w", f.Inbound, err)
		}
	}
	subject := "Fwd:"
	if f.Task != 0 {
		subject = "[Asks to leave] " + subject
	}
	// Coded here, so that the line is folded behind these words: a first line without any is shown as a
	// blank, and RFC 5322 section 3.2.2 has none.
	m.Subject(subject + " " + mime.QEncoding.Encode("UTF-8", plainText(r.Subject, 200)))
	m.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834 section 5
	m.SetGenHeader("X-Auto-Response-Suppress", "OOF, AutoReply")
	m.SetGenHeader(forwardMark, name)
	m.SetBodyString(gomail.TypeTextPlain, e.answerLine(f, r)+quotedWords(r.Text))

	original, plain := wireForm(f.Raw)
	kind, coding := gomail.ContentType("message/rfc822"), gomail.NoEncoding // RFC 2046 section 5.2.1 has no other
	eight := !isASCII(string(original))
	if !plain || eight && wrap {
		original, kind, coding, eight = f.Raw, "application/octet-stream", gomail.EncodingB64, false
	}
	if err := m.AttachReader("answer.eml", bytes.NewReader(original), gomail.WithFileContentType(kind), gomail.WithFileEncoding(coding)); err != nil {
		return mailer.Message{}, fmt.Errorf("make mail of answer %d: %w", f.Inbound, err)
	}
	if eight { // RFC 2045 section 6.4: so must be the whole
		m.SetGenHeader(gomail.HeaderContentTransferEnc, string(coding))
	}
	var b bytes.Buffer
	if _, err := m.WriteTo(&b); err != nil {
		return mailer.Message{}, fmt.Errorf("make mail of answer %d: %w", f.Inbound, err)
	}
	body := b.Bytes()
	if coding == gomail.NoEncoding && !eight {
		body = sevenBit(body, boundary)
	}
	return mailer.Message{ReturnPath: subscribers.Bounces.Name() + "+answer@" + domain, Recipient: e.cfg.Intake.Forward, Body: body, EightBit: eight}, nil
}

// asciiDomain is an address with its domain as it stands in ASCII (RFC 5890).
func asciiDomain(address string) string {
	at := strings.LastIndexByte(address, '@') + 1
	if domain, err := idna.Lookup.ToASCII(address[at:]); err == nil {
		return address[:at] + domain
	}
	return address
}

// sevenBit corrects how the last part is labelled: go-mail calls all that it does not code 8bit.
func sevenBit(body []byte, boundary string) []byte {
	at := bytes.LastIndex(body, []byte("\r\n--"+boundary+"\r\n"))
	if at < 0 {
		return body
	}
	return append(body[:at:at], bytes.Replace(body[at:], []byte("\r\nContent-Transfer-Encoding: 8bit\r\n"), []byte("\r\nContent-Transfer-Encoding: 7bit\r\n"), 1)...)
}

// wordsMost is how many characters of an answer stand in the mail itself.
const wordsMost = 4000

// quotedWords shows what a person wrote, below a line.
func quotedWords(text string) string {
	if text == "" {
		return ""
	}
	if utf8.RuneCountInString(text) > wordsMost {
		text = string([]rune(text)[:wordsMost]) + "…"
	}
	var b strings.Builder
	b.WriteString("\n")
	for line := range strings.SplitSeq(text, "\n") {
		b.WriteString("| " + mailer.NewLine(line).String() + "\n")
	}
	return b.String()
}

// wireForm gives a message the line ends of mail. ok is false for one that cannot stand in another
// as it is: with NULs, or lines that are too long (RFC 5322 section 2.1.1).
func wireForm(raw []byte) (b []byte, ok bool) {
	b = bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n"))
	b = bytes.ReplaceAll(b, []byte("\r"), []byte("\n"))
	for line := range bytes.SplitSeq(b, []byte("\n")) {
		if len(line) > 998 {
			return nil, false
		}
	}
	if bytes.IndexByte(b, 0) >= 0 {
		return nil, false
	}
	return append(bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")), "\r\n"...), true
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
