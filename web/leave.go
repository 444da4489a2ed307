package web

import (
	"context"
	"errors"
	"net/http"

	"broadsheet/digest"
	"broadsheet/subscribers"
)

// named is something with an id that a page shows by its name.
type named struct{ ID, Name string }

// leavePage is what the one page of leaving shows.
type leavePage struct {
	All      bool     // the link leaves everything
	Edition  string   // that the link leaves, as it is called; "" if the reader does not get it
	Others   []named  // editions besides it
	Sections []named  // that the reader gets
	Fewer    bool     // some of them with more than one story
	Days     []dayset // to get it on
	Pauses   []pauseChoice
	Paused   string // until when, "" = not
	Back     string
}

// dayset are days of the week under one name.
type dayset struct {
	Value string // key of the words behind days_, or a weekday's number
	Name  string
	days  []int
}

// edition is the name of the edition that a link is about; "" if nobody knows it.
func (p *Pages) edition(ctx context.Context, v *visit) (string, error) {
	name, err := p.Readers.EditionName(ctx, v.Edition)
	if errors.Is(err, subscribers.ErrNotFound) {
		return "", nil
	}
	return name, err
}

// editionTitle is what an edition is called.
func (p *Pages) editionTitle(name string) string {
	if e := p.Config.Edition(name); e != nil {
		return e.Title
	}
	return name
}

// askLeave shows all ways to get less, the one that the link names first.
func (p *Pages) askLeave(w http.ResponseWriter, r *http.Request, v *visit) {
	name, err := p.edition(r.Context(), v)
	switch {
	case err != nil:
		p.trouble(w, r, "find edition", err)
		return
	case v.reader == nil, v.reader.Status == subscribers.Unsubscribed, v.reader.Suppressed != nil:
		p.left(w, r, v, subscribers.Edited{}, nil, "")
		return
	}
	d := leavePage{All: v.Kind == subscribers.LeaveAll || name == "", Back: p.back(v), Pauses: p.pauseChoices(v), Days: p.daysets(v)}
	if v.reader.Status == subscribers.Paused {
		d.Paused = p.pausedText(v.lang, &v.reader.Settings)
	}
	for _, e := range v.reader.Editions {
		if e == name && !d.All {
			d.Edition = p.editionTitle(e)
		} else {
			d.Others = append(d.Others, named{e, p.editionTitle(e)})
		}
	}
	if d.All && len(d.Others) == 1 {
		d.Others = nil // it would be all the same
	}
	for _, f := range v.reader.Sections {
		if s, ok := p.Config.Section(p.Config.MovedTo(f.Section)); ok && !s.Retired && f.Level != subscribers.Muted {
			d.Sections = append(d.Sections, named{f.Section, s.Name})
			d.Fewer = d.Fewer || f.Level == subscribers.Normal
		}
	}
	pairs := []string{"edition", isolated(v.lang, p.editionTitle(name)), "publication", isolated(v.lang, p.Config.Publication.Name)}
	title := "leave_title"
	if d.All {
		title = "leave_all_title"
	}
	p.show(w, r, http.StatusOK, v.lang, "leave", title, d, pairs...)
}

// daysets are the choices of fewer days.
func (p *Pages) daysets(v *visit) []dayset {
	words := p.texts.in(v.lang)
	list := []dayset{{"weekdays", words["days_weekdays"], []int{1, 2, 3, 4, 5}}, {"weekend", words["days_weekend"], []int{6, 7}}}
	for i, day := range p.texts.set.Words(v.lang).Weekdays {
		s, err := text(words, "days_only", []string{"day", day})
		if err != nil {
			p.Log.Error("write page", "error", err)
		}
		list = append(list, dayset{string(rune('1' + i)), s, []int{i + 1}})
	}
	return list
}

