package digest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// ErrPacked says that a packed digest is not what [Packer.Pack] made.
var ErrPacked = errors.New("packed digest is damaged")

// Packed is a digest as the database keeps it, as far as composing needs it.
type Packed struct {
	Zone, Subject []byte
	Body          []byte // by [Packer.Pack]
}

// A digest's items and pieces are kept in one compact form, for there are nearly as many digests
// as readers:
//
//	form     1, or 2 with counts behind the pieces
//	strings  count, then for each its length and its octets
//	items    count, then for each story, revision, section, role
//	pieces   count, then for each fragment, number of values, values
//	counts   count, then for each section how many stories more it had
//
// Every distinct string stands once: what the HTML and the text part share, sections, roles.
// Place 0 of the table is the subject, which has a column of its own; the others follow.
// Counts, lengths and places are uvarints. A story and a fragment is a varint: what it has more
// than the one before it. So is a revision, counted from its story.
const (
	packedForm    = 1 // of digests made before counts were kept
	packedCounted = 2
)

// Packer writes packed digests, one after the other. The zero value is ready. Not safe for
// concurrent use.
type Packer struct {
	strings, rest []byte
	count         uint64
	places        map[string]uint64
}

// Pack packs the items and pieces of d, whose pieces' fragments have the given ids.
func (p *Packer) Pack(d *Digest, fragments []int64) []byte {
	if p.places == nil {
		p.places = make(map[string]uint64)
	}
	clear(p.places)
	p.places[d.Subject] = 0
	p.count, p.strings, p.rest = 0, p.strings[:0], p.rest[:0]

	p.number(len(d.Items))
	var story, ahead, fragment int64
	for _, i := range d.Items {
		p.rest = binary.AppendVarint(p.rest, i.Story-story)
		p.rest = binary.AppendVarint(p.rest, i.Revision-i.Story-ahead)
		story, ahead = i.Story, i.Revision-i.Story
		p.text(i.Section)
		p.text(string(i.Role))
	}
	p.number(len(d.Pieces))
	for n := range d.Pieces {
		p.rest = binary.AppendVarint(p.rest, fragments[n]-fragment)
		fragment = fragments[n]
		p.number(len(d.Pieces[n].Values))
		for _, v := range d.Pieces[n].Values {
			p.text(v)
		}
	}

	form := byte(packedForm)
	if len(d.More) > 0 {
		form = packedCounted
		p.number(len(d.More))
		for _, n := range d.More {
			p.number(n)
		}
	}
	b := make([]byte, 0, 16+len(p.strings)+len(p.rest))
	b = append(b, form)
	b = binary.AppendUvarint(b, p.count)
	b = append(b, p.strings...)
	return append(b, p.rest...)
}

func (p *Packer) number(n int) { p.rest = binary.AppendUvarint(p.rest, uint64(n)) }

func (p *Packer) text(s string) {
	place, ok := p.places[s]
	if !ok {
		p.count++
		place = p.count
		p.places[s] = place
		p.strings = binary.AppendUvarint(p.strings, uint64(len(s)))
		p.strings = append(p.strings, s...)
	}
	p.rest = binary.AppendUvarint(p.rest, place)
}

// Unpack fills in d's items and pieces; d.Subject is there already. Of the fragments only the
// ids are known. The error is [ErrPacked] if b is not what Pack made.
func Unpack(b []byte, d *Digest) error {
	u := unpacker{b: b}
	form := u.form()
	table := u.table(d.Subject)
	items := make([]Item, u.count())
	var story, ahead int64
	for n := range items {
		story += u.varint()
		ahead += u.varint()
		items[n] = Item{Story: story, Revision: story + ahead, Section: u.text(table), Role: Role(u.text(table))}
	}
	pieces, more := u.pieces(table), u.more(form)
	if u.end(); u.err == nil {
		d.Items, d.Pieces, d.More = items, pieces, more
	}
	return u.err
}

