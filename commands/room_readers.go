package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"broadsheet/operators"
	"broadsheet/schedule"
	"broadsheet/store"
	"broadsheet/subscribers"
	"broadsheet/web/room"
)

// roomReaders meets [room.Readers].
type roomReaders struct{ *engine }

var _ room.Readers = roomReaders{}

// nearMost is how many readers are offered who may be meant.
const nearMost = 8

func brief(s *subscribers.Subscriber) room.ReaderBrief {
	b := room.ReaderBrief{ID: s.ID, Address: s.Address, Name: s.Name, Status: string(s.Status)}
	if s.Suppressed != nil {
		b.Barred = s.Suppressed.Reason
	}
	return b
}

// Find meets [room.Readers].
func (w roomReaders) Find(ctx context.Context, q room.ReaderSearch) (*room.ReaderList, error) {
	q.Text = strings.TrimSpace(q.Text)
	f := store.ReaderQuery{Status: subscribers.Status(q.Status), Section: q.Section, Edition: q.Edition, After: q.After}
	switch q.In {
	case "name":
		f.Name = q.Text
	case "external":
		f.ExternalID = q.Text
	default:
		q.In, f.Address = "address", q.Text
	}
	if q.Status != "" {
		if _, err := subscribers.ParseStatus(q.Status); err != nil {
			return nil, fmt.Errorf("%w: %w", room.ErrRefused, err)
		}
	}
	found, err := w.db.FindReaders(ctx, f)
	if errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("%w: this page of the list is not there", room.ErrNotFound)
	}
	if err != nil {
		return nil, err
	}
	list := &room.ReaderList{Search: q, Next: found.Next, Looked: found.Looked, Readers: []room.ReaderLine{}}
	for n := range found.Readers {
		s := &found.Readers[n]
		list.Readers = append(list.Readers, room.ReaderLine{ReaderBrief: brief(s), ExternalID: s.ExternalID, Sections: s.Get("sections"),
			Editions: s.Get("editions"), Hour: s.Get("hour"), Zone: s.Zone})
	}
	for _, s := range w.cfg.Sections {
		list.Sections = append(list.Sections, room.Choice{Value: s.ID, Name: s.Name, Chosen: s.ID == q.Section})
	}
	for _, ed := range w.cfg.Editions {
		list.Editions = append(list.Editions, room.Choice{Value: ed.Name, Name: ed.Title, Chosen: ed.Name == q.Edition})
	}
	return list, nil
}

// refusal puts an error of an act on a reader into a form that the page shows.
func refusal(err error) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("%w: no reader has this number", room.ErrNotFound)
	case errors.Is(err, store.ErrNoLink), errors.Is(err, store.ErrImporting), errors.Is(err, subscribers.ErrNoWayBack), errors.Is(err, subscribers.ErrWhy):
		return fmt.Errorf("%w: %w", room.ErrRefused, err)
	}
	return err
}

// edit changes a reader in the operator's name.
func (w roomReaders) edit(ctx context.Context, by operators.By, id int64, leave bool, do func(*subscribers.Settings) error) (said string, err error) {
	if err := needWhy(by); err != nil {
		return "", err
	}
	out, err := w.db.EditFor(ctx, by, id, subscribers.Edit{By: "operator", Do: do, Leave: leave}, w.now())
	switch {
	case err != nil:
		return "", refusal(err)
	case !out.Changed:
		return "Nothing to change: it is so already.", nil
	}
	return "Changed.", nil
}

// Change meets [room.Readers].
func (w roomReaders) Change(ctx context.Context, by operators.By, id int64, to room.ReaderForm) (string, error) {
	return w.edit(ctx, by, id, false, func(s *subscribers.Settings) error {
		for _, f := range []struct{ column, cell string }{{"name", to.Name}, {"hour", to.Hour}, {"days", to.Days}, {"zone", to.Zone},
			{"language", to.Language}, {"format", to.Format}, {"external_id", to.ExternalID}} {
			if err := s.Set(f.column, strings.TrimSpace(f.cell)); err != nil {
				return fmt.Errorf("%w: %s: %w", room.ErrRefused, f.column, err)
			}
		}
		return w.chosen(s, to)
	})
}

// chosen takes over sections and editions. What the form did not show stays.
func (w roomReaders) chosen(s *subscribers.Settings, to room.ReaderForm) error {
	follows, err := subscribers.ParseFollows(to.Sections)
	if err != nil {
		return fmt.Errorf("%w: sections: %w", room.ErrRefused, err)
	}
	editions, err := subscribers.ParseList(to.Editions)
	if err != nil {
		return fmt.Errorf("%w: editions: %w", room.ErrRefused, err)
	}
	var shown, names []string
	for _, sec := range w.shown(s) {
		shown = append(shown, sec.ID)
	}
	for _, ed := range w.cfg.Editions {
		names = append(names, ed.Name)
	}
	for _, f := range follows {
		if !slices.Contains(shown, f.Section) {
			return fmt.Errorf("%w: there is no section %q", room.ErrRefused, f.Section)
		}
	}
	for _, name := range editions {
		if !slices.Contains(names, name) {
			return fmt.Errorf("%w: there is no edition %q", room.ErrRefused, name)
		}
	}
	s.ChooseSections(shown, follows)
	s.ChooseEditions(names, editions)
	return nil
}

