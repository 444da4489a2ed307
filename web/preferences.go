package web

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"time"

	"broadsheet/digest"
	"broadsheet/schedule"
	"broadsheet/subscribers"
	"broadsheet/templates"
)

// prefsPage is what the page of preferences shows.
type prefsPage struct {
	Address  string // masked: the mail may have been forwarded
	Paused   string // until when, "" = not
	Sections []prefsSection
	Moved    string // id of the section just moved, which has the focus
	Editions []prefsEdition
	Hours    []option
	Hour     string // of the default
	Days     []option
	Zone     string
	ZoneName string // of the default
	Language []option
	Tongue   string // language of the default
	Text     bool   // the mail is text only
	Pause    bool
	Until    string // 2006-01-02, "" = no end
	Soonest  string
	Latest   string
	Own      map[string]bool // field → decided by the reader

	State string // saved, same, moved or ""
	Undo  string // token
	Wrong []string
	Leave string // token of the page of leaving
	Past  string // of the page of past digests
	Here  string // token of this page
}

type prefsSection struct {
	ID, Name    string
	Level       string // "" = not followed
	First, Last bool
}

type prefsEdition struct {
	Name, Title, Next string
	Taken             bool
}

// option is one of a select or of a row of boxes.
type option struct {
	Value, Name, Lang string
	Chosen            bool
}

// askPreferences shows what the reader decided, and what holds where they did not.
func (p *Pages) askPreferences(w http.ResponseWriter, r *http.Request, v *visit) {
	if !p.active(w, r, v) {
		return
	}
	p.showPreferences(w, r, v, http.StatusOK, p.wishOf(&v.reader.Settings), prefsPage{})
}

// preferences saves the form, or moves a section in it for a browser without JavaScript.
func (p *Pages) preferences(w http.ResponseWriter, r *http.Request, v *visit) {
	if !p.active(w, r, v) {
		return
	}
	if kind := linkNotices[r.PostFormValue("action")]; kind != "" {
		p.mailLink(w, r, v, kind)
		return
	}
	wish, wrong := p.readWish(r.PostForm, &v.reader.Settings)
	if id, by := moved(r.PostForm); id != "" {
		wish.move(id, by)
		p.showPreferences(w, r, v, http.StatusOK, wish, prefsPage{State: "moved", Moved: id})
		return
	}
	if len(wrong) > 0 {
		p.showPreferences(w, r, v, http.StatusUnprocessableEntity, wish, prefsPage{Wrong: wrong})
		return
	}
	e, err := p.edit(r, v, digest.NoticeChanged, wish.apply)
	if err != nil {
		p.refused(w, r, v, err)
		return
	}
	page := prefsPage{State: "same"}
	if e.Changed {
		p.kick()
		page.State = "saved"
		if page.Undo, err = p.token(subscribers.Undo, subscribers.Action{Subscriber: v.Subscriber, Story: e.Row, Section: onPage}); err != nil {
			p.trouble(w, r, "make link", err)
			return
		}
	}
	v.reader = &e.Subscriber
	v.lang = p.language(r, v.reader.Language)
	p.showPreferences(w, r, v, http.StatusOK, p.wishOf(&v.reader.Settings), page)
}

// linkNotices are the buttons that ask for a mail with a fresh link.
var linkNotices = map[string]string{
	"mail-data":    digest.NoticeData,
	"mail-address": digest.NoticeAddress,
	"mail-erase":   digest.NoticeErase,
}