// table reads the distinct strings. They share the memory of one copy.
func (u *unpacker) table(subject string) []string {
	count := u.count()
	table := append(make([]string, 0, 1+count), subject)
	whole := string(u.b)
	for range count {
		octets := u.octets()
		end := len(whole) - len(u.b)
		table = append(table, whole[end-len(octets):end])
	}
	return table
}

// pieces reads what is left.
func (u *unpacker) pieces(table []string) []Piece {
	pieces := make([]Piece, u.count())
	fragments := make([]Fragment, len(pieces))
	values := make([]string, 0, max(0, len(u.b)-2*len(pieces))) // a piece takes two octets at least, a value one
	var id int64
	for n := range pieces {
		id += u.varint()
		fragments[n].ID = id
		pieces[n].Fragment = &fragments[n]
		start := len(values)
		for range u.count() {
			values = append(values, u.text(table))
		}
		if len(values) > start {
			pieces[n].Values = values[start:len(values):len(values)]
		}
	}
	return pieces
}

// more reads the counts, if the form has them.
func (u *unpacker) more(form uint64) (counts []int) {
	if form != packedCounted {
		return nil
	}
	for range u.count() {
		n := u.uvarint()
		if n > math.MaxInt32 {
			u.fail("%d stories more", n)
			return nil
		}
		counts = append(counts, int(n))
	}
	return counts
}

// UnpackStories reads the stories of a packed digest and nothing else. The error is [ErrPacked].
func UnpackStories(b []byte) ([]int64, error) {
	u := unpacker{b: b}
	u.form()
	for range u.count() {
		u.octets()
	}
	stories := make([]int64, u.count())
	var story int64
	for n := range stories {
		story += u.varint()
		stories[n] = story
		u.varint()
		u.uvarint()
		u.uvarint()
	}
	return stories, u.err
}

// unpacker reads what a packer wrote. After the first error it gives zeros.
type unpacker struct {
	b   []byte
	err error
}

func (u *unpacker) fail(format string, args ...any) {
	if u.err == nil {
		u.err = fmt.Errorf("%w: "+format, append([]any{ErrPacked}, args...)...)
	}
	u.b = nil
}

func (u *unpacker) form() (form uint64) {
	if form = u.uvarint(); u.err == nil && form != packedForm && form != packedCounted {
		u.fail("form %d is unknown", form)
	}
	return form
}

func (u *unpacker) uvarint() uint64 {
	v, n := binary.Uvarint(u.b)
	if n <= 0 {
		u.fail("it ends too early")
		return 0
	}
	u.b = u.b[n:]
	return v
}

func (u *unpacker) varint() int64 {
	v, n := binary.Varint(u.b)
	if n <= 0 {
		u.fail("it ends too early")
		return 0
	}
	u.b = u.b[n:]
	return v
}

// count is how many things follow, of at least one octet each: no more memory is asked for than
// what is there can need.
func (u *unpacker) count() int {
	n := u.uvarint()
	if n > uint64(len(u.b)) {
		u.fail("%d things in %d octets", n, len(u.b))
		return 0
	}
	return int(n)
}

func (u *unpacker) octets() []byte {
	n := u.count()
	b := u.b[:n]
	u.b = u.b[n:]
	return b
}

// place reads the place of a string in a table of that many.
func (u *unpacker) place(of int) int {
	place := u.uvarint()
	if place >= uint64(of) {
		u.fail("string %d of %d", place, of)
		return 0
	}
	return int(place)
}

// text reads a string; place 0 is always there.
func (u *unpacker) text(table []string) string { return table[u.place(len(table))] }

// items passes over the items.
func (u *unpacker) items() {
	for range u.count() {
		u.varint()
		u.varint()
		u.uvarint()
		u.uvarint()
	}
}

func (u *unpacker) end() {
	if len(u.b) > 0 {
		u.fail("%d octets too many", len(u.b))
	}
}
