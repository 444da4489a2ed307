package store

import (
	"encoding/binary"
	"errors"
)

// memberWriter packs numbers of readers, which rise, each with its sections: the step from the one before,
// how many sections, and those as numbers; a section is written out before the first reader who follows it. A
// million readers are some 8 MB. The zero value is ready.
type memberWriter struct {
	b     []byte
	last  int64
	known map[string]uint64
}

func (w *memberWriter) add(id int64, sections []string) {
	if w.known == nil {
		w.known = map[string]uint64{}
	}
	w.b = binary.AppendUvarint(w.b, uint64(id-w.last))
	w.b = binary.AppendUvarint(w.b, uint64(len(sections)))
	w.last = id
	for _, name := range sections {
		n, known := w.known[name]
		if !known {
			n = uint64(len(w.known))
			w.known[name] = n
		}
		if w.b = binary.AppendUvarint(w.b, n); !known {
			w.b = binary.AppendUvarint(w.b, uint64(len(name)))
			w.b = append(w.b, name...)
		}
	}
}

// memberReader reads what a [memberWriter] wrote, one reader after the other.
type memberReader struct {
	ok       bool // there is one
	id       int64
	sections []string
	err      error

	b     []byte
	known []string
}

// readMembers stands at the first.
func readMembers(b []byte) *memberReader {
	r := &memberReader{b: b}
	r.step()
	return r
}

// step goes on to the next.
func (r *memberReader) step() {
	r.ok, r.sections = len(r.b) > 0 && r.err == nil, nil
	if !r.ok {
		return
	}
	r.id += int64(r.number())
	for range r.number() {
		n := r.number()
		if n == uint64(len(r.known)) {
			size := r.number()
			if size > uint64(len(r.b)) {
				r.spoilt()
			}
			if r.err != nil {
				return
			}
			r.known, r.b = append(r.known, string(r.b[:size])), r.b[size:]
		}
		if n >= uint64(len(r.known)) {
			r.spoilt()
		}
		if r.err != nil {
			return
		}
		r.sections = append(r.sections, r.known[n])
	}
}

func (r *memberReader) number() uint64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 {
		r.spoilt()
		return 0
	}
	r.b = r.b[size:]
	return n
}

func (r *memberReader) spoilt() {
	r.ok, r.b = false, nil
	if r.err == nil {
		r.err = errors.New("the readers of the last report cannot be read")
	}
}