// leave does what the pressed button of the page of leaving says; without one, what the link says.
func (p *Pages) leave(w http.ResponseWriter, r *http.Request, v *visit) {
	action := r.PostFormValue("action")
	if action == "" {
		action = map[subscribers.Kind]string{subscribers.LeaveEdition: "edition", subscribers.LeaveAll: "all"}[v.Kind]
	}
	if v.reader == nil {
		p.left(w, r, v, subscribers.Edited{}, nil, "")
		return
	}
	switch action {
	case "edition":
		p.leaveEdition(w, r, v, r.PostFormValue("edition"))
	case "all":
		e, err := p.Readers.LeaveAll(r.Context(), v.Subscriber, "reader", digest.NoticeLeft, p.Now())
		p.left(w, r, v, e, err, "")
	case "fewer":
		e, err := p.edit(r, v, digest.NoticeChanged, func(s *subscribers.Settings) {
			for _, f := range s.Sections {
				if f.Level == subscribers.Normal {
					s.SetLevel(f.Section, subscribers.Less)
				}
			}
		})
		p.changed(w, r, v, e, err, outcome{key: "fewer_done", same: "fewer_done"})
	case "days":
		p.fewerDays(w, r, v)
	case "section":
		v.Kind, v.Section = subscribers.SectionMute, r.PostFormValue("section")
		p.section(w, r, v)
	case "pause", "resume":
		p.pause(w, r, v)
	default:
		p.message(w, r, http.StatusBadRequest, v.lang, "form")
	}
}

// leaveEdition takes the reader out of the edition that the form names, or else the link.
func (p *Pages) leaveEdition(w http.ResponseWriter, r *http.Request, v *visit, name string) {
	if name == "" {
		var err error
		if name, err = p.edition(r.Context(), v); err != nil {
			p.trouble(w, r, "find edition", err)
			return
		}
	}
	e, err := p.leaveOne(r, v, name, digest.NoticeLeft)
	p.left(w, r, v, e, err, name)
}

// leaveOne takes the reader out of an edition. Who asks to leave one that nobody knows any more
// leaves everything: to mail on would be worse.
func (p *Pages) leaveOne(r *http.Request, v *visit, name, notice string) (subscribers.Edited, error) {
	if name == "" {
		return p.Readers.LeaveAll(r.Context(), v.Subscriber, "reader", notice, p.Now())
	}
	return p.Readers.EditReader(r.Context(), v.Subscriber, subscribers.Edit{By: "reader", Leave: true, Notice: notice,
		Do: func(s *subscribers.Settings) error { s.LeaveEdition(name); return nil }}, p.Now())
}

// left tells of leaving an edition, or everything if edition is "".
func (p *Pages) left(w http.ResponseWriter, r *http.Request, v *visit, e subscribers.Edited, err error, edition string) {
	if errors.Is(err, subscribers.ErrNotFound) {
		err = nil // whoever is gone gets no mail
	}
	o := outcome{key: "left_all", same: "left_all", signUp: true, pairs: []string{"publication", isolated(v.lang, p.Config.Publication.Name)}}
	if edition != "" && e.Status != subscribers.Unsubscribed {
		o = outcome{key: "left", same: "left", pairs: append(o.pairs, "edition", isolated(v.lang, p.editionTitle(edition)))}
		o.more = "left_more"
		if len(e.Editions) == 0 {
			o.more = "left_none"
		}
	}
	p.changed(w, r, v, e, err, o)
}

func (p *Pages) fewerDays(w http.ResponseWriter, r *http.Request, v *visit) {
	for _, set := range p.daysets(v) {
		if set.Value == r.PostFormValue("days") {
			e, err := p.edit(r, v, digest.NoticeChanged, func(s *subscribers.Settings) { s.Days = set.days })
			p.changed(w, r, v, e, err, outcome{key: "days_done", same: "days_done", pairs: []string{"days", set.Name}})
			return
		}
	}
	p.message(w, r, http.StatusBadRequest, v.lang, "form")
}