// showPreferences shows a wish as the form has it; d has what is to be said beside.
func (p *Pages) showPreferences(w http.ResponseWriter, r *http.Request, v *visit, status int, wish wish, d prefsPage) {
	s, words := &v.reader.Settings, p.texts.set.Words(v.lang)
	own := s.Own()
	d.Own = map[string]bool{"hour": own.Has(subscribers.FieldHour), "days": own.Has(subscribers.FieldDays), "zone": own.Has(subscribers.FieldZone),
		"language": own.Has(subscribers.FieldLanguage), "format": own.Has(subscribers.FieldFormat)}
	d.Address = subscribers.Mask(s.Address)
	if s.Status == subscribers.Paused {
		d.Paused = p.pausedText(v.lang, s)
	}
	for i, f := range wish.sections {
		section, _ := p.Config.Section(p.Config.MovedTo(f.Section))
		d.Sections = append(d.Sections, prefsSection{f.Section, section.Name, string(f.Level), i == 0, i == len(wish.sections)-1})
	}
	zone := p.home(s)
	for _, e := range p.Config.Editions {
		d.Editions = append(d.Editions, prefsEdition{Name: e.Name, Title: e.Title, Taken: slices.Contains(wish.editions, e.Name),
			Next: p.nextIssue(words, &e, s, zone)})
	}
	d.Hours, d.Hour = p.hourOptions(words, zone, wish.hour), p.defaultHour(words, zone)
	d.Days = p.dayOptions(words, wish.days)
	d.Zone, d.ZoneName = wish.zone, zoneName(words, p.home(&subscribers.Settings{}).String())
	d.Language, d.Tongue = p.languageOptions(wish.language), p.texts.words[p.texts.match(p.Config.Publication.Language)]["language_name"]
	d.Text = wish.format == subscribers.Text
	today := p.Now().In(zone)
	d.Pause, d.Soonest, d.Latest = wish.pause, today.AddDate(0, 0, 1).Format(time.DateOnly), today.Add(maxPause).Format(time.DateOnly)
	if !wish.until.IsZero() {
		d.Until = wish.until.In(zone).Format(time.DateOnly)
	}
	d.Here = v.token
	// The same age as the link at hand: it must not grow young by being followed.
	var err error
	d.Past, err = p.Keys.Token(p.Keys.SigningID(), subscribers.Action{Kind: subscribers.PastDigests, Slot: v.Slot, Subscriber: v.Subscriber})
	if err != nil {
		p.trouble(w, r, "make link", err)
		return
	}
	d.Leave, err = p.Keys.Token(p.Keys.SigningID(), subscribers.Action{Kind: subscribers.LeaveAll, Slot: v.Slot, Subscriber: v.Subscriber})
	if err != nil {
		p.trouble(w, r, "make link", err)
		return
	}
	p.show(w, r, status, v.lang, "preferences", "preferences_title", d)
}

// nextIssue says when an edition comes to the reader next; "" if it never does.
func (p *Pages) nextIssue(words *templates.Words, e *schedule.Edition, s *subscribers.Settings, zone *time.Location) string {
	at := p.Now()
	for range 32 { // it may never come: a weekly on a day that is not the reader's
		slot, ok := e.Next(zone, s.Hour, at)
		if !ok {
			break
		}
		local := slot.Due.In(zone)
		if len(s.Days) == 0 || slices.Contains(s.Days, (int(local.Weekday())+6)%7+1) {
			return words.DayTime(local, "")
		}
		at = slot.Due
	}
	return ""
}

// hourOptions are the hours that readers may choose from in any edition; nil if there are none.
func (p *Pages) hourOptions(words *templates.Words, zone *time.Location, chosen int) (list []option) {
	for i := range p.Config.Editions {
		e := &p.Config.Editions[i]
		if e.Zone != schedule.ReaderZone || len(e.Hours) < 2 {
			continue
		}
		for _, h := range e.Hours {
			value := strconv.Itoa(h)
			slot, ok := e.Next(zone, h, p.Now())
			if !ok || slices.ContainsFunc(list, func(o option) bool { return o.Value == value }) {
				continue
			}
			at, err := time.Parse("15:04", slot.Local[len(slot.Local)-5:])
			if err != nil {
				continue
			}
			list = append(list, option{Value: value, Name: words.Clock(at), Chosen: h == chosen})
		}
	}
	if value := strconv.Itoa(chosen); chosen >= 0 && list != nil && !slices.ContainsFunc(list, func(o option) bool { return o.Chosen }) {
		list = append(list, option{Value: value, Name: words.Clock(time.Date(1970, 1, 1, chosen, 0, 0, 0, time.UTC)), Chosen: true})
	}
	slices.SortStableFunc(list, func(a, b option) int {
		return cmp.Or(cmp.Compare(len(a.Value), len(b.Value)), cmp.Compare(a.Value, b.Value))
	})
	return list
}

// defaultHour is when the first edition with a choice of hours comes to who chooses none.
func (p *Pages) defaultHour(words *templates.Words, zone *time.Location) string {
	for i := range p.Config.Editions {
		e := &p.Config.Editions[i]
		if slot, ok := e.Next(zone, -1, p.Now()); ok && e.Zone == schedule.ReaderZone && len(e.Hours) > 1 {
			return words.Clock(slot.Due.In(zone))
		}
	}
	return ""
}

// languageOptions are the languages of mails.
func (p *Pages) languageOptions(chosen string) (list []option) {
	known := false
	for _, lang := range p.texts.names {
		list = append(list, option{Value: lang, Name: p.texts.words[lang]["language_name"], Lang: lang, Chosen: lang == chosen})
		known = known || lang == chosen
	}
	if chosen != "" && !known {
		list = append(list, option{Value: chosen, Name: chosen, Chosen: true})
	}
	return list
}
