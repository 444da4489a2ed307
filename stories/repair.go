package stories

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Limits on one document. Real feeds stay far below them.
const (
	maxUnpacked = 32 << 20  // bytes
	maxDepth    = 64        // elements, arrays or objects in each other
	maxItems    = 5000      // further ones are left out, with a warning
	maxElements = 250_000   // elements or JSON values in all
	maxTag      = 64 << 10  // bytes of one tag with its attributes
	maxText     = 512 << 10 // bytes of one text, a thick book; the rest is cut
	maxEntities = 100       // declared entities; and each may stand for 1 KB
	maxExpanded = 256 << 10
)

var errTooDeep = fmt.Errorf("elements nested deeper than %d", maxDepth)

// repair is a scanner that writes an XML document anew so that a strict reader gets through:
// well-formed, UTF-8, no declaration, DTD, comments or processing instructions, no characters
// that XML forbids, every element closed, and within the limits above.
type repair struct {
	in       []byte
	out      bytes.Buffer
	open     []string
	elements int
	items    int
	expanded int
	run      int // bytes of text since the last tag
	total    int // bytes of text in all
	declared int // entity declarations seen
	entities map[string]string
	warnings []string
}

// textLimit is how long one text may be when so much text came before it: a document full of giants is
// read too, but not all of each giant is kept.
func textLimit(total int) int {
	switch {
	case total > 6<<20:
		return 4 << 10
	case total > 3<<20:
		return 64 << 10
	}
	return maxText
}

// repairXML rewrites a document that is UTF-8 already.
func repairXML(in []byte) ([]byte, []string, error) {
	r := &repair{in: in}
	r.out.Grow(min(len(in), 1<<20))
	if err := r.scan(); err != nil {
		return nil, nil, err
	}
	return r.out.Bytes(), r.warnings, nil
}

func (r *repair) scan() error {
	i := begin(r.in)
	if i < 0 {
		return errors.New("no element found")
	}
	rooted := false
	for i < len(r.in) {
		rest := r.in[i:]
		if rest[0] != '<' {
			n := bytes.IndexByte(rest, '<')
			if n < 0 {
				n = len(rest)
			}
			if len(r.open) > 0 {
				r.text(rest[:n])
			}
			i += n
			continue
		}
		switch {
		case bytes.HasPrefix(rest, []byte("<!--")):
			i += skipTo(rest, "-->", 4)
		case bytes.HasPrefix(rest, []byte("<![CDATA[")):
			n := bytes.Index(rest, []byte("]]>"))
			if n < 0 {
				n = len(rest)
			}
			if len(r.open) > 0 {
				r.cdata(rest[len("<![CDATA["):n])
			}
			i += min(n+3, len(rest))
		case bytes.HasPrefix(rest, []byte("<!")):
			i += r.doctype(rest)
		case bytes.HasPrefix(rest, []byte("<?")):
			i += skipTo(rest, "?>", 2)
		case len(rest) > 1 && (rest[1] == '/' || isNameStart(rest[1])):
			n := tagEnd(rest)
			if n < 0 && len(rest) < maxTag {
				return r.finish() // the document breaks off inside a tag
			}
			if n < 0 || n > maxTag {
				return fmt.Errorf("a tag is longer than %d bytes", maxTag)
			}
			if rest[1] == '/' {
				r.end(string(rest[2 : n-1]))
				if len(r.open) == 0 && rooted {
					return r.finish() // what follows the root is no part of it
				}
			} else {
				if len(r.open) == 0 && rooted {
					return r.finish()
				}
				rooted = true
				more, err := r.start(rest[1 : n-1])
				if err != nil {
					return err
				}
				if !more {
					return r.finish()
				}
			}
			i += n
		default: // "a < b"
			if len(r.open) > 0 {
				r.text(rest[:1])
			}
			i++
		}
	}
	return r.finish()
}

var (
	warningRx = regexp.MustCompile(`^<(?i:br|b|p|div|font|pre|i|strong|span|table|script|style)[\s/>]`)
	rootRx    = regexp.MustCompile(`<(?:\?xml|(?i:!DOCTYPE|rss|(?:\w+:)?feed|(?:\w+:)?RDF))\s`)
)

// begin finds the first tag, or gives -1. What stands before it is no part of the document: white space, a stray
// mark, the warning of some script, even one set in HTML.
func begin(in []byte) int {
	i := bytes.IndexByte(in, '<')
	if i < 0 || !warningRx.Match(in[i:min(len(in), i+16)]) {
		return i
	}
	if loc := rootRx.FindIndex(in[:min(len(in), 64<<10)]); loc != nil {
		return loc[0]
	}
	return i
}

// finish closes what is open. An item that broke off in the middle stays, with what there is of it.
func (r *repair) finish() error {
	if r.out.Len() == 0 {
		return errors.New("no element found")
	}
	if len(r.open) > 0 && r.items < maxItems {
		r.warnings = append(r.warnings, "the document breaks off inside <"+clip(line(r.open[len(r.open)-1]), 40)+">")
	}
	for len(r.open) > 0 {
		r.pop()
	}
	return nil
}

