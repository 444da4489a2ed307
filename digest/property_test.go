package digest_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"broadsheet/digest"
	"broadsheet/mailer"
	"broadsheet/schedule"
	"broadsheet/stories"
	"broadsheet/subscribers"
)

// world is a ledger that can be lived in: stories come in, readers change their minds, mails go out or do not.
type world interface {
	digest.Ledger
	digest.Diary
	// intake puts stories on record, each in one or more sections; those with a known id enter further ones.
	intake(now time.Time, news []stories.Story)
	// settings makes these a reader's settings; barred is the reason of a suppression.
	settings(now time.Time, id int64, s subscribers.Settings, barred string)
	// deliveries lists everything written so far, in the order of writing.
	deliveries() []row
	// step takes the n-th delivery, if it may still change, one step on, as chance has it.
	step(rnd *rand.Rand, now time.Time, n int)
}

func (m *model) intake(now time.Time, news []stories.Story) {
	for _, s := range news {
		first := now
		for _, p := range m.pairs {
			if p.Story == s.ID {
				first = p.First
				break
			}
		}
		for _, section := range s.Sections {
			m.pairs = append(m.pairs, digest.Candidate{Story: s.ID, Revision: s.ID, Section: section, Headline: s.Headline,
				Arrival: int64(len(m.pairs) + 1), Arrived: now, First: first, Language: s.Language})
		}
	}
}

func (m *model) settings(now time.Time, id int64, s subscribers.Settings, barred string) {
	r, ok := m.readers[id]
	if !ok {
		r = &modelReader{returned: map[string]bool{}}
		m.readers[id] = r
	}
	for _, e := range []string{"morning", "evening"} {
		if s.Status != subscribers.Active || !slices.Contains(s.Editions, e) {
			r.returned[e] = true
		}
	}
	r.Settings, r.barred = s, barred
}

func (m *model) deliveries() []row {
	out := make([]row, len(m.rows))
	for i, r := range m.rows {
		out[i] = *r
	}
	return out
}

// step walks the states as the design lays them down.
func (m *model) step(rnd *rand.Rand, _ time.Time, n int) {
	r := m.rows[n]
	pick := func(states ...mailer.State) { r.state = states[rnd.IntN(len(states))] }
	switch r.state {
	case mailer.Queued:
		pick(mailer.Sending, mailer.Sending, mailer.Sending, mailer.Expired, mailer.Cancelled, mailer.Suppressed)
	case mailer.Sending:
		pick(mailer.Handed, mailer.Handed, mailer.Handed, mailer.Queued, mailer.Deferred, mailer.Failed)
		if r.copies > 0 && r.state != mailer.Handed {
			r.state = mailer.Deferred
			if rnd.IntN(2) == 0 {
				r.state = mailer.Uncertain
			}
		}
	case mailer.Handed:
		switch rnd.IntN(6) {
		case 0: // refused
			if pick(mailer.Failed, mailer.Deferred); r.copies > 0 {
				r.state = mailer.Uncertain
			}
		case 1: // silence
			if r.copies++; r.copies == 1 {
				r.state = mailer.Deferred
			} else {
				r.state = mailer.Uncertain
			}
		default:
			r.state = mailer.Accepted
		}
	case mailer.Deferred:
		if pick(mailer.Sending, mailer.Sending, mailer.Expired); r.copies > 0 && r.state == mailer.Expired {
			r.state = mailer.Uncertain
		}
	case mailer.Accepted:
		if rnd.IntN(20) == 0 {
			r.state = mailer.Bounced
		}
	}
}

// list lays a selection out as far as the property needs it.
type listing struct{}

func (listing) Layout(_ context.Context, _ *digest.Issue, s *digest.Selection, _ func(int64) (*stories.Story, error)) (*digest.Digest, error) {
	d := &digest.Digest{Language: s.Language, Zone: s.Zone, TextOnly: s.TextOnly}
	for _, p := range s.Sections {
		for _, pick := range p.Stories {
			d.Items = append(d.Items, digest.Item{Story: pick.Story, Revision: pick.Revision, Section: p.Section})
		}
	}
	return d, nil
}

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

type life struct {
	t        *testing.T
	rnd      *rand.Rand
	world    world
	now      time.Time
	config   *schedule.Config
	editions []*schedule.Edition
	finder   *digest.Finder
	readers  map[int64]subscribers.Settings
	barred   map[int64]string
	books    map[string]*book
	known    int // deliveries already entered in the books
	stories  int64
	log      []string
}

var zones = []string{"", "Asia/Dubai", "Europe/London", "America/Los_Angeles", "Pacific/Auckland"}
var sections = []string{"world", "city", "arts", "sport", "science", "food"}

