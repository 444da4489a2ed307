package digest

// Selection is what was chosen for a reader, before it is laid out. Two readers with equal
// selections share one digest.
type Selection struct {
	Language string
	Zone     string // IANA zone in which times are shown
	TextOnly bool
	Sections []Picked // in the reader's order, only those with stories; the first story of the first is the lead
}

// Picked is one section of a selection.
type Picked struct {
	Section string
	Stories []Pick
	More    int // eligible stories of this section that found no place: the "N more", a true count
}

// Pick is one chosen story.
type Pick struct {
	Story    int64
	Revision int64
}

// Stories counts the stories of s.
func (s *Selection) Stories() int {
	n := 0
	for _, p := range s.Sections {
		n += len(p.Stories)
	}
	return n
}
