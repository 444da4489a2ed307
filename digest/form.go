package digest

import (
	"encoding/binary"
	"sync/atomic"
	"time"
)

// form is a digest ready to be filled: packed still, but known to be whole. It never changes, but
// the fragments that it points to may be let go meanwhile: then it is made anew.
type form struct {
	zone *time.Location
	text []byte  // the subject, and the packed body behind it
	from []*kept // one for each piece

	subject, strings, pieces int32     // where in text the subject ends, the table and the pieces begin
	wild                     [4]uint64 // bits of those of the first strings that are not fit for any line, or hold a line end
}

// kept is the place of a fragment. text is nil once the composer has let it go, so that what it
// keeps of fragments has one bound, however many forms point here.
type kept struct {
	id   int64
	text atomic.Pointer[parsed]
	used atomic.Bool // since a fragment was last let go
}

// parsed is a fragment taken apart.
type parsed struct {
	home *kept
	segs []segment
	size int // octets of text
}

func parseFragment(body []byte) (*parsed, error) {
	segs, err := parse(body)
	return &parsed{segs: segs, size: len(body)}, err
}

func (p *parsed) weight() int {
	n := 256 + p.size + 64*len(p.segs)
	for k := range p.segs {
		if p.segs[k].link != nil {
			n += 96
		}
	}
	return n
}

// newForm copies p and looks through it. Its fragments are not there yet.
func (c *Composer) newForm(p Packed) (*form, error) {
	zone, err := c.zone(p.Zone)
	if err != nil {
		return nil, err
	}
	f := &form{zone: zone, text: append(append(make([]byte, 0, len(p.Subject)+len(p.Body)), p.Subject...), p.Body...), subject: int32(len(p.Subject))}
	u := unpacker{b: f.text[f.subject:]}
	at := func() int32 { return int32(len(f.text) - len(u.b)) }
	form := u.form()
	f.strings = at()
	count := u.count()
	f.judge(0, p.Subject)
	for n := range count {
		f.judge(n+1, u.octets())
	}
	u.items()
	f.pieces = at()
	pieces := u.count()
	for range pieces {
		u.varint()
		for range u.count() {
			u.place(count + 1)
		}
	}
	u.more(form)
	if u.end(); u.err != nil {
		return nil, u.err
	}
	f.from = make([]*kept, pieces)
	return f, nil
}

func (f *form) judge(n int, text []byte) {
	if n < 64*len(f.wild) && !inline(text) {
		f.wild[n/64] |= 1 << (n % 64)
	}
}

// tame reports whether it is known of string n of the table that it is fit for any line and
// holds no line end.
func (f *form) tame(n uint32) bool {
	return n < 64*uint32(len(f.wild)) && f.wild[n/64]&(1<<(n%64)) == 0
}

// span is a string of a form.
type span struct{ start, end uint32 }

// table appends where the strings stand in f.text.
func (f *form) table(list []span) []span {
	list = append(list, span{0, uint32(f.subject)})
	count, at := number(f.text, int(f.strings))
	for range count {
		var n int
		n, at = number(f.text, at)
		list = append(list, span{uint32(at), uint32(at + n)})
		at += n
	}
	return list
}

// number reads a uvarint of text that was looked through, nearly always of one octet.
func number(text []byte, at int) (n, next int) {
	if c := text[at]; c < 0x80 {
		return int(c), at + 1
	}
	v, size := binary.Uvarint(text[at:])
	return int(v), at + size
}

// missing lists by id the fragments that f still lacks.
func (f *form) missing(each func(n int, id int64)) {
	u := unpacker{b: f.text[f.pieces:]}
	u.count()
	var id int64
	for n := range f.from {
		id += u.varint()
		for range u.count() {
			u.uvarint()
		}
		if f.from[n] == nil {
			each(n, id)
		}
	}
}

func (f *form) weight() int { return 192 + len(f.text) + 8*len(f.from) }

// texts appends the fragments to list, up to the first that was let go.
func (f *form) texts(list []*parsed) []*parsed {
	for _, from := range f.from {
		t := from.text.Load()
		if t == nil {
			break
		}
		if !from.used.Load() { // most often it is set, and reading does not disturb the others
			from.used.Store(true)
		}
		list = append(list, t)
	}
	return list
}