func newLife(t *testing.T, w world, seed uint64) *life {
	l := &life{t: t, rnd: rand.New(rand.NewPCG(seed, 11)), world: w, now: time.Date(2026, 3, 20, 9, 0, 0, 0, time.UTC),
		readers: map[int64]subscribers.Settings{}, barred: map[int64]string{}, books: map[string]*book{}}
	l.config = &schedule.Config{Publication: schedule.Publication{Language: "en",
		Cities: []schedule.City{{Name: "Dubai", Zone: "Asia/Dubai"}}}}
	for _, s := range sections {
		l.config.Sections = append(l.config.Sections, schedule.Section{ID: s, Name: s, Weight: 1})
	}
	for _, e := range []schedule.Edition{
		{Name: "morning", Cron: "30 7 * * *", Zone: schedule.ReaderZone, Hours: []int{5, 7, 9}, Stories: 3 + l.rnd.IntN(18)},
		{Name: "evening", Cron: "0 18 * * 1-5", Zone: "Europe/London", Stories: 12, Prepare: 45 * time.Minute,
			MaxAge: 30 * time.Hour},
	} {
		ready, err := schedule.NewEdition(e)
		if err != nil {
			t.Fatal(err)
		}
		l.editions = append(l.editions, &ready)
	}
	l.finder = &digest.Finder{Diary: w, Config: l.config}
	for id := range int64(6) {
		l.change(id + 1)
	}
	return l
}

func (l *life) note(format string, args ...any) {
	l.log = append(l.log, l.now.Format("01-02 15:04 ")+fmt.Sprintf(format, args...))
}

func (l *life) fail(format string, args ...any) {
	l.t.Helper()
	l.t.Fatalf("%s\n%s", fmt.Sprintf(format, args...), strings.Join(l.log[max(0, len(l.log)-60):], "\n"))
}

// change gives a reader other settings.
func (l *life) change(id int64) {
	s, ok := l.readers[id]
	if !ok {
		s = subscribers.Settings{Address: fmt.Sprintf("reader%d@example.com", id), Status: subscribers.Active, Hour: -1}
	}
	switch what := l.rnd.IntN(8); {
	case !ok || what == 0:
		s.Sections = nil
		for _, i := range l.rnd.Perm(len(sections))[:1+l.rnd.IntN(len(sections))] {
			level := []subscribers.Level{subscribers.Normal, subscribers.Normal, subscribers.Normal, subscribers.Less, subscribers.Muted}
			s.Sections = append(s.Sections, subscribers.Follow{Section: sections[i], Level: level[l.rnd.IntN(5)]})
		}
		if !ok {
			s.Editions = []string{"morning"}
		}
	case what <= 2:
		s.Zone = zones[l.rnd.IntN(len(zones))]
	case what == 3:
		s.Hour = l.rnd.IntN(25) - 1
	case what == 4:
		s.Editions = [][]string{{"morning"}, {"morning", "evening"}, {"evening"}}[l.rnd.IntN(3)]
	case what == 5:
		s.Days = [][]int{nil, nil, {1, 3, 5}, {6, 7}}[l.rnd.IntN(4)]
	case what == 6:
		if l.barred[id] = ""; l.rnd.IntN(3) == 0 {
			l.barred[id] = "operator"
		}
	default:
		if s.Status = subscribers.Active; l.rnd.IntN(2) == 0 {
			s.Status = subscribers.Paused
		}
	}
	l.readers[id] = s
	l.note("reader %d: %s %v %q %d %v %v %s", id, s.Status, s.Editions, s.Zone, s.Hour, s.Days, s.Sections, l.barred[id])
	l.world.settings(l.now, id, s, l.barred[id])
	for _, e := range l.editions {
		if s.Status != subscribers.Active || !slices.Contains(s.Editions, e.Name) {
			l.book(id, e.Name).away = true
		}
	}
}

func (l *life) book(id int64, edition string) *book {
	k := fmt.Sprint(id, edition)
	if l.books[k] == nil {
		l.books[k] = &book{owed: map[claim]bool{}, carried: map[int]map[claim]bool{}}
	}
	return l.books[k]
}