func (r *repair) pop() {
	name := r.open[len(r.open)-1]
	r.open = r.open[:len(r.open)-1]
	r.out.WriteString("</" + name + ">")
	r.run = 0
}

// start writes a start tag; raw is what stands between the angle brackets. It says whether to go on.
func (r *repair) start(raw []byte) (bool, error) {
	selfClosed := bytes.HasSuffix(raw, []byte("/"))
	if selfClosed {
		raw = raw[:len(raw)-1]
	}
	n := 0
	for n < len(raw) && !isSpace(raw[n]) && raw[n] != '/' {
		n++
	}
	name := cleanName(raw[:n])
	if name == "" {
		return true, nil
	}
	if r.elements++; r.elements > maxElements {
		return false, fmt.Errorf("more than %d elements", maxElements)
	}
	if len(r.open) >= maxDepth {
		return false, errTooDeep
	}
	local := strings.ToLower(localName(name))
	if (local == "item" || local == "entry") && len(r.open) <= 3 {
		if r.items++; r.items > maxItems {
			r.warnings = append(r.warnings, fmt.Sprintf("more than %d items: the first %d were read", maxItems, maxItems))
			return false, nil
		}
	}
	r.out.WriteByte('<')
	r.out.WriteString(name)
	r.attributes(raw[n:])
	r.run = 0
	// Loose HTML inside a text element never closes these.
	switch local {
	case "br", "hr", "img", "wbr", "input":
		selfClosed = true
	}
	if selfClosed {
		r.out.WriteString("/>")
		if len(r.open) == 0 {
			r.open = append(r.open, name) // an empty root
			r.out.Truncate(r.out.Len() - 2)
			r.out.WriteByte('>')
		}
		return true, nil
	}
	r.out.WriteByte('>')
	r.open = append(r.open, name)
	return true, nil
}

// end writes an end tag. One that was never opened is dropped; one that closes over others closes them too.
func (r *repair) end(raw string) {
	name := strings.TrimSpace(raw)
	at := -1
	for i := len(r.open) - 1; i >= 0; i-- {
		if strings.EqualFold(r.open[i], name) {
			at = i
			break
		}
	}
	if at < 0 {
		return
	}
	for len(r.open) > at {
		r.pop()
	}
}

// text writes character data.
func (r *repair) text(raw []byte) {
	r.escape(r.within(raw), false)
}

// cdata writes a marked section; its content is text that needs no escapes.
func (r *repair) cdata(raw []byte) {
	raw = r.within(raw)
	r.out.WriteString("<![CDATA[")
	for len(raw) > 0 {
		n := legalPrefix(raw)
		r.out.Write(raw[:n])
		if n == len(raw) {
			break
		}
		_, size := utf8.DecodeRune(raw[n:])
		raw = raw[n+size:]
	}
	r.out.WriteString("]]>")
}

// within cuts what is more than one text may hold.
func (r *repair) within(raw []byte) []byte {
	if limit := textLimit(r.total - r.run); r.run+len(raw) > limit {
		raw = cutUTF8(raw, limit-r.run)
		r.warnings = addOnce(r.warnings, textCut)
	}
	r.run += len(raw)
	r.total += len(raw)
	return raw
}

const textCut = "a very long text was cut"

// skipTo returns the length of raw up to and with the mark, which is searched from offset on.
func skipTo(raw []byte, mark string, offset int) int {
	if offset >= len(raw) {
		return len(raw)
	}
	n := bytes.Index(raw[offset:], []byte(mark))
	if n < 0 {
		return len(raw)
	}
	return offset + n + len(mark)
}

// legal says whether XML 1.0 (section 2.2) allows a character.
func legal(r rune, size int) bool {
	switch {
	case r == utf8.RuneError && size == 1:
		return false
	case r == '\t' || r == '\n' || r == '\r':
		return true
	case r < 0x20 || r >= 0xD800 && r <= 0xDFFF || r == 0xFFFE || r == 0xFFFF || r > utf8.MaxRune:
		return false
	}
	return true
}

// legalPrefix returns how many bytes of raw can be copied as they are.
func legalPrefix(raw []byte) int {
	for i := 0; i < len(raw); {
		if raw[i] >= 0x20 && raw[i] < 0xE0 || raw[i] == '\n' || raw[i] == '\t' || raw[i] == '\r' {
			i++
			continue
		}
		r, size := utf8.DecodeRune(raw[i:])
		if !legal(r, size) {
			return i
		}
		i += size
	}
	return len(raw)
}

func cutUTF8(raw []byte, n int) []byte {
	if n <= 0 {
		return nil
	}
	if n >= len(raw) {
		return raw
	}
	for n > 0 && !utf8.RuneStart(raw[n]) {
		n--
	}
	return raw[:n]
}
