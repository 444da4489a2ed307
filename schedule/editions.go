package schedule

import (
	"fmt"
	"slices"
	"strings"
	"text/template/parse"
	"time"

	"github.com/goccy/go-yaml/ast"
)

var editionKeys = []string{"name", "title", "cron", "zone", "hours", "languages", "sections", "stories", "per_section",
	"max_age", "first", "catch_up", "prepare", "deliver_within", "spread", "min_gap", "quiet", "skip", "roundup",
	"approve", "tripwires", "subject", "template", "ping"}

func (r *reader) editions(t *table, c *Config) (editions []Edition) {
	seen := make(map[string]mark)
	nodes := t.list("editions", "{name, cron, zone}")
	if _, isList := t.values["editions"].(*ast.SequenceNode); isList && len(nodes) == 0 {
		t.bad("editions", "editions is empty; write at least one")
	}
	for i, n := range nodes {
		e, ok := r.table(n, called("edition", i, nameIn(n, "name")), editionKeys...)
		if !ok {
			continue
		}
		edition := e.edition(c)
		e.unique("name", strings.ToLower(edition.Name), seen)
		editions = append(editions, edition)
	}
	return editions
}

func (t *table) edition(c *Config) Edition {
	e := Edition{
		Title:      t.text("title"),
		Zone:       ReaderZone,
		Stories:    t.whole("stories", 12, 1, 20),
		PerSection: t.whole("per_section", 0, 0, 20),
		Roundup:    t.flag("roundup"),
		Approve:    t.choice("approve", "none", "send", "hold"),
		Tripwires:  t.tripwires(),
		Subject:    t.text("subject"),
		Template:   t.text("template"),
		Ping:       t.ping("ping"),

		MaxAge:        t.span("max_age", time.Minute, "3d"),
		First:         t.span("first", time.Minute, "24h"),
		CatchUp:       t.span("catch_up", time.Minute, "6h"),
		Prepare:       t.span("prepare", 0, "45m"),
		DeliverWithin: t.span("deliver_within", time.Minute, "6h"),
		Spread:        t.span("spread", 0, "20m"),
		MinGap:        t.span("min_gap", 0, "3h"),
	}
	if t.need("name", "name: morning") {
		e.Name = t.id("name")
	}
	if t.has("zone") && t.text("zone") != ReaderZone {
		e.Zone = t.zone("zone", c.zones)
	}
	e.Languages = t.languages(c.Publication.Language)
	e.Sections = t.drawn(c)
	e.Hours = t.hours()
	e.Quiet = t.quiet()
	skip := t.skip(&e)
	if len(e.Subject) > 500 {
		t.bad("subject", "subject is longer than 500 bytes")
	} else if e.Subject != "" {
		tree := parse.New("subject")
		tree.Mode = parse.SkipFuncCheck
		if _, err := tree.Parse(e.Subject, "", "", make(map[string]*parse.Tree)); err != nil {
			t.bad("subject", "subject is not a template: %s", strings.TrimPrefix(err.Error(), "template: "))
		}
	}
	if !t.need("cron", `cron: "0 7 * * *"`) {
		return e
	}
	cron := t.text("cron")
	if cron == "" {
		return e
	}
	rule, err := parseCron(cron)
	if err != nil {
		t.bad("cron", "cron %q: %v", clip(cron), err)
		return e
	}
	e.Cron, e.rule = cron, rule
	e.rule.skip, e.rule.zones = skip, c.zones
	if e.Zone != "" && e.Zone != ReaderZone {
		e.rule.place, _ = c.zones.Load(e.Zone)
	}
	e.fill()
	t.across(&e)
	return e
}

// across checks what only several keys together can tell. A value of zero that the file gives
// is told from a missing one here, for fill took both for missing.
func (t *table) across(e *Edition) {
	if t.has("spread") && zeroSpan(t.values["spread"]) {
		e.Spread = 0
	}
	if t.has("min_gap") && zeroSpan(t.values["min_gap"]) {
		e.MinGap = 0
	}
	every := spanText(e.Interval())
	if e.Interval() < e.MinGap {
		stated := ""
		if !t.has("min_gap") {
			stated = " (its default)"
		}
		t.bad("cron", "cron fires %s apart, but min_gap is %s%s; write min_gap: %s or less, or a cron that fires less often", every, spanText(e.MinGap), stated, every)
	}
	if len(e.Hours) > 0 {
		if e.rule.place != nil {
			t.bad("hours", "hours need zone: reader, since a place has the cron's hour")
		}
		if !e.DailyAtMost() {
			t.bad("hours", "hours need a cron that fires at most once a day, and %q fires %d times", e.Cron, len(e.rule.times))
		}
	}
	if e.Prepare >= e.Interval() {
		t.bad("prepare", "prepare %s must be shorter than the %s between two slots of the cron", spanText(e.Prepare), every)
	}
	if e.Spread >= e.DeliverWithin {
		t.bad("spread", "spread %s must be shorter than deliver_within, which is %s", spanText(e.Spread), spanText(e.DeliverWithin))
	}
	t.loud(e)
}