func (l *life) intake() {
	var news []stories.Story
	for range 1 + l.rnd.IntN(3) {
		s := stories.Story{Sections: []string{sections[l.rnd.IntN(len(sections))]}}
		if l.stories > 0 && l.rnd.IntN(6) == 0 { // an earlier one enters a further section
			s.ID = 1 + l.rnd.Int64N(l.stories)
			for _, p := range l.pool(1 << 40) {
				if p.Story == s.ID && p.Section == s.Sections[0] {
					s.ID = 0
				}
			}
		}
		if s.ID == 0 {
			l.stories++
			s.ID = l.stories
		}
		s.Headline = fmt.Sprintf("n%d o%d p%d q%d", s.ID, s.ID, s.ID, s.ID)
		s.URL = fmt.Sprintf("https://news.example/%d", s.ID)
		s.Canonical, s.GUID = s.URL, s.URL
		if !slices.ContainsFunc(news, func(o stories.Story) bool { return o.ID == s.ID }) {
			news = append(news, s)
			l.note("story %d in %s", s.ID, s.Sections[0])
		}
	}
	l.world.intake(l.now, news)
}

func (l *life) pool(upTo int64) []digest.Candidate {
	pool, err := l.world.Pool(l.t.Context(), time.Time{}, upTo)
	if err != nil {
		l.t.Fatal(err)
	}
	return pool
}

// rough hands the ledger's chunks on in ones and twos, so that an issue takes many, and may crash in one.
type rough struct {
	world
	rnd     *rand.Rand
	crashes bool
}

var errCrash = errors.New("crash")

func (r rough) WriteChunk(ctx context.Context, i *digest.Issue, a digest.Audience, _ int, now time.Time,
	plan func(digest.Chunk) ([]digest.Planned, error)) (bool, error) {
	return r.world.WriteChunk(ctx, i, a, 2, now, func(c digest.Chunk) ([]digest.Planned, error) {
		planned, err := plan(c)
		if r.crashes && r.rnd.IntN(8) == 0 {
			err = errCrash
		}
		return planned, err
	})
}

func (l *life) openDue(crashes bool) {
	for _, e := range l.editions {
		due, err := l.finder.Due(l.t.Context(), e, l.now)
		if err != nil {
			l.t.Fatal(err)
		}
		for _, d := range due {
			o := &digest.Opener{Ledger: rough{l.world, l.rnd, crashes}, Layout: listing{}, Config: l.config, Edition: e,
				Now:      func() time.Time { return l.now },
				RelayFor: func(id int64) string { return fmt.Sprint("relay", id) }}
			i, err := o.Open(l.t.Context(), d)
			l.note("open %s %s %s %d: audience %d, cutoff %d, %v", e.Name, i.Slot, i.Zone, i.Hour, i.Audience, i.Cutoff, err)
			if err != nil && !errors.Is(err, errCrash) {
				l.t.Fatal(err)
			}
			l.enter()
		}
	}
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

// run lives for some days, then lets everything arrive and opens what is left to open.
func (l *life) run(days int) {
	end := l.now.AddDate(0, 0, days)
	for l.now.Before(end) {
		wait := time.Duration(20+l.rnd.IntN(220)) * time.Minute
		if l.rnd.IntN(15) == 0 {
			wait = time.Duration(l.rnd.IntN(40)) * time.Hour // the program was down
		}
		l.now = l.now.Add(wait)
		if l.rnd.IntN(3) > 0 {
			l.intake()
		}
		if l.rnd.IntN(3) == 0 {
			l.change(int64(1 + l.rnd.IntN(6)))
		}
		l.openDue(true)
		l.steps(1 + l.rnd.IntN(3))
	}
	for id, s := range l.readers {
		s.Status, s.Days, s.Editions, l.barred[id] = subscribers.Active, nil, []string{"morning", "evening"}, ""
		l.readers[id] = s
		l.world.settings(l.now, id, s, "")
	}
	for range 24 * 3 {
		l.now = l.now.Add(time.Hour)
		l.openDue(false)
		l.steps(2)
	}
}

// steps takes each delivery some steps on.
func (l *life) steps(rounds int) {
	for range rounds {
		before := l.world.deliveries()
		for n := range before {
			if l.rnd.IntN(3) == 0 {
				l.world.step(l.rnd, l.now, n)
			}
		}
		rows := l.world.deliveries()
		for n := range rows {
			if rows[n].state != before[n].state {
				l.note("delivery %d of reader %d: %s, %d copies", n, rows[n].subscriber, rows[n].state, rows[n].copies)
			}
		}
		l.once(rows)
	}
}

func newModel() *model {
	return &model{readers: map[int64]*modelReader{}}
}

// Whatever readers change and whatever becomes of their mails, no story reaches one twice and none that was eligible
// and under the cap is lost: over the rules of the ledger in a few lines, for many lives.
func TestNothingTwiceNothingLost(t *testing.T) {
	lives := uint64(100)
	if testing.Short() {
		lives = 8
	}
	for seed := range lives {
		newLife(t, newModel(), seed).run(15)
	}
}
