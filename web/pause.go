package web

import (
	"net/http"
	"time"

	"broadsheet/digest"
	"broadsheet/subscribers"
)

// pauseLength is a length of a pause that pages offer.
type pauseLength struct {
	Value        string // in the form, and key of the words behind pause_
	months, days int
}

var pauseLengths = []pauseLength{{"1w", 0, 7}, {"2w", 0, 14}, {"1m", 1, 0}, {"3m", 3, 0}}

// maxPause is the longest pause that has an end: who is away for longer may as well leave.
const maxPause = 366 * 24 * time.Hour

// pauseChoice is one length as a page shows it.
type pauseChoice struct {
	Value, Until string
	Chosen       bool
}

// pausePage is what the page of the Pause link shows.
type pausePage struct {
	Choices []pauseChoice
	Paused  bool
	Now     string // until when the reader is paused
	Back    string
}

// pauseChoices are the lengths with the days on which mail comes again.
func (p *Pages) pauseChoices(v *visit) []pauseChoice {
	list := make([]pauseChoice, len(pauseLengths))
	for i, l := range pauseLengths {
		list[i] = pauseChoice{l.Value, p.texts.set.Words(v.lang).Day(p.pauseEnd(l, &v.reader.Settings)), i == 1}
	}
	return list
}

// pauseEnd is the midnight in the reader's zone that ends a pause which begins now.
func (p *Pages) pauseEnd(l pauseLength, s *subscribers.Settings) time.Time {
	now := p.Now().In(p.home(s))
	return time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location()).AddDate(0, l.months, l.days)
}

// pausedText says until when a reader is paused.
func (p *Pages) pausedText(lang string, s *subscribers.Settings) string {
	key, day := "paused_open", ""
	if !s.PausedUntil.IsZero() {
		key, day = "paused_until", p.texts.set.Words(lang).Day(s.PausedUntil.In(p.home(s)))
	}
	t, err := text(p.texts.in(lang), key, []string{"day", day})
	if err != nil {
		p.Log.Error("write page", "error", err)
	}
	return t
}

func (p *Pages) askPause(w http.ResponseWriter, r *http.Request, v *visit) {
	if !p.active(w, r, v) {
		return
	}
	d := pausePage{Choices: p.pauseChoices(v), Paused: v.reader.Status == subscribers.Paused, Back: p.back(v)}
	if d.Paused {
		d.Now = p.pausedText(v.lang, &v.reader.Settings)
	}
	p.show(w, r, http.StatusOK, v.lang, "pause", "pause_title", d)
}

// pause stops the mail for the time that the form names, or ends the pause.
func (p *Pages) pause(w http.ResponseWriter, r *http.Request, v *visit) {
	if r.PostFormValue("action") == "resume" {
		p.resume(w, r, v)
		return
	}
	for _, l := range pauseLengths {
		if l.Value == r.PostFormValue("for") && v.reader != nil {
			p.pauseFor(w, r, v, p.pauseEnd(l, &v.reader.Settings))
			return
		}
	}
	if v.reader == nil {
		p.refused(w, r, v, subscribers.ErrNotFound)
		return
	}
	p.message(w, r, http.StatusBadRequest, v.lang, "form")
}

func (p *Pages) pauseFor(w http.ResponseWriter, r *http.Request, v *visit, until time.Time) {
	e, err := p.Readers.EditReader(r.Context(), v.Subscriber, subscribers.Edit{By: "reader", Notice: digest.NoticePaused, Detail: until.Format(time.DateOnly),
		Do: func(s *subscribers.Settings) error { s.Pause(until); return nil }}, p.Now())
	p.changed(w, r, v, e, err, outcome{key: "pause_done", same: "pause_done",
		pairs: []string{"day", p.texts.set.Words(v.lang).Day(until)}})
}

func (p *Pages) askResume(w http.ResponseWriter, r *http.Request, v *visit) {
	if !p.active(w, r, v) {
		return
	}
	q := question{key: "resume"}
	if v.reader.Status != subscribers.Paused {
		q.now = "resume_now"
	}
	p.question(w, r, v, q)
}

// resume ends a pause.
func (p *Pages) resume(w http.ResponseWriter, r *http.Request, v *visit) {
	e, err := p.edit(r, v, "", func(s *subscribers.Settings) { s.Resume() })
	p.changed(w, r, v, e, err, outcome{key: "resume_done", same: "resume_done"})
}
