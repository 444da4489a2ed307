package digest

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"broadsheet/subscribers"
	"broadsheet/templates"
)

// A mark stands in finished text for what varies. It is 0x01, a letter, its argument, 0x02.
// Quoted-printable text and header fields hold no control characters, so nothing a story says
// can be taken for one; [clean] cuts them from stories before a template sees them.
const (
	markOpen  = 0x01
	markClose = 0x02
)

// What a mark stands for. The first two are values of the piece, fixed with the digest; the
// others are filled for each reader when the mail is composed.
const (
	markValue    = 'v' // Piece.Values[n]
	markSubject  = 's' // Piece.Values[n], the Subject field; test mails put their own there
	markLink     = 'l' // token of a link: kind, story and section
	markOneClick = 'u' // token of List-Unsubscribe, not to be broken over lines
	markDate     = 'd' // Date field
	markTo       = 'r' // To field
	markID       = 'i' // left side of the Message-ID
	markDelivery = 'x' // token that names the delivery, as in the return path
	markBox      = 'b' // token of the delivery for one of our own addresses: the box's number
	markAddress  = 'a' // the reader's address in HTML
	markAddrText = 't' // the reader's address in plain text
)

func valueMark(n int) templates.Mark   { return mark(markValue, strconv.Itoa(n)) }
func plainMark(k byte) templates.Mark  { return mark(k, "") }
func subjectMark(n int) templates.Mark { return mark(markSubject, strconv.Itoa(n)) }

func mark(kind byte, arg string) templates.Mark {
	return templates.Mark(string([]byte{markOpen, kind}) + arg + string([]byte{markClose}))
}

// boxMark stands for the token of the delivery in an address of the box.
func boxMark(box subscribers.Box) templates.Mark { return mark(markBox, strconv.Itoa(int(box))) }

// linkMark stands for the token of an action; the reader, edition and slot come from the delivery,
// but that a story is opened for no reader in particular.
func linkMark(kind subscribers.Kind, story int64, section string) templates.Mark {
	return mark(markLink, linkArg(kind, story, section))
}

func linkArg(kind subscribers.Kind, story int64, section string) string {
	return fmt.Sprintf("%d;%d;%s", kind, story, section)
}

// segment is a run of fixed text and the mark after it.
type segment struct {
	text  []byte
	lines stretch
	kind  byte // 0 at the end: no mark follows
	value int32
	link  *link
}

// link is what a mark says of a token: the rest is the reader's.
type link struct {
	kind    subscribers.Kind
	story   int64
	section string
	hash    uint32
}

// ofIssue reports whether the link is the same for all readers of an issue: whoever opens a story
// is not told apart, and a forwarded one gives nobody away.
func (l *link) ofIssue() bool { return l.kind == subscribers.Read }

var errMark = errors.New("a mark is damaged")

// parse takes a fragment's body apart once, so that filling it is a walk over segments.
func parse(body []byte) ([]segment, error) {
	segs := make([]segment, 0, 1+bytes.Count(body, []byte{markOpen}))
	for {
		i := bytes.IndexByte(body, markOpen)
		if i < 0 {
			return append(segs, segment{text: body, lines: stretchOf(body)}), nil
		}
		n := bytes.IndexByte(body[i:], markClose)
		if n < 2 {
			return nil, errMark
		}
		seg := segment{text: body[:i], lines: stretchOf(body[:i]), kind: body[i+1]}
		arg := string(body[i+2 : i+n])
		var err error
		switch seg.kind {
		case markValue, markSubject, markBox:
			var n uint64
			n, err = strconv.ParseUint(arg, 10, 31)
			seg.value = int32(n)
		case markLink, markOneClick:
			seg.link, err = parseLink(arg)
		case markDate, markTo, markID, markDelivery, markAddress, markAddrText:
		default:
			err = errMark
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %q", errMark, body[i+1:i+n])
		}
		segs = append(segs, seg)
		body = body[i+n+1:]
	}
}

func parseLink(arg string) (*link, error) {
	kind, rest, ok := strings.Cut(arg, ";")
	story, section, ok2 := strings.Cut(rest, ";")
	k, err := strconv.ParseUint(kind, 10, 8)
	s, err2 := strconv.ParseInt(story, 10, 64)
	if !ok || !ok2 || err != nil || err2 != nil {
		return nil, errMark
	}
	l := &link{kind: subscribers.Kind(k), story: s, section: section, hash: 2166136261} // FNV-1a
	for i := range len(arg) {
		l.hash = (l.hash ^ uint32(arg[i])) * 16777619
	}
	return l, nil
}