// shown are the sections that can be chosen for a reader: those there are, and of the others those that
// the reader has.
func (w roomReaders) shown(s *subscribers.Settings) (list []schedule.Section) {
	for _, sec := range w.cfg.Sections {
		if _, has := s.Level(sec.ID); has || !sec.Retired && sec.MovedTo == "" {
			list = append(list, sec)
		}
	}
	return list
}

// Pause meets [room.Readers].
func (w roomReaders) Pause(ctx context.Context, by operators.By, id int64, until string) (string, error) {
	var end time.Time
	if until = strings.TrimSpace(until); until != "" {
		var wish subscribers.Settings
		if err := wish.Set("paused_until", until); err != nil {
			return "", fmt.Errorf("%w: until: %w", room.ErrRefused, err)
		}
		if end = wish.PausedUntil; !end.After(w.now()) {
			return "", fmt.Errorf("%w: %s is past: a pause ends later", room.ErrRefused, until)
		}
	}
	return w.edit(ctx, by, id, false, func(s *subscribers.Settings) error {
		if s.Status != subscribers.Active && s.Status != subscribers.Paused {
			return fmt.Errorf("%w: the reader is %s and gets no mail that could be paused", room.ErrRefused, s.Status)
		}
		s.Pause(end)
		return nil
	})
}

// Resume meets [room.Readers].
func (w roomReaders) Resume(ctx context.Context, by operators.By, id int64) (string, error) {
	return w.edit(ctx, by, id, false, func(s *subscribers.Settings) error {
		if s.Status != subscribers.Paused && s.Status != subscribers.Active {
			return fmt.Errorf("%w: the reader is %s, not paused", room.ErrRefused, s.Status)
		}
		s.Resume()
		return nil
	})
}

// Unsubscribe meets [room.Readers].
func (w roomReaders) Unsubscribe(ctx context.Context, by operators.By, id int64) (string, error) {
	if err := needWhy(by); err != nil {
		return "", err
	}
	out, err := w.db.LeaveFor(ctx, by, id, w.now())
	switch {
	case err != nil:
		return "", refusal(err)
	case !out.Changed:
		return "The reader had left before.", nil
	}
	return "Unsubscribed: nothing more goes to this address, and only a sign-up that is confirmed brings the reader back.", nil
}

// SendLink meets [room.Readers].
func (w roomReaders) SendLink(ctx context.Context, by operators.By, id int64) (string, error) {
	if err := needWhy(by); err != nil {
		return "", err
	}
	kind, err := w.db.LinkFor(ctx, by, id, w.now())
	if err != nil {
		return "", refusal(err)
	}
	if kind == "confirm" {
		return "The mail to confirm the sign-up goes out once more.", nil
	}
	return "A mail with the link to the preferences goes out.", nil
}

// Erase meets [room.Readers].
func (w roomReaders) Erase(ctx context.Context, by operators.By, id int64, typed string) (string, error) {
	if err := needWhy(by); err != nil {
		return "", err
	}
	s, err := w.db.SubscriberByID(ctx, id)
	if err != nil {
		return "", refusal(err)
	}
	if subscribers.Fold(strings.TrimSpace(typed)) != subscribers.Fold(s.Address) {
		return "", fmt.Errorf("%w: type the reader's address to erase everything; what was typed is another", room.ErrRefused)
	}
	if err := w.db.EraseFor(ctx, by, id, w.now()); err != nil {
		return "", refusal(err)
	}
	return fmt.Sprintf("Everything held about reader %d is deleted.", id), nil
}

// settingsInWords lists what a reader decided.
func (w roomReaders) settingsInWords(s *subscribers.Subscriber) []room.Fact {
	zone := w.placeOf(s)
	status := string(s.Status)
	if s.Status == subscribers.Paused && !s.PausedUntil.IsZero() {
		status += " until " + at(s.PausedUntil, zone, w.now())
	}
	var sections, editions []string
	for _, f := range s.Sections {
		name := f.Section
		if sec, ok := w.cfg.Section(f.Section); ok {
			name = sec.Name
		}
		if f.Level != subscribers.Normal {
			name += " (" + string(f.Level) + ")"
		}
		sections = append(sections, name)
	}
	for _, name := range s.Editions {
		if ed := w.cfg.Edition(name); ed != nil {
			name = ed.Title
		}
		editions = append(editions, name)
	}
	hour := "the edition's own"
	if s.Hour >= 0 {
		hour = strconv.Itoa(s.Hour) + ":00, or the nearest that the edition is sent at"
	}
	days := "every day"
	if len(s.Days) > 0 {
		days = weekdays(s.Days)
	}
	consent := "nothing on record"
	if s.ConsentSource != "" {
		consent = s.ConsentSource
	}
	if !s.ConsentAt.IsZero() {
		consent += ", " + at(s.ConsentAt, zone, w.now())
	}
	return []room.Fact{{Name: "Status", Value: status}, {Name: "Editions", Value: cmp.Or(strings.Join(editions, ", "), "none")},
		{Name: "Sections", Value: cmp.Or(strings.Join(sections, ", "), "none")}, {Name: "Hour", Value: hour}, {Name: "Days", Value: days},
		{Name: "Zone", Value: cmp.Or(s.Zone, "the edition's place")}, {Name: "Language", Value: cmp.Or(s.Language, "the publication's")},
		{Name: "Format", Value: cmp.Or(string(s.Format), "html")}, {Name: "Consent", Value: consent}}
}
