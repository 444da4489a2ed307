package digest_test

import (
	"fmt"
	"slices"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/schedule"
	"broadsheet/subscribers"
)

// claim is one story in one section that is owed to a reader.
type claim struct {
	story   int64
	section string
}

// book is what a reader is owed in an edition. It restates the promise without windows: everything that arrives is
// owed, is carried by the next delivery, and is owed again when that delivery turns out to have come to nothing.
type book struct {
	upTo    int64 // arrivals that have entered the book
	begun   bool
	away    bool
	owed    map[claim]bool
	carried map[int]map[claim]bool // by delivery
}

func (l *life) book(id int64, edition string) *book {
	k := fmt.Sprint(id, edition)
	if l.books[k] == nil {
		l.books[k] = &book{owed: map[claim]bool{}, carried: map[int]map[claim]bool{}}
	}
	return l.books[k]
}

// enter writes new deliveries into the books and looks whether they bring what is owed.
func (l *life) enter() {
	rows := l.world.deliveries()
	for ; l.known < len(rows); l.known++ {
		n := l.known
		d := &rows[n]
		e := l.editions[slices.IndexFunc(l.editions, func(e *schedule.Edition) bool { return e.Name == d.issue.Edition })]
		b := l.book(d.subscriber, e.Name)
		zone, err := time.LoadLocation(d.issue.Zone)
		if err != nil {
			l.t.Fatal(err)
		}
		slot := schedule.Slot{Edition: e.Name, Key: d.issue.Slot, Zone: d.issue.Zone, Hour: d.issue.Hour, Local: d.issue.Local, Due: d.issue.Due}

		for k, carried := range b.carried {
			switch r := &rows[k]; {
			case ended(r.state):
				for c := range carried {
					b.owed[c] = true
				}
				delete(b.carried, k)
			case open(r.state) && r.copies == 0:
				l.fail("reader %d: delivery %d is still %s after the next was written", d.subscriber, k, r.state)
			}
		}
		pool := l.pool(d.issue.Cutoff)
		period, _ := e.SlotsBack(zone, d.issue.Hour, nil, slot, 1)
		oldest := d.issue.Due.Add(-e.ReachBack(zone, d.issue.Hour, l.readers[d.subscriber].Days, slot))
		arrived := map[claim]time.Time{}
		mutedIn := map[int64]bool{}
		for _, p := range pool {
			c := claim{p.Story, p.Section}
			arrived[c] = p.Arrived
			if l.level(d.subscriber, p.Section) == subscribers.Muted {
				mutedIn[p.Story] = true
			}
			if p.Arrival > b.upTo && (b.begun || !p.Arrived.Before(d.issue.Due.Add(-e.First))) {
				b.owed[c] = true
			}
		}
		if b.begun && b.away {
			for c := range b.owed {
				if at, ok := arrived[c]; ok && at.Before(period.Due) {
					delete(b.owed, c)
				}
			}
		}
		b.upTo, b.begun, b.away = max(b.upTo, d.issue.Cutoff), true, false
		l.note("reader %d: delivery %d, %s, window %d-%d, stories %v", d.subscriber, n, d.state, d.start, d.end, d.stories)

		mail := map[claim]bool{}
		inSection := map[string]int{}
		for i, s := range d.stories {
			mail[claim{s, d.sections[i]}] = true
			inSection[d.sections[i]]++
		}
		for c := range b.owed {
			at, ok := arrived[c]
			if !ok || d.state == mailer.Suppressed || at.Before(oldest) || mutedIn[c.story] || slices.Contains(d.stories, c.story) {
				continue
			}
			level := l.level(d.subscriber, c.section)
			if level == "" || level == subscribers.Muted || level == subscribers.Less && inSection[c.section] == 1 ||
				len(d.stories) == e.Stories || l.had(rows[:n], d.subscriber, c.story) || l.lessFirst(d, c.story, pool, inSection) {
				continue
			}
			l.fail("reader %d: delivery %d lacks story %d of %s", d.subscriber, n, c.story, c.section)
		}
		b.carried[n], b.owed = b.owed, map[claim]bool{}
	}
	l.once(rows)
}

func (l *life) level(id int64, section string) subscribers.Level {
	for _, f := range l.readers[id].Sections {
		if f.Section == section {
			return f.Level
		}
	}
	return ""
}

// lessFirst reports whether a story also stands in a section of which the reader wants less, and which has its one
// story: it belongs there if that section comes first.
func (l *life) lessFirst(d *row, story int64, pool []digest.Candidate, inSection map[string]int) bool {
	return slices.ContainsFunc(pool, func(p digest.Candidate) bool {
		return p.Story == story && l.level(d.subscriber, p.Section) == subscribers.Less && inSection[p.Section] == 1
	})
}

// had reports whether a story is with the reader, or on its way.
func (l *life) had(rows []row, id, story int64) bool {
	return slices.ContainsFunc(rows, func(r row) bool {
		return r.subscriber == id && !ended(r.state) && slices.Contains(r.stories, story)
	})
}

// once checks that no story reached a reader twice. A copy is out once it was handed, until it was refused.
func (l *life) once(rows []row) {
	type mail struct{ reader, story int64 }
	got := map[mail]int{}
	for n, r := range rows {
		switch {
		case r.state == mailer.Handed, r.state == mailer.Accepted, r.state == mailer.Bounced, r.state == mailer.Uncertain, r.copies > 0:
			for _, s := range r.stories {
				if other, ok := got[mail{r.subscriber, s}]; ok {
					l.fail("reader %d: story %d in deliveries %d and %d", r.subscriber, s, other, n)
				}
				got[mail{r.subscriber, s}] = n
			}
		}
	}
}
