package web

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"broadsheet/digest"
	"broadsheet/schedule"
	"broadsheet/templates"
)

// recount goes once more over what there was to choose from for a past digest.
func (p *Pages) recount(ctx context.Context, past *digest.Past, e *schedule.Edition) (*digest.Digest, digest.Recount, error) {
	d, err := p.Archive.Digest(ctx, past.Digest)
	if err != nil {
		return nil, digest.Recount{}, err
	}
	h, err := p.hindsight(ctx, past, e)
	if err != nil {
		return nil, digest.Recount{}, err
	}
	rest, err := h.Recount(past, d.Items, func(since time.Time) ([]int64, error) {
		return p.Archive.SeenBefore(ctx, past, since, e.Roundup)
	})
	return d, rest, err
}

func (p *Pages) hindsight(ctx context.Context, past *digest.Past, e *schedule.Edition) (*digest.Hindsight, error) {
	edits, err := p.Slots.StoryEdits(ctx)
	if err != nil {
		return nil, err
	}
	if h, ok := p.hinds.get(past.Issue.ID, edits, p.Now()); ok {
		return h, nil
	}
	done := p.looking.take(ctx)
	if done == nil {
		return nil, ctx.Err()
	}
	defer done()
	if h, ok := p.hinds.get(past.Issue.ID, edits, p.Now()); ok { // made while this one waited
		return h, nil
	}
	h, err := p.Opener(e).Hindsight(ctx, past.Issue)
	if err == nil {
		p.hinds.put(past.Issue.ID, h, edits, p.Now(), hindsightKept)
	}
	return h, err
}

// morePage is the rest of a section.
type morePage struct {
	Edition, Date string
	Lines         []line
}

// more lists what a section had beyond what the mail shows.
func (p *Pages) more(w http.ResponseWriter, r *http.Request, v *visit) {
	past, e, ok := p.past(w, r, v)
	if !ok {
		return
	}
	if e == nil {
		p.message(w, r, http.StatusNotFound, v.lang, "no_digest")
		return
	}
	p.click(r, digest.Click{Edition: v.Edition, Slot: v.Slot, Section: v.Section})
	d, rest, err := p.recount(r.Context(), past, e)
	if err != nil {
		p.trouble(w, r, "list the rest of a section", err)
		return
	}
	var revisions []int64
	for _, pick := range rest.Left[v.Section] {
		revisions = append(revisions, pick.Revision)
	}
	words, zone := p.texts.set.Words(v.lang), p.zone(d.Zone)
	page := morePage{Edition: p.editionTitle(e.Name), Date: words.Day(past.Issue.Due.In(zone))}
	if page.Lines, err = p.lines(r.Context(), words, zone, past.Issue.Due, revisions); err != nil {
		p.trouble(w, r, "load stories", err)
		return
	}
	p.show(w, r, http.StatusOK, v.lang, "more", "rest_title", page, "section", isolated(v.lang, p.nameOf(v.Section)))
}

// whyPage explains a digest.
type whyPage struct {
	Edition, Date string
	Follows       []whyFollow
	Settings      []whySetting
	Lines         []line
	Left          []whyLeft
}

type whyFollow struct{ Name, Level string } // Level is a key of words

type whySetting struct{ Key, Value string }

// whyLeft is how many stories had no place, and for what reason.
type whyLeft struct {
	Key   string // of words
	Count string
	Lines []line
}

// leftReasons are the reasons that a reader is told, in that order; the others say that a story was
// none of this issue's.
var leftReasons = []struct {
	reason digest.Reason
	key    string
}{
	{digest.OverCap, "left_over_cap"}, {digest.LessLimit, "left_less"}, {digest.Muted, "left_muted"}, {digest.SeenBefore, "left_seen"},
	{digest.Duplicate, "left_duplicate"}, {digest.TooOld, "left_old"}, {digest.OtherLanguage, "left_language"}, {digest.NotFollowed, "left_not_followed"},
}

