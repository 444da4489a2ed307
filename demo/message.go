package demo

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
)

// Limits of what is unpacked for the page; the source is shown whole.
const (
	maxDepth = 8
	maxParts = 64
	maxText  = 4 << 20
)

// Mail is a message as the inbox shows it. Whatever is wrong with it, Raw is as it came.
type Mail struct {
	ID        int
	Sender    string // of the envelope
	Recipient string // of the envelope
	Arrived   time.Time
	Raw       []byte
	Subject   string
	From, To  string // decoded
	Date      time.Time
	Headers   []Field // in their order, decoded and unfolded
	HTML      string
	Text      string
	Problems  []string // what a strict reader would complain of
}

// Field is one header line.
type Field struct{ Name, Value string }

// Header is the first value of a header, "" if it is missing.
func (m Mail) Header(name string) string {
	for _, f := range m.Headers {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// Size is the length of the source in octets.
func (m Mail) Size() int { return len(m.Raw) }

// ParseMail takes a message apart (RFC 5322, RFC 2045 to 2047). It never fails: what it
// cannot read becomes a problem and is left out.
func ParseMail(raw []byte) Mail {
	m := Mail{Raw: raw}
	head, body, found := splitHead(raw)
	if !found {
		m.problem("no empty line ends the headers")
	}
	m.Headers = fields(head)
	m.Subject, m.From, m.To = m.Header("Subject"), m.Header("From"), m.Header("To")
	if d := m.Header("Date"); d != "" {
		var err error
		if m.Date, err = mail.ParseDate(d); err != nil {
			m.problem("Date cannot be read: %v", err)
		}
	} else {
		m.problem("no Date")
	}
	h := textproto.MIMEHeader{}
	for _, f := range m.Headers {
		h.Add(f.Name, f.Value)
	}
	parts := 0
	m.part(h, bytes.NewReader(body), 0, &parts)
	return m
}

func (m *Mail) problem(format string, args ...any) {
	if len(m.Problems) < 20 {
		m.Problems = append(m.Problems, fmt.Sprintf(format, args...))
	}
}

// part reads one part and those inside it. The first HTML and the first text count.
func (m *Mail) part(h textproto.MIMEHeader, body io.Reader, depth int, parts *int) {
	if *parts++; depth > maxDepth || *parts > maxParts {
		m.problem("too many parts, the rest is left out")
		return
	}
	kind := h.Get("Content-Type")
	if kind == "" {
		kind = "text/plain; charset=us-ascii" // RFC 2045 section 5.2
	}
	media, params, err := mime.ParseMediaType(kind)
	if err != nil {
		m.problem("Content-Type %q: %v", kind, err)
		return
	}
	if strings.HasPrefix(media, "multipart/") {
		if params["boundary"] == "" {
			m.problem("%s without a boundary", media)
			return
		}
		r := multipart.NewReader(body, params["boundary"])
		for *parts <= maxParts {
			p, err := r.NextRawPart()
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				m.problem("%s: %v", media, err)
				return
			}
			m.part(p.Header, p, depth+1, parts)
		}
		return
	}
	var into *string
	switch {
	case media == "text/html" && m.HTML == "":
		into = &m.HTML
	case media == "text/plain" && m.Text == "":
		into = &m.Text
	default:
		return
	}
	switch coding := strings.ToLower(strings.TrimSpace(h.Get("Content-Transfer-Encoding"))); coding {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "", "7bit", "8bit", "binary":
	default:
		m.problem("unknown transfer encoding %q", coding)
		return
	}
	b, err := io.ReadAll(io.LimitReader(body, maxText+1))
	if err != nil {
		m.problem("%s: %v", media, err) // what was read up to there is shown
	}
	if len(b) > maxText {
		b = b[:maxText]
		m.problem("%s is longer than %d octets, the rest is left out", media, maxText)
	}
	*into = m.decode(b, params["charset"])
}

// decode turns text of any charset into UTF-8.
func (m *Mail) decode(b []byte, name string) string {
	if name != "" && !strings.EqualFold(name, "utf-8") && !strings.EqualFold(name, "us-ascii") {
		r, err := charset.NewReaderLabel(name, bytes.NewReader(b))
		if err == nil {
			if u, err := io.ReadAll(r); err == nil {
				b = u
			}
		} else {
			m.problem("unknown charset %q", name)
		}
	}
	if !utf8.Valid(b) {
		m.problem("text is not valid UTF-8")
		b = bytes.ToValidUTF8(b, []byte("\uFFFD"))
	}
	return strings.ReplaceAll(string(b), "\r\n", "\n")
}

// splitHead cuts at the first empty line.
func splitHead(raw []byte) (head, body []byte, found bool) {
	if head, body, found = bytes.Cut(raw, []byte("\r\n\r\n")); found {
		return head, body, true
	}
	return bytes.Cut(raw, []byte("\n\n"))
}

// fields unfolds and decodes the header lines. net/mail's own reader gives a map, and the
// order is what one comes to look at.
func fields(head []byte) []Field {
	words := mime.WordDecoder{CharsetReader: charset.NewReaderLabel}
	var list []Field
	for row := range strings.SplitSeq(strings.ReplaceAll(string(head), "\r\n", "\n"), "\n") {
		if row != "" && (row[0] == ' ' || row[0] == '\t') && len(list) > 0 {
			list[len(list)-1].Value += " " + strings.TrimSpace(row)
			continue
		}
		name, value, ok := strings.Cut(row, ":")
		if !ok {
			if row != "" {
				list = append(list, Field{Name: "(no header)", Value: strings.ToValidUTF8(row, "\uFFFD")})
			}
			continue
		}
		list = append(list, Field{Name: strings.TrimSpace(name), Value: strings.TrimSpace(value)})
	}
	for i, f := range list {
		if decoded, err := words.DecodeHeader(f.Value); err == nil {
			f.Value = decoded
		}
		list[i] = Field{strings.ToValidUTF8(f.Name, "\uFFFD"), strings.ToValidUTF8(f.Value, "\uFFFD")}
	}
	return list
}
