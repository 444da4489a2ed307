package subscribers

import (
	"errors"
	"slices"
	"time"
)

var (
	// ErrNotActive says that a reader who has not confirmed or has unsubscribed cannot change
	// settings by a link: the way back is a sign-up that is confirmed.
	ErrNotActive = errors.New("the reader gets no mail")
	// ErrLater says that a change cannot be undone because another was made after it.
	ErrLater = errors.New("there is a later change")
)

// The edits of a reader. Each leaves s as it is where it is so already, and the lists that s had
// before as they are: they may be another's. Ids are not checked; [Settings.Validate] and the
// configuration know them.

// LeaveEdition takes the reader out of an edition.
func (s *Settings) LeaveEdition(name string) {
	if i := slices.Index(s.Editions, name); i >= 0 {
		s.Editions = without(s.Editions, i)
	}
}

// JoinEdition brings the reader into an edition.
func (s *Settings) JoinEdition(name string) {
	if !slices.Contains(s.Editions, name) {
		s.Editions = append(slices.Clip(s.Editions), name)
	}
}

// ChooseEditions makes the editions those of shown that are in chosen, in the order of shown.
// Editions that were not shown, such as one that the configuration does not have at the moment,
// stay as they are.
func (s *Settings) ChooseEditions(shown, chosen []string) {
	var list []string
	for _, name := range shown {
		if slices.Contains(chosen, name) && !slices.Contains(list, name) { // a form may say it twice
			list = append(list, name)
		}
	}
	for _, name := range s.Editions {
		if !slices.Contains(shown, name) {
			list = append(list, name)
		}
	}
	if !slices.Equal(slices.Sorted(slices.Values(list)), slices.Sorted(slices.Values(s.Editions))) {
		s.Editions = list
	}
}

// Level is the level of a section; false if the reader has decided nothing about it.
func (s *Settings) Level(section string) (Level, bool) {
	if i := s.place(section); i >= 0 {
		return s.Sections[i].Level, true
	}
	return "", false
}

// SetLevel sets how much the reader wants of a section. One that is not among theirs comes last.
func (s *Settings) SetLevel(section string, l Level) {
	i := s.place(section)
	switch {
	case i < 0:
		s.Sections = append(slices.Clip(s.Sections), Follow{section, l})
	case s.Sections[i].Level != l:
		s.Sections = slices.Clone(s.Sections)
		s.Sections[i].Level = l
	}
}

// Drop takes a section out of the reader's: nothing is decided about it any more.
func (s *Settings) Drop(section string) {
	if i := s.place(section); i >= 0 {
		s.Sections = without(s.Sections, i)
	}
}

// MoveUp brings a section before the next higher one that the reader gets: a muted one between
// them is not seen in any mail.
func (s *Settings) MoveUp(section string) {
	i := s.place(section)
	for to := i - 1; to >= 0; to-- {
		if s.Sections[to].Level != Muted {
			s.Move(section, to)
			return
		}
	}
}

// Move brings a section to a place in the reader's order, counted from 0; one that is too low or
// too high counts as the first or last.
func (s *Settings) Move(section string, to int) {
	i := s.place(section)
	to = min(max(to, 0), len(s.Sections)-1)
	if i < 0 || i == to {
		return
	}
	f := s.Sections[i]
	s.Sections = slices.Insert(without(s.Sections, i), to, f)
}

// ChooseSections makes the sections those in chosen, in that order, without those of level "".
// Sections that were not shown, such as one that has moved, stay behind them as they are.
func (s *Settings) ChooseSections(shown []string, chosen []Follow) {
	var list []Follow
	for _, f := range chosen {
		if f.Level != "" {
			list = append(list, f)
		}
	}
	for _, f := range s.Sections {
		if !slices.Contains(shown, f.Section) {
			list = append(list, f)
		}
	}
	if !slices.Equal(list, s.Sections) {
		s.Sections = list
	}
}

// Pause stops the reader's mail until a time, or without an end if it is zero.
func (s *Settings) Pause(until time.Time) {
	s.Status, s.PausedUntil = Paused, until
}

// Resume ends a pause, and does nothing for who is not paused.
func (s *Settings) Resume() {
	if s.Status == Paused {
		s.Status, s.PausedUntil = Active, time.Time{}
	}
}

// Own are the fields that the reader, or who entered them, decided. For the others the defaults
// of edition and publication hold.
func (s *Settings) Own() (own Fields) {
	for field, is := range map[Fields]bool{
		FieldName: s.Name != "", FieldSections: len(s.Sections) > 0, FieldEditions: len(s.Editions) > 0,
		FieldHour: s.Hour >= 0, FieldDays: len(s.Days) > 0, FieldZone: s.Zone != "",
		FieldLanguage: s.Language != "", FieldFormat: s.Format == Text,
	} {
		if is {
			own |= field
		}
	}
	return own
}

// Clone is a copy that shares no list with s.
func (s *Settings) Clone() Settings {
	c := *s
	c.Sections, c.Editions, c.Days = slices.Clone(s.Sections), slices.Clone(s.Editions), slices.Clone(s.Days)
	return c
}

// pauseEnd is when the pause of who is paused ends; zero = no end, or no pause.
func (s *Settings) pauseEnd() time.Time {
	if s.Status != Paused {
		return time.Time{}
	}
	return s.PausedUntil
}

func (s *Settings) place(section string) int {
	return slices.IndexFunc(s.Sections, func(f Follow) bool { return f.Section == section })
}

// without is a new list without the element at i; nil if that was the only one.
func without[T any](list []T, i int) []T {
	if len(list) == 1 {
		return nil
	}
	return slices.Delete(slices.Clone(list), i, i+1)
}