// why explains why this mail came with these stories.
func (p *Pages) why(w http.ResponseWriter, r *http.Request, v *visit) {
	past, e, ok := p.past(w, r, v)
	if !ok {
		return
	}
	if e == nil {
		p.message(w, r, http.StatusNotFound, v.lang, "no_digest")
		return
	}
	d, rest, err := p.recount(r.Context(), past, e)
	if err != nil {
		p.trouble(w, r, "explain digest", err)
		return
	}
	words, zone := p.texts.set.Words(v.lang), p.zone(d.Zone)
	page := whyPage{Edition: p.editionTitle(e.Name), Date: words.DayTime(past.Issue.Due.In(zone), p.city(zone))}
	for _, f := range past.Reader.Sections {
		level := "level_normal"
		if f.Less {
			level = "level_less"
		} else if f.Muted {
			level = "level_muted"
		}
		page.Follows = append(page.Follows, whyFollow{p.nameOf(p.Config.MovedTo(f.Section)), level})
	}
	page.Settings = p.whySettings(words, past, e)
	if page.Lines, err = p.whyLines(r.Context(), words, zone, past, d, v.lang); err != nil {
		p.trouble(w, r, "load stories", err)
		return
	}
	if page.Left, err = p.whyLeft(r.Context(), words, zone, past, d, rest); err != nil {
		p.trouble(w, r, "load stories", err)
		return
	}
	p.show(w, r, http.StatusOK, v.lang, "why", "why_title", page)
}

// whySettings are the settings by which the digest was made, but for sections.
func (p *Pages) whySettings(words *templates.Words, past *digest.Past, e *schedule.Edition) []whySetting {
	due := past.Issue.Due.In(p.zone(past.Issue.Zone))
	list := []whySetting{{"why_time", words.Zoned(due, p.city(due.Location()))}}
	if len(past.Reader.Days) > 0 {
		var days []string
		for _, d := range past.Reader.Days {
			days = append(days, words.Weekdays[d-1])
		}
		list = append(list, whySetting{"why_days", strings.Join(days, words.Comma)})
	}
	stories := e.Stories
	return append(list, whySetting{"why_stories", words.Number(stories)})
}

// whyLines are the stories of a digest, each with why it is there.
func (p *Pages) whyLines(ctx context.Context, words *templates.Words, zone *time.Location, past *digest.Past, d *digest.Digest, lang string) ([]line, error) {
	var revisions []int64
	for _, item := range d.Items {
		revisions = append(revisions, item.Revision)
	}
	found, err := p.Archive.Stories(ctx, revisions)
	if err != nil {
		return nil, err
	}
	var lines []line
	for n, item := range d.Items {
		s := found[item.Revision]
		if s == nil {
			continue
		}
		if !s.Withdrawn.IsZero() {
			lines = append(lines, line{Language: lang, Headline: p.texts.in(lang)["withdrawn_text"]})
			continue
		}
		l := p.line(words, zone, past.Issue.Due, s)
		key := "why_section"
		if n == 0 {
			key = "why_lead"
		}
		if slices.ContainsFunc(past.Reader.Sections, func(f digest.Follow) bool { return p.Config.MovedTo(f.Section) == item.Section && f.Less }) {
			key = "why_less"
		}
		if l.Why, err = text(p.texts.in(lang), key, []string{"section", isolated(lang, p.nameOf(item.Section))}); err != nil {
			return nil, err
		}
		lines = append(lines, l)
	}
	return lines, nil
}

// whyLeft groups what was there and is not in the digest by reason, each story once.
func (p *Pages) whyLeft(ctx context.Context, words *templates.Words, zone *time.Location, past *digest.Past, d *digest.Digest, rest digest.Recount) ([]whyLeft, error) {
	const shown = 10
	revisions := map[int64]int64{}
	for _, picks := range rest.Left {
		for _, pick := range picks {
			revisions[pick.Story] = pick.Revision
		}
	}
	var list []whyLeft
	news := slices.DeleteFunc(slices.Clone(rest.Verdicts), func(v digest.Verdict) bool { return v.Arrival <= past.Start })
	account := digest.Account(news, d.Items)
	for _, known := range leftReasons {
		count := 0
		var ids []int64
		for _, verdict := range account {
			if verdict.Reason != known.reason {
				continue
			}
			count++
			if revision := revisions[verdict.Story]; revision != 0 {
				ids = append(ids, revision)
			}
		}
		if count == 0 {
			continue
		}
		l := whyLeft{Key: known.key, Count: words.Number(count)}
		slices.SortFunc(ids, func(a, b int64) int { return int(b - a) })
		var err error
		if l.Lines, err = p.lines(ctx, words, zone, past.Issue.Due, ids[:min(len(ids), shown)]); err != nil {
			return nil, err
		}
		list = append(list, l)
	}
	return list, nil
}