func zeroSpan(n ast.Node) bool {
	if v, ok := wholeOf(n); ok {
		return v == 0
	}
	s, _ := textOf(n)
	d, err := parseSpan(s)
	return err == nil && d == 0
}

// loud checks that each slot leaves time to send outside the quiet hours.
func (t *table) loud(e *Edition) {
	if len(e.Quiet) == 0 {
		return
	}
	times := e.rule.times
	if len(e.Hours) > 0 {
		times = nil
		for _, h := range e.Hours {
			times = append(times, h*60+e.rule.times[0]%60)
		}
	}
	for _, clock := range times {
		slot := dateOf(2001, 1, 1).at(clock).utc()
		until, quiet := e.QuietUntil(slot, time.UTC)
		if quiet && until.Sub(slot) >= e.DeliverWithin {
			t.bad("quiet", "quiet hours hold the %s slot for %s, but deliver_within is %s; nothing would go out", slot.Format("15:04"), spanText(until.Sub(slot)), spanText(e.DeliverWithin))
			return
		}
	}
}

func (t *table) languages(preset string) (languages []string) {
	tags, places := t.texts("languages", "language tags such as en or ar")
	for i, tag := range tags {
		if l := t.language(tag, places[i]); slices.Contains(languages, l) {
			t.wrong(places[i], "%s: language %q is given twice", t.name, clip(tag))
		} else if l != "" {
			languages = append(languages, l)
		}
	}
	if len(languages) == 0 && preset != "" {
		return []string{preset}
	}
	return languages
}

// drawn is the sections that the edition draws from; nil = all.
func (t *table) drawn(c *Config) (sections []string) {
	ids, places := t.texts("sections", "section ids")
	for i, id := range ids {
		switch _, ok := c.Section(id); {
		case !ok:
			t.wrong(places[i], "%s: section %q is not among the sections; %s", t.name, clip(id), c.sectionHint(id))
		case slices.Contains(sections, id):
			t.wrong(places[i], "%s: section %q is given twice", t.name, clip(id))
		default:
			sections = append(sections, id)
		}
	}
	if t.has("sections") && len(sections) == 0 && len(ids) == 0 {
		t.bad("sections", "sections is empty; leave the key out to draw from all")
	}
	return sections
}

func (t *table) hours() (hours []int) {
	for _, n := range t.list("hours", "hours from 0 to 23") {
		h, ok := wholeOf(n)
		if !ok || h < 0 || h > 23 || slices.Contains(hours, h) {
			t.wrong(where(n), "%s: hours must be different whole hours from 0 to 23, and this is %s", t.name, shown(n))
			continue
		}
		hours = append(hours, h)
	}
	slices.Sort(hours)
	return hours
}

// quiet takes one span or a list of them.
func (t *table) quiet() (spans []Quiet) {
	var texts []string
	var places []mark
	if n, ok := t.values["quiet"]; ok {
		if s, isText := textOf(n); isText {
			texts, places = []string{s}, []mark{where(n)}
		} else {
			texts, places = t.texts("quiet", `spans such as "22:00-06:00"`)
		}
	}
	for i, s := range texts {
		q, err := parseQuiet(s)
		if err != nil {
			t.wrong(places[i], "%s: quiet %q: %v", t.name, clip(s), err)
			continue
		}
		spans = append(spans, q)
	}
	never := len(spans) > 0
	for clock := range dayMinutes {
		never = never && slices.ContainsFunc(spans, func(q Quiet) bool { return q.holds(clock) })
	}
	if never {
		t.bad("quiet", "quiet hours cover the whole day; nothing would ever go out")
		return nil
	}
	return spans
}

// skip reads the dates without an issue.
func (t *table) skip(e *Edition) map[date]bool {
	dates := make(map[date]bool)
	list, places := t.texts("skip", "dates such as 2026-12-25")
	for i, s := range list {
		d, err := parseDate(s)
		if err != nil {
			t.wrong(places[i], "%s: skip %q is no date; write e.g. %s", t.name, clip(s), "2026-12-25")
			continue
		}
		if dates[d] {
			t.wrong(places[i], "%s: skip %s is given twice", t.name, s)
		}
		dates[d] = true
		e.Skip = append(e.Skip, s)
	}
	return dates
}

// String names the span as the file has it.
func (q Quiet) String() string {
	return fmt.Sprintf("%02d:%02d-%02d:%02d", q.From/60, q.From%60, q.To/60, q.To%60)
}
