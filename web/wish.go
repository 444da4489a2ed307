package web

import (
	"net/url"
	"slices"
	"strconv"
	"time"

	"broadsheet/schedule"
	"broadsheet/subscribers"
)

// wish is what the form of preferences asks for. A field that the form does not have is as the
// reader has it.
type wish struct {
	sections  []subscribers.Follow // all that there are, in order; level "" = not followed
	editions  []string             // chosen
	shown     []string             // that could be chosen; nil = none
	hour      int
	days      []int
	zone      string
	language  string
	format    subscribers.Format
	askPause  bool // the form asks about a pause
	pause     bool
	until     time.Time
	languages []string
}

// wishOf is the wish that everything stay as it is. Sections stand in the reader's order, those
// that they do not have at the end; a section that has moved keeps the id that the reader has.
func (p *Pages) wishOf(s *subscribers.Settings) wish {
	w := wish{editions: s.Editions, hour: s.Hour, days: s.Days, zone: s.Zone, language: s.Language, format: s.Format,
		pause: s.Status == subscribers.Paused, until: s.PausedUntil, languages: p.texts.names}
	seen := map[string]bool{}
	for _, f := range s.Sections {
		if to, ok := p.Config.Section(p.Config.MovedTo(f.Section)); ok && !to.Retired && !seen[to.ID] {
			seen[to.ID] = true
			w.sections = append(w.sections, f)
		}
	}
	for _, c := range p.Config.Sections {
		if !c.Retired && c.MovedTo == "" && !seen[c.ID] {
			w.sections = append(w.sections, subscribers.Follow{Section: c.ID})
		}
	}
	return w
}

// readWish reads the form. wrong are the keys of the words that say what is wrong with it.
func (p *Pages) readWish(form url.Values, s *subscribers.Settings) (w wish, wrong []string) {
	w = p.wishOf(s)
	w.readSections(form)
	w.shown = slices.DeleteFunc(slices.Clone(form["shown-edition"]), func(name string) bool { return p.Config.Edition(name) == nil })
	if w.shown != nil {
		w.editions = nil
		for _, name := range form["edition"] {
			if slices.Contains(w.shown, name) {
				w.editions = append(w.editions, name)
			}
		}
	}
	for _, field := range []struct {
		name string
		read func(value string) bool
	}{
		{"hour", w.readHour},
		{"zone", func(v string) bool { return w.readZone(p.Config, v) }},
		{"language", func(v string) bool { return w.readLanguage(v, s.Language) }},
		{"format", w.readFormat},
	} {
		if form.Has(field.name) && !field.read(form.Get(field.name)) {
			wrong = append(wrong, "wrong_"+field.name)
		}
	}
	if form.Has("shown-days") && !w.readDays(form["day"]) {
		wrong = append(wrong, "wrong_days")
	}
	if w.askPause = form.Has("shown-pause"); w.askPause && !w.readPause(form, s, p.home(&subscribers.Settings{Zone: w.zone}), p.Now()) {
		wrong = append(wrong, "wrong_pause")
	}
	return w, wrong
}

// readSections reads order and levels.
func (w *wish) readSections(form url.Values) {
	var list []subscribers.Follow
	for _, id := range form["order"] {
		i := slices.IndexFunc(w.sections, func(f subscribers.Follow) bool { return f.Section == id })
		if i < 0 {
			continue
		}
		list = append(list, w.sections[i])
		w.sections = slices.Delete(slices.Clone(w.sections), i, i+1)
	}
	w.sections = append(list, w.sections...)
	for i := range w.sections {
		f := &w.sections[i]
		switch level := subscribers.Level(form.Get("level." + f.Section)); level {
		case subscribers.Normal, subscribers.Less, subscribers.Muted:
			f.Level = level
		case "":
			if form.Has("level." + f.Section) {
				f.Level = ""
			}
		}
	}
}

func (w *wish) readHour(value string) bool {
	if value == "" {
		w.hour = -1
		return true
	}
	h, err := strconv.Atoi(value)
	if err != nil || h < 0 || h > 23 {
		return false
	}
	w.hour = h
	return true
}

func (w *wish) readZone(c *schedule.Config, value string) bool {
	if value != "" {
		if _, err := c.Location(value); err != nil {
			return false
		}
	}
	w.zone = value
	return true
}

func (w *wish) readLanguage(value, own string) bool {
	if value != "" && value != own && !slices.Contains(w.languages, value) {
		return false
	}
	w.language = value
	return true
}

func (w *wish) readFormat(value string) bool {
	f, err := subscribers.ParseFormat(value)
	if err != nil {
		return false
	}
	w.format = f
	return true
}

// readDays reads the days of the week: none is an error, and all are no wish.
func (w *wish) readDays(values []string) bool {
	w.days = nil
	for d := 1; d <= 7; d++ {
		if slices.Contains(values, strconv.Itoa(d)) {
			w.days = append(w.days, d)
		}
	}
	all := len(w.days) == 7
	if all {
		w.days = nil
	}
	return all || w.days != nil
}

// readPause reads until when: a day to come, at its beginning. A pause that has no end, which an
// operator has made, may go on so.
func (w *wish) readPause(form url.Values, s *subscribers.Settings, zone *time.Location, now time.Time) bool {
	if w.pause = form.Get("pause") != ""; !w.pause {
		w.until = time.Time{}
		return true
	}
	value := form.Get("until")
	if value == "" {
		w.until = time.Time{}
		return s.Status == subscribers.Paused && s.PausedUntil.IsZero()
	}
	if !s.PausedUntil.IsZero() && value == s.PausedUntil.In(zone).Format(time.DateOnly) { // it may end within the day
		w.until = s.PausedUntil
		return true
	}
	day, err := time.ParseInLocation(time.DateOnly, value, zone)
	if err != nil {
		return false
	}
	w.until = day
	return day.After(now) && day.Sub(now) <= maxPause
}

// moved is the section that a button of the form moves, and by how many places.
func moved(form url.Values) (id string, by int) {
	if id = form.Get("up"); id != "" {
		return id, -1
	}
	return form.Get("down"), 1
}

// move brings a section up or down.
func (w *wish) move(id string, by int) {
	i := slices.IndexFunc(w.sections, func(f subscribers.Follow) bool { return f.Section == id })
	if to := i + by; i >= 0 && to >= 0 && to < len(w.sections) {
		w.sections[i], w.sections[to] = w.sections[to], w.sections[i]
	}
}

// apply makes settings what the wish is.
func (w *wish) apply(s *subscribers.Settings) {
	shown := make([]string, len(w.sections))
	for i, f := range w.sections {
		shown[i] = f.Section
	}
	s.ChooseSections(shown, w.sections)
	if w.shown != nil {
		s.ChooseEditions(w.shown, w.editions)
	}
	s.Hour, s.Days, s.Zone, s.Language, s.Format = w.hour, w.days, w.zone, w.language, w.format
	switch {
	case !w.askPause:
	case w.pause:
		s.Pause(w.until)
	default:
		s.Resume()
	}
}
