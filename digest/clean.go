package digest

// maxOctets is the most that a line may have (RFC 5322 section 2.1.1).
const maxOctets = 998

// stretch says of a run of text what must be known to tell whether lines of which it is a part
// are fit for the wire: CRLF at their ends and nowhere else, 7 bit, no NUL, at most 998 octets,
// no dot at their beginning. Text is looked through once, when it is read, and not in every mail.
type stretch struct {
	head, tail int32 // octets before the first line end and behind the last; without one both are the length
	breaks     bool  // there is a line end in it
	dot        bool  // it begins with a dot
	wild       bool  // no line with this in it is fit
}

func stretchOf[T string | []byte](text T) stretch {
	s := stretch{dot: len(text) > 0 && text[0] == '.', wild: len(text) > 1<<30}
	start := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\n' && (i == start || text[i-1] != '\r'):
			s.wild = true
		case c == '\n':
			if n := i - 1 - start; s.breaks {
				s.wild = s.wild || n > maxOctets
			} else {
				s.head, s.breaks = int32(n), true
			}
			start = i + 1
			s.wild = s.wild || start < len(text) && text[start] == '.'
		case c == '\r':
			s.wild = s.wild || i+1 == len(text) || text[i+1] != '\n'
		case c == 0 || c > '~'+1:
			s.wild = true
		}
	}
	s.tail = int32(len(text) - start)
	if !s.breaks {
		s.head = s.tail
	}
	return s
}

// inline reports whether text is fit for any line, even as its beginning, and holds no line end.
func inline(text []byte) bool {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' {
			return false
		}
	}
	return len(text) == 0 || text[0] != '.'
}

// lines follows the lines of a mail from stretch to stretch. The zero value stands before the
// first.
type lines struct {
	col  int32 // octets of the line so far
	wild bool
}

func (l *lines) add(s stretch) {
	l.wild = l.wild || s.wild || s.dot && l.col == 0 || l.col > maxOctets-s.head
	if s.breaks {
		l.col = 0
	}
	l.col += s.tail
}

// inline adds n octets for which the function inline is true.
func (l *lines) inline(n int) { l.add(stretch{head: int32(n), tail: int32(n)}) }

// clean reports whether all lines were fit and the last one is ended.
func (l *lines) clean() bool { return !l.wild && l.col == 0 }
